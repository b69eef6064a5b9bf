"""What is fuzzed: a reader of files, valid files to start from, and how to tell a wrong answer."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError

#: Makes another input from one; what it cannot take apart, it returns as it is.
Mutator = Callable[[bytes, random.Random], bytes]

ACCEPTED, REFUSED, CRASH, HANG, MEMORY, WRONG = OUTCOMES = (
    "accepted", "refused", "crash", "hang", "memory", "wrong",
)  # fmt: skip
#: What no input may lead to.
FAILURES = (CRASH, HANG, MEMORY, WRONG)


def _nothing(folder: Path) -> None:
    """No files are needed around the input."""


def _no_oracle(file: Path, answer: Any) -> None:
    """Nothing is known of the answer."""


@dataclass(frozen=True)
class Target:
    """A reader of files from outside.

    Attributes:
        reads: what it reads, for people.
        file: where the input lies below an empty folder.
        seeds: makes inputs that the reader accepts, the same ones each time.
        run: reads the file and returns its answer, or raises one of ``refusals``.
        wrong: what is wrong with an answer, from a reading of the file that owes the reader
            nothing; None if nothing is. It may raise: then the file should not have been accepted.
        prepare: writes the other files that the reader needs into the folder.
        refusals: the documented errors; their messages have to name the file, or its folder where
            the folder is what the user gave.
        mutators: of the format, beside those of bytes.
        tokens: bytes that mean something in the format.
        unmended: which failures are known and why they stay; such a target fails no test.
    """

    name: str
    reads: str
    file: str
    seeds: Callable[[], list[bytes]]
    run: Callable[[Path], Any]
    wrong: Callable[[Path, Any], str | None] = _no_oracle
    prepare: Callable[[Path], None] = _nothing
    refusals: tuple[type[Exception], ...] = (BenchmarkError,)
    mutators: tuple[Mutator, ...] = ()
    tokens: tuple[bytes, ...] = ()
    unmended: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of an input; ``detail`` says which failure it was, without the input's values."""

    kind: str
    detail: str = ""

    @property
    def failed(self) -> bool:
        return self.kind in FAILURES


def attempt(target: Target, file: Path) -> Outcome:
    """Have a target read a file, in this process."""
    try:
        answer = target.run(file)
    except target.refusals as error:
        if not _names(error, file):
            return Outcome(CRASH, f"refused without naming the file, {_place(error)}: {error}")
        return Outcome(REFUSED)
    except Exception as error:
        return Outcome(CRASH, f"{type(error).__name__} {_place(error)}: {error}")
    try:
        problem = target.wrong(file, answer)
    except Exception as error:
        problem = f"accepted what cannot be read plainly ({type(error).__name__}: {error})"
    return Outcome(ACCEPTED) if problem is None else Outcome(WRONG, problem)


def _names(error: Exception, file: Path) -> bool:
    return any(str(part) in str(error) for part in (file.name, file.parent))


def _place(error: BaseException) -> str:
    """The line of the project that an error came through last."""
    root = str(Path(__file__).resolve().parents[2])
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f.filename.startswith(root) and "fuzzing" not in f.filename]
    if not ours:
        return "outside the project"
    return f"in {Path(ours[-1].filename).relative_to(root).as_posix()}, {ours[-1].name}"
