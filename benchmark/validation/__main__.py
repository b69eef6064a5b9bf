"""``python -m benchmark.validation``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from benchmark.errors import BenchmarkError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to. Default: results/validation, or results/validation-quick.",
)
@click.option("--quick", is_flag=True, help="Few small images and repeats: a minute, not ten.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def main(out: Path | None, quick: bool, seed: int) -> None:
    """Validate the gold standard and the intervals on simulated observers.

    Writes tables, figures and a README that says what they show. Equal options give equal files.

    \b
    Examples:
      python -m benchmark.validation
      python -m benchmark.validation --quick --seed 1 --out trial
    """
    from tqdm import tqdm

    from benchmark.files import write_csv, write_whole
    from benchmark.report.plots.style import render
    from benchmark.validation import convergence, coverage, figures, readme

    out = out or Path("results") / ("validation-quick" if quick else "validation")
    observers = convergence.QUICK if quick else convergence.Convergence()
    images = coverage.QUICK if quick else coverage.Coverage()

    def progress(title: str) -> partial:
        return partial(tqdm, desc=title, mininterval=1.0)

    try:
        gains = convergence.measure(observers, seed, progress("convergence"))
        pool = coverage.make_pool(images, seed, progress("simulation"))
        covered = coverage.measure(pool, images, seed, progress("coverage"))
        write_csv(gains, out / "convergence.csv", list(gains))
        write_csv(covered, out / "coverage.csv", list(covered))
        summary = convergence.summarise(gains)
        for name, figure in (
            ("convergence", figures.convergence_figure(summary)),
            ("coverage", figures.coverage_figure(covered)),
        ):
            for extension in ("pdf", "png"):
                write_whole(out / f"{name}.{extension}", render(figure, extension))
        command = f"python -m benchmark.validation{' --quick' * quick} --seed {seed}"
        write_whole(out / "README.md", readme.text(gains, covered, observers, images, command))
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Written to {out}")


if __name__ == "__main__":
    main()
