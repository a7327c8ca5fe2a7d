"""This module owns what a load process is told, and how it talks with its parent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import msgspec

from loadtest.handshake import Address
from loadtest.scenarios import Scenario

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from loadtest.measurement import Measurement

Role = Literal["riders", "canary"]


class Plan(msgspec.Struct, frozen=True):
    """One load process: which scenario, against whom."""

    scenario: Scenario
    role: Role
    addresses: tuple[Address, ...]
    """One a worker of the server."""
    server_pids: tuple[int, ...]
    secret: str
    origin_ns: int
    first_number: int = 0


class Progress(msgspec.Struct, frozen=True):
    """How far a phase is; `total` is in the unit of the phase."""

    phase: str
    done: float
    total: float


class Ready(msgspec.Struct, frozen=True):
    """The load process waits for the others."""


class Failed(msgspec.Struct, frozen=True):
    """The load process could not do its part."""

    reason: str


class Link:
    """The load process' end of the line to its parent."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def tell(self, message: Progress | Ready | Failed | Measurement) -> None:
        self._line.send(message)

    def progress(self, phase: str, done: float, total: float) -> None:
        self.tell(Progress(phase, done, total))

    async def wait_for_go(self) -> None:
        """Say that everything is in place, and wait until all processes are."""
        self.tell(Ready())
        loop = asyncio.get_running_loop()
        go: asyncio.Future[None] = loop.create_future()
        line = self._line.fileno()

        def take() -> None:
            loop.remove_reader(line)
            go.set_result(None)

        loop.add_reader(line, take)
        await go
        self._line.recv()
