"""This module owns content codings: which one a client wants, and how a body gets into it."""

from __future__ import annotations

import functools
import gzip
import sys
from typing import Final, Literal, get_args

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Coding = Literal["zstd", "br", "gzip"]
CODINGS: Final[tuple[Coding, ...]] = get_args(Coding)  # the cheapest to make comes first

# What is made for one answer has to be quick, what is made once has to be small.
_QUICK: Final = {"zstd": 3, "br": 4, "gzip": 6}
_SMALL: Final = {"zstd": 19, "br": 11, "gzip": 9}
_HEADERS_REMEMBERED: Final = 256


@functools.lru_cache(_HEADERS_REMEMBERED)
def coding_for(accepted: str, offered: tuple[Coding, ...] = CODINGS) -> Coding | None:
    """Of the offered codings that which `Accept-Encoding` wants most (RFC 9110, section 12.5.3).

    Of several that it wants alike the first. None: the content as it is, which is right also for
    who forbids that, as there is nothing else to be had.
    """
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, parameters = part.partition(";")
        weights[name.strip()] = _weight_in(parameters)
    everything_else = weights.get("*", 0.0)
    of_none = weights.get("identity", 0.0)
    best, most = None, 0.0
    for coding in offered:
        weight = weights.get(coding, everything_else)
        if weight > most and weight >= of_none:
            best, most = coding, weight
    return best


def _weight_in(parameters: str) -> float:
    """The value of `q`; what cannot be read is not wanted."""
    name, _, value = parameters.partition("=")
    if not name.strip():
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if name.strip() == "q" and 0.0 <= weight <= 1.0 else 0.0


def compressed(body: bytes, coding: Coding, *, once: bool = False) -> bytes:
    """The body in a coding; `once`: as small as can be, whatever time that takes."""
    level = (_SMALL if once else _QUICK)[coding]
    if coding == "zstd":
        return bytes(zstd.compress(body, level))
    if coding == "br":
        return bytes(brotli.compress(body, quality=level))
    return gzip.compress(body, level, mtime=0)
