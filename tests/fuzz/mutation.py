"""This module owns seeded damage to bytes: no coverage guides it, but it is the same every time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

_DAMAGES_LIMIT: Final = 4
_REPEATS: Final = (2, 10, 120, 400)


def mutated(random: Random, data: bytes, others: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """`data` with a few damages; pieces come from `others` and `tokens`."""
    for _ in range(random.randint(0, _DAMAGES_LIMIT)):
        start, end = sorted((random.randint(0, len(data)), random.randint(0, len(data))))
        piece = random.choice(_PIECES)(random, data[start:end], others, tokens)
        at = random.choice((start, end))  # put in, or put in the place of what was there
        data = data[:start] + piece + data[at:]
    return data


def _nothing(
    random: Random, taken: bytes, others: Sequence[bytes], tokens: Sequence[bytes]
) -> bytes:
    return b""


def _noise(random: Random, taken: bytes, others: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    return random.randbytes(random.randint(1, 4))


def _token(random: Random, taken: bytes, others: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    return random.choice(tokens)


def _splice(
    random: Random, taken: bytes, others: Sequence[bytes], tokens: Sequence[bytes]
) -> bytes:
    other = random.choice(others)
    return other[random.randint(0, len(other)) :]


def _repeat(
    random: Random, taken: bytes, others: Sequence[bytes], tokens: Sequence[bytes]
) -> bytes:
    return taken[:40] * random.choice(_REPEATS)


def _flip(random: Random, taken: bytes, others: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    if not taken:
        return b""
    at = random.randrange(len(taken))
    return taken[:at] + bytes((taken[at] ^ (1 << random.randrange(8)),)) + taken[at + 1 :]


_PIECES: Final[tuple[Callable[[Random, bytes, Sequence[bytes], Sequence[bytes]], bytes], ...]] = (
    _nothing,
    _noise,
    _token,
    _splice,
    _repeat,
    _flip,
)
