"""This module owns the examination of a server: ours and the stock one, side by side."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.toolbox.ports import free_port, wait_until_listening
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.raw_client import Ended, RawSocket

# What happens happens at once, long before the first ping: ours may be slow on a busy machine, and
# for what the stock server does not do there is no point in waiting long.
SOON_SECONDS = {"ours": 5.0, "stock": 0.5}
PATH = "/socket.io/"


class Subject:
    """A server under examination."""

    def __init__(self, flavour: str, port: int, process_id: int, log_path: Path) -> None:
        self.flavour, self.port = flavour, port
        self._process_id, self._log_path = process_id, log_path

    @property
    def soon_seconds(self) -> float:
        return SOON_SECONDS[self.flavour]

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    @property
    def memory_bytes(self) -> int:
        """What of it is in memory (Linux)."""
        pages = Path(f"/proc/{self._process_id}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()


@contextlib.contextmanager
def running(flavour: str, folder: Path) -> Iterator[Subject]:
    port, log_path = free_port(), folder / f"{flavour}.log"
    command = [sys.executable, "-m", "tests.conformance.subject", flavour, str(port)]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log)
    try:
        assert wait_until_listening(port, 20), log_path.read_text()
        yield Subject(flavour, port, process.pid, log_path)
    finally:
        process.kill()
        process.wait()


def stock_fails(why: str) -> pytest.MarkDecorator:
    """Run against both; the stock server must not pass."""
    fails = pytest.mark.xfail(
        strict=True,
        reason=why,
        raises=(AssertionError, Ended, TimeoutError, asyncio.IncompleteReadError),
    )
    return pytest.mark.parametrize(
        "subject", ["ours", pytest.param("stock", marks=fails)], indirect=True
    )


def both_pass(function: Any) -> Any:  # noqa: ANN401 - a decorator of any test
    return pytest.mark.parametrize("subject", ["ours", "stock"], indirect=True)(function)


@contextlib.asynccontextmanager
async def opened(subject: Subject, query: str = "") -> AsyncIterator[RawSocket]:
    """An Engine.IO session on a WebSocket."""
    peer = await RawSocket.open(subject.port, PATH, query)
    try:
        if not query:
            await peer.hear()
        yield peer
    finally:
        peer.close()


@contextlib.asynccontextmanager
async def connected(subject: Subject) -> AsyncIterator[RawSocket]:
    """A peer in the main namespace, which has heard what it hears at the start."""
    async with opened(subject) as peer:
        peer.say("40")
        acceptance, _ = sorted([await peer.hear(), await peer.hear()])
        peer.sid = json.loads(acceptance[2:])["sid"]
        yield peer


async def ask(subject: Subject, peer: RawSocket, name: str, *arguments: object) -> Any:  # noqa: ANN401 - any JSON
    """Emit with an acknowledgement, and return the answer."""
    peer.say("427" + json.dumps([name, *arguments]))
    while not (answer := await peer.hear(subject.soon_seconds)).startswith("437"):
        pass
    return json.loads(answer[3:])


@contextlib.contextmanager
def both_running(folder: Path) -> Iterator[dict[str, Subject]]:
    with running("ours", folder) as ours, running("stock", folder) as stock:
        yield {"ours": ours, "stock": stock}
