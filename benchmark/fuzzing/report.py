"""What became of the inputs: a table, and a README that says what its columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmark.errors import BenchmarkError
from benchmark.files import write_csv, write_whole
from benchmark.fuzzing.campaign import Tally
from benchmark.fuzzing.target import ACCEPTED, CRASH, HANG, MEMORY, REFUSED, WRONG, Target

COUNTS = {
    ACCEPTED: "accepted", REFUSED: "refused", CRASH: "crashes", HANG: "hangs",
    MEMORY: "memory", WRONG: "wrong",
}  # fmt: skip
_BAD = [COUNTS[kind] for kind in (CRASH, HANG, MEMORY, WRONG)]
_TEXTS = ["target", "engine", "seconds", "command"]
_NUMBERS = ["inputs", *COUNTS.values()]
COLUMNS = ["target", "engine", "seconds", *_NUMBERS, "command"]
ENGINES = ("mutations", "atheris")


def table(tallies: Sequence[Tally]) -> pd.DataFrame:
    """A row a target and engine."""
    rows = [
        {
            "target": tally.target.name,
            "engine": tally.engine,
            "seconds": "" if tally.seconds is None else str(tally.seconds),
            "inputs": tally.inputs,
            **{title: tally.counts[kind] for kind, title in COUNTS.items()},
            "command": tally.command,
        }
        for tally in tallies
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def read(out: Path) -> pd.DataFrame:
    """The rows that a folder holds already; none if it is new.

    Raises:
        BenchmarkError: there is a table that cannot be read.
    """
    file = out / "fuzzing.csv"
    if not file.exists():
        return pd.DataFrame(columns=COLUMNS)
    types = {**dict.fromkeys(_TEXTS, str), **dict.fromkeys(_NUMBERS, int)}
    try:
        return pd.read_csv(file, keep_default_na=False, dtype=types)[COLUMNS]
    except (ValueError, KeyError, OSError) as error:
        raise BenchmarkError(
            f"{file}: expected a table with the columns {', '.join(COLUMNS)} ({error}). Remove it, "
            "or choose another folder with --out."
        ) from error


def merged(before: pd.DataFrame, now: pd.DataFrame, targets: Mapping[str, Target]) -> pd.DataFrame:
    """Rows of both, in the order of engines and targets; of the same target and engine, new ones.

    Rows of targets that no longer exist are left out.
    """
    both = pd.concat([before, now]).drop_duplicates(["target", "engine"], keep="last")
    both = both[both["target"].isin(list(targets))]
    places = {name: n for n, name in enumerate([*ENGINES, *targets])}
    return both.sort_values(["engine", "target"], key=lambda names: names.map(places))


def write(tallies: Sequence[Tally], out: Path, targets: Mapping[str, Target] | None = None) -> None:
    """Write the table, the README, and an input for each kind of failure.

    What the folder says of other targets and engines stays.

    Args:
        targets: all that there are; None for those of the tallies.

    Raises:
        BenchmarkError: the folder cannot be written to, or holds a table that cannot be read.
    """
    targets = targets or {tally.target.name: tally.target for tally in tallies}
    frame = merged(read(out), table(tallies), targets)
    write_csv(frame, out / "fuzzing.csv", COLUMNS)
    write_whole(out / "README.md", text(frame, targets))
    for tally in tallies:
        folder = out / "failures" / tally.target.name
        for old in folder.glob(f"{tally.engine}-*"):
            old.unlink()
        for n, (alike, content) in enumerate(sorted(tally.failures.items())):
            if tally.target.unmended:
                continue
            place = folder / f"{tally.engine}-{n}"
            write_whole(place, content)
            write_whole(place.with_name(f"{place.name}.txt"), alike + "\n")


def text(frame: pd.DataFrame, targets: Mapping[str, Target]) -> str:
    """The README in Markdown."""
    found = [targets[name] for name in frame["target"].unique()]
    known = [target for target in found if target.unmended]
    mended = frame[~frame["target"].isin([target.name for target in known])]
    bad, total = int(mended[_BAD].to_numpy().sum()), int(frame["inputs"].sum())
    commands = "\n".join(frame["command"].unique())
    parts = [
        "# Damaged and hostile files",
        f"{total} files made from valid ones by changes of bytes and of what the formats consist "
        f"of, for {len(found)} readers. `make fuzz` remakes all; what is here was made by the "
        "following, `fuzzing.csv` says which row by which.",
        f"```\n{commands}\n```",
        "A reader has to refuse a file with an error that names it, or to read it as a plain "
        "reading by other means does (the csv module, numpy, h5py, Pillow, scipy, or bytes taken "
        "apart by hand). *Crashes*: any other error, an error that does not name the file, and a "
        "process that died. *Hangs*: no answer in 10 s. *Memory*: more than 1 GiB filled. *Wrong*: "
        "accepted, but not what the plain reading has, not finite, or outside its image.",
        f"{bad} of the inputs{' of the readers without a footnote' if known else ''} led to any of "
        "these.",
        _table(frame, targets, known),
        *(f"[{n}] {target.name}: {target.unmended}" for n, target in enumerate(known, start=1)),
        "Engines: *mutations* are drawn with a seed (equal seeds, equal inputs, the versions of "
        "libraries aside); *atheris* keeps what reaches new lines of this project's readers, for "
        "as many seconds as stated, imports not counted. "
        "Inputs that once found a bug are in `tests/fuzzing/corpus/` and are read by the tests.",
    ]
    return "\n\n".join(parts) + "\n"


def _table(frame: pd.DataFrame, targets: Mapping[str, Target], known: Sequence[Target]) -> str:
    head = ["target", "reads", "engine", "seconds", *_NUMBERS]
    lines = [head, [":--", ":--", ":--", *["--:"] * (1 + len(_NUMBERS))]]
    for row in frame.to_dict("records"):
        target = targets[row["target"]]
        mark = f" [{known.index(target) + 1}]" if target in known else ""
        cells = (str(row[name]) for name in head[2:])
        lines.append([target.name + mark, target.reads, *cells])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
