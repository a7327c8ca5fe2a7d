"""This module owns client programs in processes of their own, and the lines they print."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.toolbox.programs import CLIENTS

_END_SECONDS = 10.0
_LOOK_SECONDS = 0.05

Line = dict[str, Any]  # what a client says of itself; the shape is between the client and its test


class RiderProcess:
    """One client program; leaving the context closes its standard input, and with that it ends."""

    def __init__(self, output: Path, *command: str, folder: Path = CLIENTS) -> None:
        self._output = output
        self._command = command
        self._folder = folder

    def __enter__(self) -> Self:
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdin=subprocess.PIPE, stdout=output, stderr=errors
            )
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._process.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def lines(self) -> list[Line]:
        """Everything printed so far; raises with the program's own complaint when it has failed."""
        if self._process.poll():
            raise RuntimeError(f"{self._command} failed:\n{self._errors.read_text()}")
        whole, _, _ = self._output.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.split("\n") if line]

    @property
    def _errors(self) -> Path:
        return self._output.with_suffix(".errors")


def wait_for_lines(
    riders: list[RiderProcess], is_enough: Callable[[list[Line]], bool], timeout_seconds: float
) -> None:
    """Return as soon as what all of them have printed is enough; raises `TimeoutError`."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        lines = [line for rider in riders for line in rider.lines()]
        if is_enough(lines):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"this is all that came in {timeout_seconds} s: {lines[-20:]}")
        time.sleep(_LOOK_SECONDS)
