"""What became of the inputs: a table, and a README that says what its columns mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.files import write_csv, write_whole
from benchmark.fuzzing.campaign import Tally
from benchmark.fuzzing.target import ACCEPTED, CRASH, HANG, MEMORY, REFUSED, WRONG

COLUMNS = {
    ACCEPTED: "accepted", REFUSED: "refused", CRASH: "crashes", HANG: "hangs",
    MEMORY: "memory", WRONG: "wrong",
}  # fmt: skip


def table(tallies: Sequence[Tally]) -> pd.DataFrame:
    """A row a target and engine."""
    rows = [
        {
            "target": tally.target.name,
            "engine": tally.engine,
            "inputs": tally.inputs,
            **{title: tally.counts[kind] for kind, title in COLUMNS.items()},
        }
        for tally in tallies
    ]
    return pd.DataFrame(rows)


def write(tallies: Sequence[Tally], command: str, out: Path) -> None:
    """Write the table, the README, and an input for each kind of failure."""
    frame = table(tallies)
    write_csv(frame, out / "fuzzing.csv", list(frame))
    write_whole(out / "README.md", text(tallies, command))
    for tally in tallies:
        for n, (alike, content) in enumerate(sorted(tally.failures.items())):
            if tally.target.unmended:
                continue
            place = out / "failures" / tally.target.name / f"{tally.engine}-{n}"
            write_whole(place, content)
            write_whole(place.with_name(f"{place.name}.txt"), alike + "\n")


def text(tallies: Sequence[Tally], command: str) -> str:
    """The README in Markdown."""
    targets = list({tally.target.name: tally.target for tally in tallies}.values())
    known = [target for target in targets if target.unmended]
    mended = [tally for tally in tallies if not tally.target.unmended]
    total = sum(tally.inputs for tally in tallies)
    bad = sum(tally.counts[kind] for tally in mended for kind in (CRASH, HANG, MEMORY, WRONG))
    parts = [
        "# Damaged and hostile files",
        f"{total} files made from valid ones by changes of bytes and of what the formats consist "
        f"of, for {len(targets)} readers. Remake this folder with",
        f"```\n{command}\n```",
        "A reader has to refuse a file with an error that names it, or to read it as a plain "
        "reading by other means does (the csv module, numpy, h5py, Pillow, scipy, or bytes taken "
        "apart by hand). *Crashes*: any other error, an error that does not name the file, and a "
        "process that died. *Hangs*: no answer in 10 s. *Memory*: more than 1 GiB filled. *Wrong*: "
        "accepted, but not what the plain reading has, not finite, or outside its image.",
        f"{bad} of the inputs{' of the readers without a footnote' if known else ''} led to any of "
        "these.",
        _table(tallies, known),
        *(f"[{n}] {target.name}: {target.unmended}" for n, target in enumerate(known, start=1)),
        "Engines: *mutations* are drawn with a seed (equal seeds, equal inputs, the versions of "
        "libraries aside); *atheris* keeps what reaches new lines of this project's readers. "
        "Inputs that once found a bug are in `tests/fuzzing/corpus/` and are read by the tests.",
    ]
    return "\n\n".join(parts) + "\n"


def _table(tallies: Sequence[Tally], known: Sequence[object]) -> str:
    head = ["target", "reads", "engine", "inputs", *COLUMNS.values()]
    lines = [head, [":--", ":--", ":--", *["--:"] * (1 + len(COLUMNS))]]
    for tally in tallies:
        target = tally.target
        mark = f" [{known.index(target) + 1}]" if target in known else ""
        counts = (str(tally.counts[kind]) for kind in COLUMNS)
        lines.append([target.name + mark, target.reads, tally.engine, str(tally.inputs), *counts])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
