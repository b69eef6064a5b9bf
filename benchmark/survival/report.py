"""What came of it, as a table in Markdown and CSV."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from benchmark import provenance
from benchmark.errors import BenchmarkError
from benchmark.files import read_csv, write_csv, write_whole
from benchmark.survival.bench import Finding

_TEXTS = ("name", "harm", "command", "versions")
_NUMBERS = ("images", "times", "stored", "lost", "unlike", "untold")
COLUMNS = [*_TEXTS[:2], *_NUMBERS, *_TEXTS[2:]]

_TEXT = """# What survives

Runs of made-up images and four models (for the cache of maps: one) were harmed, and then left in
peace. *Stored*: scores (for cached features: feature maps) that were there when harm had been done,
or had to be there in spite of it; *lost*: those of them that were gone or had another value
afterwards; *other bytes*: runs that ended with other tables (CSV, Markdown, LaTeX) or scores than
an undisturbed one of one process; *untold*: runs that failed without saying why and what to do, and
damage, or loss of a cache, that was not told or stayed.

| Harm | Images | Times | Stored | Lost | Other bytes | Untold | Made by |
| :-- | --: | --: | --: | --: | --: | --: | --: |
{rows}

Killed runs used one or two processes, changing at random; half of the time the run was killed and
its workers were not. A full disk is a file system of its own (tmpfs) that another process fills to
the last byte while scores are stored, every other time before a killed run goes on; where nobody
may mount one, the run's files may not grow any further (`RLIMIT_FSIZE`). Half of the damaged stores
are those of killed runs, with their write-ahead files. A store that is being repaired when its run
is killed also holds 20 000 scores of another run, so that this takes a while. Permissions are those
of the folder and of all in it, while a run writes or before a killed one goes on, or those of the
store alone; a run of root's gives up the right to ignore them.

Made by:

{made}
"""


def write_report(
    findings: Mapping[str, Finding], folder: Path, images: int, command: str, order: Sequence[str]
) -> None:
    """Write survival.csv and README.md; rows of harm that was not done stay as they are.

    Args:
        findings: by name of the harm. order: of all names.
    """
    made = {"images": images, "command": command, "versions": versions()}
    new = [
        {"name": name, **asdict(finding), **made}
        for name, finding in findings.items()
        if finding.times
    ]
    old = _old(folder / "survival.csv")
    done = {row["name"] for row in new}
    known = [row for row in old if row["name"] in order and row["name"] not in done]
    rows = sorted([*known, *new], key=lambda row: order.index(row["name"]))
    write_csv(pd.DataFrame(rows, columns=COLUMNS), folder / "survival.csv", COLUMNS)
    write_whole(folder / "README.md", _readme(rows))


def _readme(rows: list[dict]) -> str:
    makers = list(dict.fromkeys((row["command"], row["versions"]) for row in rows))
    lines = []
    for row in rows:
        numbers = " | ".join(f"{row[name]:.0f}" for name in _NUMBERS)
        maker = makers.index((row["command"], row["versions"])) + 1
        lines.append(f"| {row['harm']} | {numbers} | {maker} |")
    made = [f"{n}. `{command}`; {with_}" for n, (command, with_) in enumerate(makers, start=1)]
    return _TEXT.format(rows="\n".join(lines), made="\n".join(made))


def _old(path: Path) -> list[dict]:
    """Rows of an earlier table; none if there is none that can be used."""
    try:
        return read_csv(path, _TEXTS, _NUMBERS).to_dict("records")
    except BenchmarkError:
        return []


def versions() -> str:
    """What a row was made with, in words."""
    found, source = provenance.versions(), provenance.commit()
    names = [f"{name} {found[name]}" for name in ("numpy", "pandas", "joblib", "pysaliency")]
    system = f"{platform.system()} {platform.machine()}"
    text = (
        f"Python {found['python']}, SQLite {sqlite3.sqlite_version}, {', '.join(names)}, {system}"
    )
    if not source["commit"]:
        return text
    return f"{text}, source {source['commit'][:12]}{' with changes' if source['dirty'] else ''}"
