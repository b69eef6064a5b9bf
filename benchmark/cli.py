"""The commands, and nothing else: each reads its options and calls one function.

Heavy imports happen inside the commands, so that ``--help`` and ``list`` answer at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from benchmark import __version__, registry
from benchmark.distributed import Ranks
from benchmark.errors import BenchmarkError

FOLDER = click.Path(path_type=Path)
DATA_ROOT = click.option(
    "--data-root",
    type=FOLDER,
    help="Folder that holds data sets; before $BENCHMARK_DATA and the user's cache folder.",
)

FIXATIONS = click.option(
    "--fixations",
    type=FOLDER,
    help="CSV file of the fixations of a data set that is a folder of images alone.",
)

FEATURES = click.option(
    "--features",
    type=FOLDER,
    help="Folder of the feature cache. Default: $BENCHMARK_FEATURES, or the user's cache.",
)
CACHE = click.option("--cache/--no-cache", default=True, help="Keep features on disk.")
PRECISION = click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of the backbone's computations.",
)
JOBS = click.option(
    "--jobs", type=int, default=1, show_default=True, help="Processes; -1: all cores."
)


class Commands(click.Group):
    """A group whose errors are one clear message and an honest exit code, without a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except BenchmarkError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo(
                "\ninterrupted. What was scored is kept: run the same command again to go on.",
                err=True,
            )
            sys.exit(130)


def comma_separated(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    """Split "a,b" into names."""
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def folds(names: tuple[str, ...]) -> tuple[int, ...]:
    """Numbers of folds."""
    if not all(name.isdecimal() for name in names):
        raise BenchmarkError(f"folds are numbers from 0, not {', '.join(names)}.")
    return tuple(int(name) for name in names)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="benchmark")
@click.pass_context
def main(context: click.Context) -> None:
    """Benchmark models of where people look in images.

    \b
    Examples:
      python -m benchmark run                      built-in photographs, simulated observers
      python -m benchmark run --dataset mit1003    a real data set
      python -m benchmark predict photo.jpg        a density for an image of yours
      python -m benchmark train --jobs 2           train DeepGaze II
      python -m benchmark list                     what can be scored, and how
    """
    command = context.invoked_subcommand
    if Ranks.here().world > 1 and command != "train":
        raise BenchmarkError(
            f"torchrun is for `train`, whose processes share the work. Those of `{command}` would "
            f"all do the same: start it once, with `python -m benchmark {command}`."
        )


