"""A line to a server on which one direction of one kind of connection can go dead, unnoticed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class DeafRelay:
    """Passes bytes both ways. `is_deaf`: what subscribers are sent is swallowed from now on.

    `is_mute`: what is sent on the other connections is.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self.port = 0
        self.is_deaf = False
        self.is_mute = False
        self.accepted = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client, until either side has ended."""
        self.accepted += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        is_subscriber = False

        async def out() -> None:
            nonlocal is_subscriber
            while data := await reader.read(65_536):
                is_subscriber = is_subscriber or b"SSUBSCRIBE" in data
                if is_subscriber or not self.is_mute:
                    far_writer.write(data)

        async def back() -> None:
            while data := await far_reader.read(65_536):
                if not (is_subscriber and self.is_deaf):
                    writer.write(data)

        ways = [asyncio.create_task(out()), asyncio.create_task(back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await way
            for end in (writer, far_writer):
                end.transport.abort()


@contextlib.asynccontextmanager
async def deaf_relay_to(server_port: int) -> AsyncIterator[DeafRelay]:
    """A relay on a free port."""
    relay = DeafRelay(server_port)
    carrying: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(relay.carry(reader, writer))
        carrying.add(task)
        task.add_done_callback(carrying.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
        await server.wait_closed()
