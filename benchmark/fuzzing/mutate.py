"""Makes damaged and hostile inputs from valid ones; the same generator, the same inputs."""

from __future__ import annotations

import random
from collections.abc import Sequence

from benchmark.fuzzing.target import Mutator, Target

#: Whole numbers at which programs go wrong.
BORDERS = (
    0, 1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1,
    2**62, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip
#: No input grows beyond this.
LONGEST = 1 << 20


def _span(content: bytes, rng: random.Random) -> tuple[int, int]:
    """A stretch of the content, most often a short one."""
    start = rng.randrange(len(content) + 1)
    length = min(int(2 ** (rng.random() * 10)), len(content) - start)
    return start, start + length


def flip(content: bytes, rng: random.Random) -> bytes:
    """Some bits flipped."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16)) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(content: bytes, rng: random.Random) -> bytes:
    """A stretch of bytes replaced by random ones, or by zeros."""
    start, stop = _span(content, rng)
    new = bytes(stop - start) if rng.random() < 0.3 else rng.randbytes(stop - start)
    return content[:start] + new + content[stop:]


def number(content: bytes, rng: random.Random) -> bytes:
    """A whole number at a border of what types hold, in either byte order, written over."""
    size = rng.choice((1, 2, 4, 8))
    value = (rng.choice(BORDERS) * rng.choice((1, 1, -1))) % 2 ** (8 * size)
    start = rng.randrange(len(content) + 1)
    raw = value.to_bytes(size, rng.choice(("little", "big")))
    return content[:start] + raw + content[start + size :]


def insert(content: bytes, rng: random.Random) -> bytes:
    """Random bytes put in."""
    start, _ = _span(content, rng)
    return content[:start] + rng.randbytes(int(2 ** (rng.random() * 6))) + content[start:]


def delete(content: bytes, rng: random.Random) -> bytes:
    """A stretch of bytes taken out."""
    start, stop = _span(content, rng)
    return content[:start] + content[stop:]


def repeat(content: bytes, rng: random.Random) -> bytes:
    """A stretch of bytes repeated."""
    start, stop = _span(content, rng)
    return content[:stop] + content[start:stop] * rng.choice((1, 1, 2, 30)) + content[stop:]


def truncate(content: bytes, rng: random.Random) -> bytes:
    """Cut off anywhere."""
    return content[: rng.randrange(len(content) + 1)]


def digits(content: bytes, rng: random.Random) -> bytes:
    """Another number where text has one."""
    places = [n for n, byte in enumerate(content) if 48 <= byte < 58]
    if not places:
        return flip(content, rng)
    at = rng.choice(places)
    text = rng.choice((*map(str, BORDERS), "-1", "1e999", "9" * 400, "nan", "0x10", "1_0", "007"))
    return content[:at] + text.encode() + content[at + 1 :]


BYTES: tuple[Mutator, ...] = (
    flip, flip, overwrite, number, number, insert, delete, repeat, truncate, digits,
)  # fmt: skip


def splice(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """The beginning of one input and the end of another."""
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def token(content: bytes, tokens: Sequence[bytes], rng: random.Random) -> bytes:
    """Bytes that mean something in the format, put in or written over."""
    start, word = rng.randrange(len(content) + 1), rng.choice(tokens)
    return content[:start] + word + content[start + rng.choice((0, len(word))) :]


def mutate(target: Target, seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """An input made from one of the seeds by a few changes."""
    content = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        chance = rng.random()
        if target.mutators and chance < 0.5:
            content = rng.choice(target.mutators)(content, rng)
        elif chance < 0.55:
            content = splice(content, rng.choice(seeds), rng)
        elif target.tokens and chance < 0.65:
            content = token(content, target.tokens, rng)
        else:
            content = rng.choice(BYTES)(content, rng)
    return content[:LONGEST]