@main.command()
@click.option("--dataset", default="photographs", show_default=True, help="Name or folder.")
@FIXATIONS
@DATA_ROOT
@click.option(
    "--models", callback=comma_separated,
    help="Names, comma-separated; NAME:plain takes a saliency map as a density without a fit. "
    "Default: all; beside predictions or models of your own, baselines and ceilings. Also: all, "
    "none.",
)  # fmt: skip
@click.option(
    "--predictions", multiple=True, metavar="[NAME=]PATH",
    help="Score predictions of your own: a folder, zip, tar(.gz) of png, jpg, tiff, npy or mat "
    "files called like the images, or an HDF5 file. Repeatable.",
)  # fmt: skip
@click.option(
    "--kind", multiple=True, metavar="[NAME=]KIND",
    help="What these predictions are: log-density (natural logarithm), density or saliency-map.",
)  # fmt: skip
@click.option(
    "--model", "external", multiple=True, metavar="[NAME=]MODULE:CALLABLE",
    help="Score a pysaliency model of your own: an instance, its class, or a function that makes "
    "one; or the file of readouts that `train` wrote. Repeatable.",
)  # fmt: skip
@click.option("--name", help="What to call the predictions or model of your own.")
@click.option(
    "--trained-on", multiple=True, metavar="[NAME=]DATASETS",
    help="Data sets that your own have seen, comma-separated, or none: scores on them are not "
    "ranked.",
)  # fmt: skip
@click.option("--plain", is_flag=True, help="Score plain forms of all models with a saliency map.")
@click.option("--metrics", callback=comma_separated, help="Names, comma-separated. Default: all.")
@click.option("--protocol", default="tuebingen", show_default=True, help="Definitions of metrics.")
@click.option(
    "--maps",
    type=click.Choice(["right", "naive"]),
    default="right",
    show_default=True,
    help="Feed each metric the map that is right for it, or the plain density.",
)
@click.option("--images", type=click.IntRange(min=1), help="Score only the first N images.")
@click.option("--subset", metavar="WIDTHxHEIGHT", help="Use only images of this size.")
@click.option(
    "--kernel-size",
    type=click.FloatRange(min=0, min_open=True),
    help="Gaussian of empirical maps (CC, KL, SIM) in pixels; not for mit2014, which has its own. "
    "Default: the data set's.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@JOBS
@click.option(
    "--backend", type=click.Choice(["loky", "threading", "dask"]), default="loky",
    show_default=True, help="What computes: processes, threads, or Dask's workers.",
)  # fmt: skip
@click.option(
    "--scheduler", metavar="ADDRESS",
    help="Of a Dask cluster, or the file that its scheduler wrote. Default: a cluster of --jobs "
    "processes on this machine.",
)  # fmt: skip
@click.option("--profile", is_flag=True, help="Say where the time went; also in profile.csv.")
@click.option(
    "--draws", type=click.IntRange(min=100), default=10_000, show_default=True,
    help="Bootstrap draws of the intervals.",
)  # fmt: skip
@click.option("--out", type=FOLDER, help="Folder for the results. Default: results/DATASET.")
@click.option(
    "--reuse", multiple=True, type=FOLDER,
    help="Take scores of unchanged models from this results folder, if its run.json states the "
    "same data, settings and code. Repeatable.",
)  # fmt: skip
@click.option(
    "--confirm", type=click.IntRange(min=0), default=0, metavar="N",
    help="With --reuse: take scores of a model whose code has changed, too, if N of its images "
    "scored anew have the same digits.",
)  # fmt: skip
def run(**options: Any) -> None:
    """Score models on a data set; write tables, figures and provenance.

    A run that was interrupted goes on where it stopped: start it again with the same options. It
    exits with 1 if a model could not be scored on some image; the other scores are kept.

    \b
    Examples:
      python -m benchmark run
      python -m benchmark run --dataset mit1003 --jobs 2
      python -m benchmark run --dataset mit1003 --subset 1024x768
      python -m benchmark run --dataset my_experiment/ --metrics IG,AUC
      python -m benchmark run --dataset mit1003 --predictions maps.zip --kind saliency-map
      python -m benchmark run --dataset mit1003 --model my_package.models:MyModel
      python -m benchmark run --dataset osie --model training/deepgaze2-mine/deepgaze2.safetensors
      python -m benchmark run --dataset images/ --fixations hidden.csv
      python -m benchmark run --dataset mit1003 --backend dask --scheduler tcp://node1:8786
    """
    from benchmark.run import Options
    from benchmark.run import run as run_benchmark

    outcome = run_benchmark(Options(**options), lambda text: click.echo(text, err=True))
    click.echo((outcome.folder / "summary.md").read_text(encoding="utf-8"))
    click.echo(f"Written to {outcome.folder}")
    if outcome.failures:
        for failure in outcome.failures[:10]:
            click.echo(f"{failure.model}, image {failure.image}: {failure.reason}", err=True)
        raise BenchmarkError(
            f"{len(outcome.failures)} predictions could not be scored, so this run is incomplete "
            f"and ranks nobody; all are listed in {outcome.folder / 'run.json'}."
        )


@main.command()
@click.option("--model", default="deepgaze2", show_default=True, help="Whose recipe to follow.")
@click.option(
    "--backbone", default="", metavar="NAME",
    help="Read out this backbone (see `list`) instead of the recipe's, at the recipe's scales.",
)  # fmt: skip
@click.option(
    "--layers", callback=comma_separated,
    help="Layers to read out, comma-separated. Default: the recipe's, or those that a backbone "
    "named by --backbone has as its own default.",
)  # fmt: skip
@click.option("--dataset", default="mit1003", show_default=True, help="Name or folder.")
@DATA_ROOT
@click.option(
    "--with", "together", callback=comma_separated,
    help="Data sets to learn from together with the first, comma-separated.",
)  # fmt: skip
@click.option("--pretrain", callback=comma_separated, help="Data sets to learn from before.")
@click.option(
    "--folds", "n_folds", type=click.IntRange(3, 256), default=10, show_default=True,
    help="Folds of images.",
)  # fmt: skip
@click.option(
    "--only", callback=comma_separated, help="Train only these folds, comma-separated, from 0."
)
@click.option(
    "--scheme", type=click.Choice(["8-1-1", "9-1"]), default="8-1-1", show_default=True,
    help="Of ten folds, how many are for training, stopping and testing; 9-1: the paper's, where "
    "the test fold also stops the training.",
)  # fmt: skip
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True,
    help="Readouts of each fold; their densities are averaged.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--training-images", type=click.IntRange(min=1), help="Learn from so many images.")
