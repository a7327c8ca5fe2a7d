"""This module owns a line between clients and a server of 127.0.0.1, which a test can cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Relay:
    """Passes bytes both ways; `cut` loses whatever is under way, as a tunnel does to a phone."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port  # of new connections
        self._ends: set[asyncio.StreamWriter] = set()
        self._swallowed: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.is_up = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Reset every connection; new ones are welcome unless `is_up` was set to false."""
        for end in self._ends:
            end.transport.abort()

    def know(self, end: asyncio.StreamWriter) -> None:
        """An end that `cut` has to reach."""
        self._ends.add(end)

    def swallow(self) -> None:
        """Let no byte through on any connection that there is now, and let neither end know."""
        self._swallowed |= self._ends

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client, until either side has ended."""
        if not self.is_up:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            writer.transport.abort()
            self._ends.discard(writer)
            return
        ends = {writer, far_writer}
        self._ends |= ends
        ways = [
            asyncio.create_task(self._pass_on(reader, far_writer)),
            asyncio.create_task(self._pass_on(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ends -= ends
            self._swallowed -= ends
            for way in ways:
                way.cancel()
            for end in ends:
                end.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if writer not in self._swallowed:
                    writer.write(data)
                    await writer.drain()
        if writer in self._swallowed:
            await asyncio.Event().wait()  # nor is the end let through


@contextlib.asynccontextmanager
async def relay_to(server_port: int) -> AsyncIterator[Relay]:
    """A relay on a free port."""
    relay = Relay(server_port)
    carrying: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay.know(writer)  # the task may be cancelled before it has begun
        task = asyncio.create_task(relay.carry(reader, writer))
        carrying.add(task)
        task.add_done_callback(carrying.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        relay.cut()
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
        await server.wait_closed()
