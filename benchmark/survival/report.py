"""What came of it, as a table in Markdown and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from benchmark.files import write_csv, write_whole
from benchmark.survival.bench import Finding

COLUMNS = ["harm", "times", "stored", "lost", "unlike", "untold"]

_TEXT = """# What survives

Runs of {images} made-up images and four models were harmed, and then left in peace. *Stored*:
scores (for cached features: feature maps) that were there when harm had been done; *lost*: those of
them that were gone or had another value afterwards; *other bytes*: runs that ended with other
tables (CSV, Markdown, LaTeX) or scores than an undisturbed one of one process; *untold*: runs that
failed without saying why and what to do, or damage that stayed.

| Harm | Times | Stored | Lost | Other bytes | Untold |
| :-- | --: | --: | --: | --: | --: |
{rows}

Killed runs used one or two processes, changing at random; half of the time the run was killed and
its workers were not. A full disk is a file system of its own (tmpfs) that another
process fills to the last byte while scores are stored; where nobody may mount one, the run's files
may not grow any further (`RLIMIT_FSIZE`). Half of the damaged stores are those of killed runs, with
their write-ahead files. Permissions are those of the folder and of all in it; a run of root's gives
up the right to ignore them.

{command}
"""


def write_report(findings: Sequence[Finding], folder: Path, images: int, command: str) -> None:
    """Write survival.csv and README.md."""
    table = pd.DataFrame([asdict(finding) for finding in findings])[COLUMNS]
    write_csv(table, folder / "survival.csv", COLUMNS)
    rows = "\n".join(
        f"| {row.harm} | {row.times} | {row.stored} | {row.lost} | {row.unlike} | {row.untold} |"
        for row in table.itertuples()
    )
    text = _TEXT.format(images=images, rows=rows, command=f"```sh\n{command}\n```")
    write_whole(folder / "README.md", text)