@click.option(
    "--set", "changes", multiple=True, metavar="NAME=VALUE",
    help="Change the recipe, e.g. --set epochs=20 --set loss=image --set readout.stride=4.",
)  # fmt: skip
@FEATURES
@CACHE
@PRECISION
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
    help="auto: under torchrun, a GPU for each process, if there are any; otherwise the processor.",
)  # fmt: skip
@JOBS
@click.option("--out", type=FOLDER, help="Folder. Default: training/MODEL[-BACKBONE]-DATASET.")
def train(**options: Any) -> None:
    """Train the readouts of a model, cross-validated over images.

    Training that was interrupted goes on after its last epoch: start it again with the same
    options. Writes weights (safetensors), learning curves and a record of what was done.

    \b
    Examples:
      python -m benchmark train --model deepgaze2 --dataset mit1003 --jobs 2
      torchrun --nproc-per-node 4 -m benchmark train --dataset mit1003    one process a GPU
      python -m benchmark train --dataset mit1003 --pretrain osie
      python -m benchmark train --model deepgaze1 --backbone alexnet --layers conv4,conv5
      python -m benchmark train --dataset my_experiment/ --only 0 --set epochs=5
    """
    from benchmark.train import TrainOptions, parse_changes
    from benchmark.train import train as train_model

    options["changes"] = parse_changes(options["model"], options["changes"])
    only = options.pop("only")
    if not all(fold.isdecimal() for fold in only):
        raise BenchmarkError(f"--only {','.join(only)}: expected numbers of folds, such as 0,3.")
    options["folds"] = tuple(int(fold) for fold in only) or None
    outcome = train_model(TrainOptions(**options), lambda text: click.echo(text, err=True))
    if outcome is None:  # the first of the processes tells it
        return
    gain = outcome.test["test"].mean()
    click.echo(f"Mean information gain on the test images: {gain:.4f} bits per fixation.")
    click.echo(f"Written to {outcome.weights}")


