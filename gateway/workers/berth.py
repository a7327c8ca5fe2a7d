"""This module owns what a worker gets from its supervisor: sockets to listen at, a line to talk.

The line is a pair of sockets. The worker says when it is ready, that it still turns, and when it
accepts no more, and hears when it is to go. That the supervisor is gone is heard too, even when it
was killed: then the line ends, and nobody stays behind.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from gateway.workers.leaving import Leaving

READY: Final = b"ready\n"
ALIVE: Final = b"alive\n"
CLOSED: Final = b"closed\n"
LEAVE: Final = b"leave\n"
LEAVE_UNANNOUNCED: Final = b"leave unannounced\n"  # nobody in front needs time to notice
REPLACED: Final = b"replaced\n"
HURRY: Final = b"hurry\n"

ALIVE_EVERY_SECONDS: Final = 1.0


class Berth:
    """One worker's end."""

    def __init__(self, slot: int, listeners: list[socket.socket], line: socket.socket) -> None:
        self.slot = slot
        self.listeners = listeners
        self._line = line
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def of_descriptors(cls, slot: int, listeners: list[int], line: int) -> Berth:
        """From what a process has inherited. Raises `OSError` when it has not."""
        opened = [socket.socket(fileno=descriptor) for descriptor in listeners]
        return cls(slot, opened, socket.socket(fileno=line))

    async def start(self, leaving: Leaving) -> None:
        """Tell the supervisor that this worker serves; from now on do what it says."""
        reader, self._writer = await asyncio.open_connection(sock=self._line)
        self._writer.write(READY)
        self._tasks = [
            asyncio.create_task(_hear(reader, self._writer, leaving)),
            asyncio.create_task(self._say_that_it_turns()),
        ]

    def report_closed(self) -> None:
        """Tell the supervisor that this worker accepts no more connections."""
        self._say(CLOSED)

    async def stop(self) -> None:
        """Hear no more."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _say_that_it_turns(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_EVERY_SECONDS)
            self._say(ALIVE)

    def _say(self, line: bytes) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(line)


async def _hear(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, leaving: Leaving
) -> None:
    try:
        async for order in reader:
            if order == LEAVE:
                leaving.ask(gives_notice=True)
            elif order == LEAVE_UNANNOUNCED:
                leaving.ask()
            elif order == REPLACED:
                leaving.ask(is_replaced=True)
            elif order == HURRY:
                leaving.hurry()
        leaving.ask(gives_notice=True)  # the supervisor is gone
    except OSError:
        leaving.ask(gives_notice=True)
    finally:
        writer.close()
