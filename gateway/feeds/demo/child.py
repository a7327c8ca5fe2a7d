"""This module owns the demo as a child of the gateway's process: begun and ended with it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

_END_SECONDS: Final = 3.0


class DemoChild:
    """`paceline demo` in a process of its own, at most one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, gateway_url: str) -> None:
        """Let a fleet ride in the gateway at that address."""
        self._process = subprocess.Popen(  # noqa: S603 - this program itself
            [sys.executable, "-m", "gateway", "demo", "--url", gateway_url, "--until-eof"],
            stdin=subprocess.PIPE,
        )

    def end(self) -> None:
        """Close the pipe that it lives by, and wait; harmless when it was never started."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


@contextlib.contextmanager
def demo_child() -> Iterator[DemoChild]:
    """A child that ends with the context."""
    child = DemoChild()
    try:
        yield child
    finally:
        child.end()