@main.command()
@click.option("--dataset", default="mit1003", show_default=True, help="Name or folder.")
@DATA_ROOT
@click.option(
    "--pretrain", callback=comma_separated, default="osie", show_default=True,
    help='Data sets for pretraining, comma-separated; "" for none.',
)  # fmt: skip
@click.option("--only", callback=comma_separated, help="Variations, comma-separated. Default: all.")
@click.option(
    "--test-folds", callback=comma_separated, default="0", show_default=True,
    help="Test folds to train and score, of ten.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@FEATURES
@CACHE
@PRECISION
@JOBS
@click.option("--out", type=FOLDER, help="Folder. Default: results/ablation-DATASET.")
def ablation(**options: Any) -> None:
    """Train and score variations of DeepGaze II: what each part of it contributes.

    An ablation that was interrupted goes on where it stopped.

    \b
    Examples:
      python -m benchmark ablation --jobs 2
      python -m benchmark ablation --only prior-weight-1,narrow --test-folds 0,1
    """
    from benchmark.ablation import AblationOptions
    from benchmark.ablation import ablation as run_ablation

    options["test_folds"] = folds(options["test_folds"])
    outcome = run_ablation(AblationOptions(**options), lambda text: click.echo(text, err=True))
    click.echo((outcome.folder / "README.md").read_text(encoding="utf-8"))
    click.echo(f"Written to {outcome.folder}")


@main.command()
@click.argument("images", nargs=-1, required=True, type=FOLDER)
@click.option(
    "--model", default="deepgaze2", show_default=True,
    help="A registered model, or the file of readouts that `train` wrote.",
)  # fmt: skip
@click.option(
    "--format", "formats", callback=comma_separated, default="npy,png", show_default=True,
    help="npy and hdf5 hold log densities, png shows them over the image; comma-separated.",
)  # fmt: skip
@click.option(
    "--centre-bias/--no-centre-bias", default=True, help="Multiply the prior in, or leave it out."
)
@click.option("--out", type=FOLDER, default="predictions", show_default=True)
def predict(
    images: tuple[Path, ...], model: str, formats: tuple[str, ...], centre_bias: bool, out: Path
) -> None:
    """Predict where people look in IMAGES (files, or folders of them).

    \b
    Examples:
      python -m benchmark predict photo.jpg
      python -m benchmark predict my_images/ --format hdf5 --out my_predictions
    """
    from benchmark.predict import predict as predict_images

    done = predict_images(images, model, out, formats, centre_bias)
    for file in dict.fromkeys(file for each in done for file in each.files):
        click.echo(file)


@main.command()
@click.option(
    "--images", required=True, type=FOLDER, help="Folder that holds the images, nothing else."
)
@click.option("--model", default="deepgaze2", show_default=True)
@click.option("--out", type=FOLDER, help="Folder. Default: submissions/MODEL-FOLDER.")
def submit(**options: Any) -> None:
    """Write predictions for images whose fixations others hold, as boards accept them.

    Writes log densities (HDF5) and grey maps of their ranks (JPEG, PNG), with and without centre
    bias, reads them back, and says in README.md what to upload where. If it was interrupted, it
    goes on where it stopped: start it again with the same options.

    \b
    Examples:
      python -m benchmark submit --images MIT300/
      python -m benchmark submit --images MIT300/ --model deepgaze1 --out my_submission
    """
    from benchmark.submission import SubmitOptions
    from benchmark.submission import submit as write_submission

    done = write_submission(SubmitOptions(**options), lambda text: click.echo(text, err=True))
    click.echo((done.folder / "README.md").read_text(encoding="utf-8"))
    click.echo(f"Written to {done.folder}")


@main.command(name="list")
@click.argument(
    "what",
    required=False,
    type=click.Choice(["datasets", "models", "backbones", "metrics", "protocols"]),
)
def list_(what: str | None) -> None:
    """List data sets, models, their backbones, metrics and protocols.

    \b
    Examples:
      python -m benchmark list
      python -m benchmark list models
    """
    kinds = {
        "datasets": registry.datasets(),
        "models": registry.models(),
        "backbones": registry.backbones(),
        "metrics": registry.metrics(),
        "protocols": registry.protocols(),
    }
    for kind, entries in kinds.items():
        if what not in (None, kind):
            continue
        click.secho(kind, bold=True)
        width = max(map(len, entries))
        for name, entry in entries.items():
            metadata = entry.metadata
            text = metadata.get("summary") or f"{metadata['title']}; wants {metadata['wants']}"
            seen = metadata.get("trained_on", ())
            trained = [name for name in seen if not name.startswith("scored")]
            if trained:
                text += f" [trained on {', '.join(trained)}]"
            elif seen:
                text += " [fitted on the scored data set]"
            if metadata.get("simulated"):
                text += " [simulated]"
            if metadata.get("kind") == "ceiling":
                text += " [ceiling]"
            click.echo(f"  {name:<{width}}  {text}")


@main.command()
@click.argument("path")
@DATA_ROOT
@click.option("--dataset", "predictions_for", help="PATH holds predictions for this data set.")
@FIXATIONS
@click.option(
    "--kind", type=click.Choice(["log-density", "density", "saliency-map"]),
    help="What the predictions are. Default: told from each map's values.",
)  # fmt: skip
def check(
    path: str,
    data_root: Path | None,
    predictions_for: str | None,
    fixations: Path | None,
    kind: str | None,
) -> None:
    """Validate a data set, or predictions (as `run` takes them), and list every problem at once.

    \b
    Examples:
      python -m benchmark check my_experiment/
      python -m benchmark check mit1003
      python -m benchmark check my_predictions/ --dataset mit1003
    """
    from benchmark.check import check as check_path

    kind = kind and kind.replace("-", " ")
    report = check_path(
        path, data_root=data_root, predictions_for=predictions_for, kind=kind, fixations=fixations
    )
    click.echo(str(report))
    if report.errors:
        sys.exit(1)


@main.command()
@click.argument("name")
@DATA_ROOT
@click.option("--force", is_flag=True, help="Replace a copy that is already there.")
def download(name: str, data_root: Path | None, force: bool) -> None:
    """Fetch a data set or a backbone, verify it and put it where the other commands find it.

    An interrupted download goes on where it stopped. The weights of a backbone go to the folder in
    $BENCHMARK_WEIGHTS, by default the user's cache folder.

    \b
    Examples:
      python -m benchmark download mit1003
      python -m benchmark download vgg19-torchvision
    """
    known = {**registry.datasets(), **registry.backbones()}
    if registry.lookup(known, name, "data set or backbone").name in registry.backbones():
        from benchmark.weights import download as fetch_weights

        if data_root is not None:
            raise BenchmarkError(
                "weights do not go below a data root: name their folder in BENCHMARK_WEIGHTS, and "
                "leave out --data-root."
            )
        click.echo(f"Ready: {fetch_weights(name, force=force)}")
        return
    from benchmark.datasets.download import download as fetch

    click.echo(f"Ready: {fetch(name, data_root, force=force)}")


@main.command()
@click.argument("folder", type=FOLDER)
@click.option("--format", "style", type=click.Choice(["markdown", "latex"]), default="markdown")
@click.option("--metrics", callback=comma_separated, help="Columns, comma-separated.")
@click.option("--intervals/--no-intervals", default=False, help="Show 95 % intervals.")
@click.option("--standalone", is_flag=True, help="LaTeX: a document of its own.")
@click.option("--published", is_flag=True, help="Add what others have published, apart.")
def table(
    folder: Path,
    style: str,
    metrics: tuple[str, ...],
    intervals: bool,
    standalone: bool,
    published: bool,
) -> None:
    """Print the table of a results folder.

    \b
    Examples:
      python -m benchmark table results/mit1003
      python -m benchmark table results/mit1003 --published
      python -m benchmark table results/mit1003 --format latex --metrics IG,AUC,sAUC,NSS
    """
    from benchmark.report.latex import latex_table
    from benchmark.report.markdown import markdown_table
    from benchmark.report.published import section
    from benchmark.report.results import Results

    results, chosen = Results.read(folder), list(metrics) or None
    if style == "latex":
        text = latex_table(
            results, chosen, intervals=intervals, standalone=standalone, published=published
        )
        click.echo(text)
    else:
        click.echo(markdown_table(results, chosen, intervals=intervals))
        if published:
            click.echo(section(results.dataset.name))


@main.command()
@click.option("--dataset", "begins", help="How its name begins: MIT300, MIT1003, OSIE, ...")
@click.option("--model", help="Part of its name.")
@click.option("--metric", help="As printed: IG, AUC, sAUC, NSS, CC, KLDiv, SIM, AUC-Judd, ...")
def published(begins: str | None, model: str | None, metric: str | None) -> None:
    """Print scores that others have published, with their sources.

    They were computed on other fixations or by other protocols than those of this program, so they
    do not rank with its scores.

    \b
    Examples:
      python -m benchmark published --dataset MIT300 --model DeepGaze
      python -m benchmark published --metric IG
    """
    from benchmark.report.published import find, markdown

    click.echo(markdown(find(begins, model, metric)))


@main.command()
@click.argument("folder", type=FOLDER)
@click.option("--html", "out", type=FOLDER, help="File. Default: FOLDER/report.html.")
@click.option(
    "--gallery", is_flag=True,
    help="Show images and predictions that `paper` has stored; for photographs that you may share.",
)  # fmt: skip
@DATA_ROOT
def report(folder: Path, out: Path | None, gallery: bool, data_root: Path | None) -> None:
    """Write a results folder as one HTML page that needs nothing else.

    A gallery shows the images whose predictions `paper` has stored in the folder; predictions of a
    model that has changed since are left out and named.

    \b
    Examples:
      python -m benchmark report results/mit1003
      python -m benchmark report results/photographs --gallery
    """
    from benchmark.page import write_page

    click.echo(write_page(folder, out, gallery, data_root))


@main.command()
@click.argument("folder", type=FOLDER)
@click.option("--out", type=FOLDER, help="Folder for the figures. Default: FOLDER/figures.")
def plot(folder: Path, out: Path | None) -> None:
    """Draw the figures of a results folder again, as PDF and PNG.

    \b
    Example:
      python -m benchmark plot results/mit1003
    """
    from benchmark.report.figures import write_figures
    from benchmark.report.results import Results

    for path in write_figures(Results.read(folder), out or folder / "figures"):
        click.echo(path)


@main.command()
@click.argument("first", type=FOLDER)
@click.argument("second", type=FOLDER, required=False)
@click.option(
    "--models", callback=comma_separated,
    help="Comma-separated: two models of one folder, or those to compare between two folders, "
    "OLD=NEW for one that has another name in the second. Default: all that both have.",
)  # fmt: skip
@click.option("--metrics", callback=comma_separated, help="Names; images are listed by the first.")
@click.option(
    "--top", type=click.IntRange(min=0), default=5, show_default=True,
    help="Images to list for each model, those that moved most.",
)  # fmt: skip
@click.option("--draws", type=click.IntRange(min=100), default=10_000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--force", is_flag=True, help="Compare runs that are not comparable, with a warning.")
@click.option("--out", type=FOLDER, help="Folder for Markdown, CSV files and figures as well.")
def compare(**options: Any) -> None:
    """Compare two runs, or two models of one run, image by image.

    FIRST and SECOND are results folders. Differences are SECOND minus FIRST (for models of one
    folder, the second named minus the first), with bootstrap intervals and permutation tests. Runs
    on other data or by another protocol are refused.

    \b
    Examples:
      python -m benchmark compare results/before results/after
      python -m benchmark compare results/before results/after --models deepgaze2
      python -m benchmark compare results/mit1003 --models deepgaze1,deepgaze2 --out comparison
    """
    from benchmark.comparison.core import CompareOptions
    from benchmark.comparison.core import compare as compare_runs
    from benchmark.comparison.report import text, write

    chosen = CompareOptions(**options)
    found = compare_runs(chosen)
    click.echo(text(found, chosen.top))
    if chosen.out is not None:
        write(found, chosen.out, chosen.top)
        click.echo(f"Written to {chosen.out}")


@main.command()
@click.argument("folder", type=FOLDER)
@click.option("--models", callback=comma_separated, help="Names. Default: all that are ranked.")
@click.option("--metrics", callback=comma_separated, help="Names; the first one leads.")
@click.option("--draws", type=click.IntRange(min=100), default=10_000, show_default=True)
@click.option(
    "--flips", type=click.IntRange(min=99), default=20_000, show_default=True,
    help="Permutations of each test; more where so few could separate no pair of so many models.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--out", type=FOLDER, help="Folder. Default: results/statistics-FOLDER.")
def statistics(**options: Any) -> None:
    """Test all models of a results folder against each other, and say what its data can separate.

    Writes paired tests of all pairs, corrected for their number, the agreement of metrics, and the
    smallest difference that so many images can show; from stored scores alone.

    \b
    Examples:
      python -m benchmark statistics results/mit1003
      python -m benchmark statistics results/mit1003 --metrics sAUC,IG --out my_statistics
    """
    from benchmark.statistics.command import StatisticsOptions, analyse, write

    found = analyse(StatisticsOptions(**options))
    folder = write(found)
    click.echo((folder / "README.md").read_text(encoding="utf-8"))
    click.echo(f"Written to {folder}")


@main.command()
@click.option("--dataset", default="photographs", show_default=True, help="Name or folder.")
@DATA_ROOT
@click.option("--subset", metavar="WIDTHxHEIGHT", help="Use only images of this size.")
@click.option("--simulated", is_flag=True, help="Measure simulated observers of known truth.")
@click.option(
    "--orders", type=click.IntRange(min=1), default=4, show_default=True,
    help="Random orders that groups of subjects are taken from.",
)  # fmt: skip
@click.option("--draws", type=click.IntRange(min=100), default=2000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--repeats", type=click.IntRange(min=2), default=20, show_default=True,
    help="Simulated data sets, with --simulated.",
)  # fmt: skip
@click.option(
    "--observers", "observers_", type=click.IntRange(min=6), default=15, show_default=True,
    help="Of each simulated data set.",
)  # fmt: skip
@click.option(
    "--scenes", type=click.IntRange(min=2), default=40, show_default=True,
    help="Images of each simulated data set.",
)  # fmt: skip
@click.option("--out", type=FOLDER, help="Folder. Default: results/statistics-DATASET/observers.")
def observers(**options: Any) -> None:
    """Measure how the gold standard grows with the number of observers, and where that leads.

    Predicts each subject from 1, 2, ... others, and extrapolates the information gain to infinitely
    many observers by a power law.

    \b
    Examples:
      python -m benchmark observers --dataset mit1003
      python -m benchmark observers --dataset my_experiment/
      python -m benchmark observers --simulated
    """
    from functools import partial

    from tqdm import tqdm

    from benchmark.statistics.observers_report import ObserversOptions
    from benchmark.statistics.observers_report import observers as measure_observers

    options["observers"] = options.pop("observers_")
    folder = measure_observers(ObserversOptions(**options), partial(tqdm, leave=False))
    click.echo((folder / "README.md").read_text(encoding="utf-8"))
    click.echo(f"Written to {folder}")


@main.command()
@click.argument("folder", type=FOLDER)
@click.option("--model", help="Whom the panels are about. Default: deepgaze2, or the best one.")
@click.option("--contrast", help="Whom it is compared with. Default: deepgaze1, or another one.")
@click.option(
    "--examples", type=click.IntRange(min=0), default=3, show_default=True,
    help="Images in each figure of panels; 0 draws none.",
)  # fmt: skip
@click.option("--ablation", type=FOLDER, help="Folder. Default: ablation-DATASET beside FOLDER.")
@click.option(
    "--holdout", type=(FOLDER, FOLDER), metavar="WITH WITHOUT",
    help="Folders of runs on hold-out predictions with centre bias, and without it and with "
    "--maps naive, for Table 1.",
)  # fmt: skip
@DATA_ROOT
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--out", type=FOLDER, help="Folder. Default: FOLDER/paper.")
def paper(**options: Any) -> None:
    """Draw the figures of the DeepGaze II paper from the results folder FOLDER.

    Explained information gain (Fig. 3), image by image (4), the table of a hold-out set (Table 1),
    the best and worst explained images (5, 6), the ablation (7), where one model gains or loses
    most (8, 9), and information gain in pixel space. Panels that show images are written to a
    folder of their own; the predictions they need are made once.

    \b
    Examples:
      python -m benchmark paper results/photographs
      python -m benchmark paper results/mit1003 --contrast icf
      python -m benchmark paper results/mit1003 --holdout with/ without/ --examples 0
    """
    from benchmark.paper import PaperOptions
    from benchmark.paper import paper as draw

    outcome = draw(PaperOptions(**options), lambda text: click.echo(text, err=True))
    for file in outcome.written:
        click.echo(file)
    for name, reason in outcome.missing.items():
        click.echo(f"without {name}: {reason}", err=True)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="TCP port."
)
@click.option(
    "--models", callback=comma_separated,
    help="Names, comma-separated, the first one the default; or the file of readouts that `train` "
    "wrote. Default: all that predict images alone.",
)  # fmt: skip
@click.option(
    "--queue", type=click.IntRange(min=1), default=16, show_default=True,
    help="Predictions that may wait or run; more are refused.",
)  # fmt: skip
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=120.0, show_default=True,
    help="Seconds until a request is given up.",
)  # fmt: skip
@click.option(
    "--max-mib", type=click.IntRange(min=1), default=20, show_default=True,
    help="Size of a request.",
)  # fmt: skip
@click.option(
    "--max-megapixels", type=click.FloatRange(min=0, min_open=True), default=50.0,
    show_default=True, help="Size of an image that is taken.",
)  # fmt: skip
@click.option(
    "--working-megapixels", type=click.FloatRange(min=0.001), default=2.0, show_default=True,
    help="Size at which an image is predicted; larger ones are reduced to it.",
)  # fmt: skip
@click.option(
    "--allow-host", multiple=True, metavar="NAME",
    help="Name by which clients call this machine; others are refused. Repeatable. Default: names "
    "of this machine for itself, or any with --host beyond it; that of --host always is one.",
)  # fmt: skip
def serve(
    host: str,
    port: int,
    models: tuple[str, ...],
    queue: int,
    timeout: float,
    max_mib: int,
    max_megapixels: float,
    working_megapixels: float,
    allow_host: tuple[str, ...],
) -> None:
    """Serve predictions: a page to try an image on, and an interface for programs.

    Listens on this machine alone unless told otherwise. Images are predicted in memory and not
    kept.

    \b
    Examples:
      python -m benchmark serve
      python -m benchmark serve --models deepgaze-mixture,deepgaze2 --port 8080
      python -m benchmark serve --host 0.0.0.0 --allow-host gaze.example.org
    """
    from benchmark.web.serve import serve as start
    from benchmark.web.settings import Settings

    settings = Settings(
        models=models,
        queue=queue,
        timeout=timeout,
        max_bytes=max_mib * 2**20,
        max_pixels=int(max_megapixels * 1e6),
        working_pixels=int(working_megapixels * 1e6),
        hosts=allow_host or Settings.hosts,
    )
    start(host, port, settings)
