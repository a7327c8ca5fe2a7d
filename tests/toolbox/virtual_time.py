"""This module owns time that passes at once: a loop whose clock jumps to whatever is due next."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _JumpingSelector(selectors.DefaultSelector):
    """Adds up the time that it is asked to wait, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_seconds = 0.0

    def select(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - its base's own
        if timeout is None:
            raise RuntimeError("nothing is due any more, and the test still waits")
        self.passed_seconds += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop without waiting; for tests that use no network."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return 1000.0 + self._jumping.passed_seconds

    def hold_up(self, seconds: float) -> None:
        """Let time pass in which nothing is done."""
        self._jumping.passed_seconds += seconds


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Do the work in a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
