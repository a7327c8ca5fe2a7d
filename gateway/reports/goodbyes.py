"""This module owns who was sent off lately, and why: a few, whatever the crowd."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from protocol.refusals import Goodbye
from protocol.reports import GoodbyeLine

KEPT: Final = 100


class RecentGoodbyes:
    """The last goodbyes of one worker, the oldest first."""

    def __init__(self, now_seconds: Callable[[], float] = time.time) -> None:
        self._now_seconds = now_seconds
        self._kept: deque[tuple[float, Goodbye, str]] = deque(maxlen=KEPT)

    def note(self, goodbye: Goodbye, subject: str) -> None:
        """Remember one, and forget the oldest instead when there are too many."""
        self._kept.append((self._now_seconds(), goodbye, subject))

    def lines(self) -> list[GoodbyeLine]:
        """What an operator reads: when, why and who; no address and no token."""
        return [
            GoodbyeLine(
                at_ms=int(at_seconds * 1000),
                code=goodbye.code,
                reason=goodbye.reason,
                subject=subject,
            )
            for at_seconds, goodbye, subject in self._kept
        ]
