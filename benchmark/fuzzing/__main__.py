"""``python -m benchmark.fuzzing``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import click

from benchmark.errors import BenchmarkError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--inputs", type=click.IntRange(min=0), default=2000, show_default=True,
    help="Mutated files for each target; 0 leaves mutations out.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--only", multiple=True, metavar="TARGET", help="Targets; default: all of them.")
@click.option(
    "--atheris", type=click.IntRange(min=1), metavar="SECONDS",
    help="Let atheris choose inputs by coverage as well, so long for each target, imports not "
    "counted.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False),
    default=Path("results") / "fuzzing", show_default=True, help="Folder to write to.",
)  # fmt: skip
def main(inputs: int, seed: int, only: tuple[str, ...], atheris: int | None, out: Path) -> None:
    """Feed damaged and hostile files to every reader of files from outside.

    Writes a table, a README and, where a reader failed, files that it failed on; then the exit code
    is 1. Rows of targets and engines that are left out stay. Needs Linux or another system that can
    fork.

    \b
    Examples:
      python -m benchmark.fuzzing --atheris 60
      python -m benchmark.fuzzing --only fixations-csv --inputs 100000 --seed 1 --out trial
    """
    from tqdm import tqdm

    from benchmark.fuzzing import guided, report
    from benchmark.fuzzing.campaign import Tally, campaign
    from benchmark.fuzzing.targets import TARGETS

    try:
        if atheris:
            guided.require()
        unknown = [name for name in only if name not in TARGETS]
        if unknown:
            raise BenchmarkError(
                f"there is no target {unknown[0]!r}; there are {', '.join(TARGETS)}."
            )
        report.read(out)  # a table that cannot be added to is told before hours of work
        chosen = [TARGETS[name] for name in only or TARGETS]
        program, named = "python -m benchmark.fuzzing", "".join(f" --only {name}" for name in only)
        tallies: list[Tally] = []
        for target in chosen if inputs else ():
            progress = partial(tqdm, desc=target.name, mininterval=1.0)
            tally = campaign(target, inputs, seed, progress=progress)
            tally.command = f"{program} --inputs {inputs} --seed {seed}{named}"
            tallies.append(tally)
            report.write(tallies, out, TARGETS)  # should the rest be interrupted
        if atheris:
            with ThreadPoolExecutor(2) as pool:  # each waits for a process
                found = pool.map(partial(guided.guided, seconds=atheris), chosen)
                for tally in tqdm(found, "atheris", len(chosen)):
                    tally.command = f"{program} --inputs 0 --atheris {atheris}{named}"
                    tallies.append(tally)
                    report.write(tallies, out, TARGETS)
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Written to {out}")
    failed = [tally for tally in tallies if tally.failed]
    for tally in failed:
        for alike in tally.failures:
            click.echo(f"{tally.target.name} ({tally.engine}): {alike}", err=True)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
