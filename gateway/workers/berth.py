"""This module owns what a worker gets from its supervisor: sockets to listen at, a line to talk.

The line is a pair of sockets. The worker says when it is ready, and hears when it is to go. That
the supervisor is gone is heard too, even when it was killed: then the line ends, and nobody stays
behind.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from gateway.workers.leaving import Leaving

READY: Final = b"ready\n"
LEAVE: Final = b"leave\n"
LEAVE_UNANNOUNCED: Final = b"leave unannounced\n"  # nobody in front needs time to notice
REPLACED: Final = b"replaced\n"
HURRY: Final = b"hurry\n"


class Berth:
    """One worker's end."""

    def __init__(self, slot: int, listeners: list[socket.socket], line: socket.socket) -> None:
        self.slot = slot
        self.listeners = listeners
        self._line = line
        self._hearing: asyncio.Task[None] | None = None

    @classmethod
    def of_descriptors(cls, slot: int, listeners: list[int], line: int) -> Berth:
        """From what a process has inherited. Raises `OSError` when it has not."""
        opened = [socket.socket(fileno=descriptor) for descriptor in listeners]
        return cls(slot, opened, socket.socket(fileno=line))

    async def start(self, leaving: Leaving) -> None:
        """Tell the supervisor that this worker serves; from now on do what it says."""
        reader, writer = await asyncio.open_connection(sock=self._line)
        writer.write(READY)
        self._hearing = asyncio.create_task(_hear(reader, writer, leaving))

    async def stop(self) -> None:
        """Hear no more."""
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait([self._hearing])


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
