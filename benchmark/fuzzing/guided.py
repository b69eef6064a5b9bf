"""Inputs chosen by coverage: atheris changes what reached new code, in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.fuzzing.campaign import Tally
from benchmark.fuzzing.target import CRASH, HANG, Outcome, Target

#: Of one input, for atheris, which counts in whole seconds; a hang takes as long.
_SECONDS = 10
_LIMITS = ("-rss_limit_mb=4096", f"-timeout={_SECONDS}", "-max_len=200000", "-len_control=0")


def require() -> None:
    """Raise a BenchmarkError unless atheris is installed."""
    if importlib.util.find_spec("atheris") is None:
        raise BenchmarkError(
            "--atheris needs atheris, which is not installed: pip install "
            "'deepgaze-benchmark[fuzz]' (there are wheels for Linux), or leave the option out."
        )


def guided(target: Target, seconds: int) -> Tally:
    """Have atheris try inputs for so long; after a hang or a dead process it starts anew.

    The time begins when inputs are tried: imports, seconds for readers of weights, do not count.
    """
    tally = Tally(target, "atheris", seconds=seconds)
    left = float(seconds)
    with tempfile.TemporaryDirectory(prefix="fuzzing-") as name:
        folder = Path(name)
        corpus = folder / "corpus"
        corpus.mkdir()
        for n, content in enumerate(target.seeds()):
            (corpus / f"seed-{n}").write_bytes(content)
        while left >= 1:
            command = [
                sys.executable,
                "-m",
                "benchmark.fuzzing.guided",
                target.name,
                name,
                str(round(left)),
            ]
            done = subprocess.run(command, capture_output=True, check=False)
            counted = _merge(tally, folder)
            artifacts = sorted(folder.glob("artifact-*"))
            if done.returncode and not counted and not artifacts:
                text = done.stderr.decode(errors="replace")[-500:]
                raise BenchmarkError(f"atheris cannot fuzz {target.name}: {text}")
            left -= max(counted, 1.0)
            if done.returncode:
                kind = HANG if any("timeout" in file.name for file in artifacts) else CRASH
                content = artifacts[0].read_bytes() if artifacts else b""
                tally.add(content, Outcome(kind, f"the process ended with {done.returncode}"))
                left -= _SECONDS if kind == HANG else 0
            else:
                left = 0
            for file in artifacts:
                file.unlink()
    return tally


def _merge(tally: Tally, folder: Path) -> float:
    """Add what a process has counted; the seconds that it has tried inputs for."""
    file = folder / "counts.json"
    if not file.is_file():
        return 0.0
    told = json.loads(file.read_text(encoding="utf-8"))
    tally.counts.update(told["counts"])
    for known in folder.glob("failure-*.json"):
        outcome = Outcome(*json.loads(known.read_text(encoding="utf-8")))
        tally.counts[outcome.kind] -= 1  # it is counted already
        tally.add(known.with_suffix(".bin").read_bytes(), outcome)
        known.unlink()
    file.unlink()
    return float(told["seconds"])


def _fuzz(name: str, folder: Path, seconds: int) -> None:
    """Fuzz one target until the time is up; atheris ends the process."""
    import atheris

    # what is imported here is measured; the imports above have to be of no reader
    with atheris.instrument_imports(include=["benchmark", "models"]):
        from benchmark.fuzzing.targets import TARGETS

        target = TARGETS[name]
        seeds = target.seeds()
    from benchmark.fuzzing.campaign import signature
    from benchmark.fuzzing.mutate import mutate
    from benchmark.fuzzing.target import attempt
    from benchmark.fuzzing.worker import confine

    target.prepare(folder)
    file = folder / target.file
    file.parent.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    confine(1024)
    began = written = time.monotonic()

    def one(content: bytes) -> None:
        nonlocal written
        file.write_bytes(content)
        outcome = attempt(target, file)
        counts[outcome.kind] += 1
        alike = signature(outcome)
        if outcome.failed and alike not in seen:
            seen.add(alike)
            place = folder / f"failure-{len(seen)}.json"
            place.with_suffix(".bin").write_bytes(content)
            place.write_text(json.dumps([outcome.kind, outcome.detail]), encoding="utf-8")
        if time.monotonic() - written > 0.5:  # atheris ends the process without asking
            written = time.monotonic()
            told = {"seconds": written - began, "counts": counts}
            (folder / "counts.json").write_text(json.dumps(told), encoding="utf-8")

    def change(content: bytes, longest: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.5:
            return mutate(target, [content, rng.choice(seeds)], rng)[:longest]
        return atheris.Mutate(content, longest)

    options = [
        sys.argv[0], *_LIMITS, f"-max_total_time={seconds}",
        f"-artifact_prefix={folder / 'artifact-'}", str(folder / "corpus"),
    ]  # fmt: skip
    atheris.Setup(options, one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    _fuzz(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
