"""This module owns a clock that goes when it is told."""

from __future__ import annotations


class Clock:
    """Seconds, which stand still until a test moves them."""

    def __init__(self) -> None:
        self.now_seconds = 1000.0

    def __call__(self) -> float:
        return self.now_seconds
