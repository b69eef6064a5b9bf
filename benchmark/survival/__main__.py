"""Harm runs and see what survives: ``python -m benchmark.survival``."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np

from benchmark.survival import cache, events, repair
from benchmark.survival.bench import Bench, Finding, undisturbed
from benchmark.survival.features import features_damaged
from benchmark.survival.report import write_report
from benchmark.survival.workload import Workload, write_dataset

#: Each kind of harm, and how many times it is done for every 50 kills.
HARMS: dict[str, tuple[Callable[[Bench, int], Finding], int]] = {
    "kill": (events.killed, 50),
    "worker": (events.worker_killed, 5),
    "dask": (events.dask_worker_killed, 5),
    "disk": (events.disk_full, 5),
    "permission": (events.permission_revoked, 5),
    "store": (events.store_damaged, 10),
    "repair": (repair.repair_killed, 10),
    "features": (
        lambda bench, times: features_damaged(bench.folder / "features", times, bench.rng),
        200,
    ),
    "cache-disk": (cache.cache_full, 5),
    "cache-permission": (cache.cache_read_only, 5),
}


def survive(
    folder: Path, kills: int, images: int, seed: int, only: tuple[str, ...] = ()
) -> Iterator[tuple[str, Finding]]:
    """Do every kind of harm, in proportion to ``kills``; its name and what it came to, when known.

    Args:
        folder: for runs and their logs. only: kinds of harm, empty for all.
    """
    bench = undisturbed(Workload(write_dataset(folder / "data", images, seed)), folder, seed)
    click.echo(f"undisturbed: {bench.seconds:.0f} s, {len(bench.scores)} scores", err=True)
    for number, (name, (harm, share)) in enumerate(HARMS.items()):
        if only and name not in only:
            continue
        bench.rng = np.random.default_rng((seed, number))
        finding = harm(bench, max(1, round(share * kills / 50)))
        if finding.impossible:
            click.echo(f"{finding.harm}: not done, since {finding.impossible}", err=True)
        click.echo(
            f"{finding.harm}: {finding.times} times, {finding.stored} stored, {finding.lost} lost, "
            f"{finding.unlike} with other bytes, {finding.untold} untold",
            err=True,
        )
        for note in finding.notes[:3]:
            click.echo(note, err=True)
        yield name, finding


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--kills", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--images", type=click.IntRange(min=4), default=20, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(HARMS)),
    help="Repeatable. Rows of other harm in the table stay.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default="results/survival", show_default=True
)
def main(kills: int, images: int, seed: int, only: tuple[str, ...], out: Path) -> None:
    """Kill, starve and damage runs; exit with 1 if a score was lost or a byte differs."""
    command = shlex.join(["python", "-m", "benchmark.survival", *sys.argv[1:]])
    findings: dict[str, Finding] = {}
    with tempfile.TemporaryDirectory(prefix="survival-") as folder:
        for name, finding in survive(Path(folder), kills, images, seed, only):
            findings[name] = finding
            # what there is, should it be interrupted
            write_report(findings, out, images, command, list(HARMS))
    click.echo((out / "README.md").read_text(encoding="utf-8"))
    if not all(finding.sound for finding in findings.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
