"""``python -m benchmark.scaling``."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.errors import BenchmarkError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to. Default: results/scaling, or results/scaling-quick.",
)
@click.option("--quick", is_flag=True, help="Few small runs: minutes, and laws of little worth.")
@click.option(
    "--resume",
    is_flag=True,
    help="Keep what an interrupted measurement left, else what the folder's tables hold. Refused "
    "on another machine and with other versions.",
)
@click.option("--draw", is_flag=True, help="Measure nothing: write figure and README again.")
def main(out: Path | None, quick: bool, resume: bool, draw: bool) -> None:
    """Measure how a run's time and memory grow, and plan a large one from it.

    Writes scaling.csv (whole runs), parts.csv (parts of a run alone), README.md and figures/. Until
    all is measured, the folder's tables stay as they are and new rows go to its folder unfinished/,
    which the next measurement without --resume discards.

    \b
    Examples:
      python -m benchmark.scaling
      python -m benchmark.scaling --quick --out trial
    """
    from benchmark.scaling.measuring import measure_all
    from benchmark.scaling.report import write

    out = out or Path("results") / ("scaling-quick" if quick else "scaling")
    try:
        if not draw:
            measure_all(out, quick, resume)
        write(out, quick)
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Written to {out}")


if __name__ == "__main__":
    main()
