"""This module owns when to ask again: after an answer, after a failure, and when told to wait."""

from __future__ import annotations

import email.utils
from typing import Final

SHORTEST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 300.0
# For a feed that does not say; what Google asks of its partners is 30.
USUAL_SECONDS: Final = 60.0
LONGEST_WAIT_SECONDS: Final = 3600.0

_DOUBLINGS_LIMIT = 16


def pause_seconds(ttl_seconds: float | None, interval_seconds: float | None = None) -> float:
    """How long an answer holds: the operator's interval, or the feed's `ttl` within 5 to 300 s."""
    if interval_seconds is not None:
        return interval_seconds
    wanted = USUAL_SECONDS if ttl_seconds is None else ttl_seconds
    return min(max(wanted, SHORTEST_SECONDS), LONGEST_SECONDS)


def backoff_seconds(
    failures: int,
    fraction: float,
    *,
    first: float = SHORTEST_SECONDS,
    most: float = LONGEST_SECONDS,
) -> float:
    """How long to wait after the `failures`-th failure in a row; `fraction` is random in [0, 1).

    Doubles from `first` to `most`; jitter takes away up to half, so that many bridges which lost
    the same server do not return to it in one moment.
    """
    doublings = min(max(failures - 1, 0), _DOUBLINGS_LIMIT)
    return min(first * 2.0**doublings, most) * (1 - fraction / 2)


def retry_after_seconds(header: str | None, now_seconds: float) -> float | None:
    """The wait that a `Retry-After` asks for (RFC 9110, 10.2.3: seconds or a date), if readable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT_SECONDS)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(moment.timestamp() - now_seconds, 0.0), LONGEST_WAIT_SECONDS)
