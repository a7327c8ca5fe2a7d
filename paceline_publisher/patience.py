"""This module owns when to try again, and for how long."""

from __future__ import annotations

import email.utils
from typing import Final

# The gateway remembers a key for five minutes: beyond it, the same event could be taken twice.
PATIENCE_LIMIT_SECONDS: Final = 240.0

_FIRST_SECONDS: Final = 0.25
_MOST_SECONDS: Final = 10.0
_DOUBLINGS_LIMIT: Final = 10


def wait_seconds(attempt: int, fraction: float, told_seconds: float | None) -> float:
    """The pause behind the `attempt`-th failure in a row; `fraction` is random in [0, 1).

    It doubles, less up to half, so that many senders that lost one gateway do not come back to it
    at one moment. When the gateway has told how long, it is that long; but a 0, or a date that is
    over by our clock, is no leave to come back at once, again and again.
    """
    doublings = 0 if told_seconds is not None else min(attempt - 1, _DOUBLINGS_LIMIT)
    seconds = min(_FIRST_SECONDS * 2.0**doublings, _MOST_SECONDS) * (1 - fraction / 2)
    return max(told_seconds or 0.0, seconds)


def told_seconds_of(header: str | None, now_seconds: float) -> float | None:
    """What `Retry-After` asks for (RFC 9110, section 10.2.3: seconds, or a date), if readable."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(moment.timestamp() - now_seconds, 0.0)
