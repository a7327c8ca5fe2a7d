"""This module owns a Socket.IO client that takes nothing apart: packets are compared as text.

A JSON parser would hide what a number looked like, and the order of fields.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator

import aiohttp

_ANSWER_SECONDS = 20.0


class SocketClosed(Exception):
    """The other side has closed."""


class RawSocket:
    """One WebSocket in the main namespace; `events` are texts such as `["bike-updated",{...}]`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._waiting: deque[str] = deque()
        self._last_ack_id = 0

    async def ask(self, event: str, argument: str) -> str:
        """Send an event with its argument as JSON text; return the text of what the ack holds."""
        self._last_ack_id += 1
        number = self._last_ack_id
        await self._socket.send_str(f"42{number}[{json.dumps(event)},{argument}]")
        head = f"43{number}["
        while True:
            packet = await self._packet()
            if packet.startswith(head):
                return packet[len(head) : -1]
            self._keep(packet)

    async def event(self) -> str:
        """The next event, waited for if need be; raises `SocketClosed` when none is to come."""
        while not self._waiting:
            self._keep(await self._packet())
        return self._waiting.popleft()

    def _keep(self, packet: str) -> None:
        if packet.startswith("42"):
            self._waiting.append(packet[2:])

    async def _packet(self) -> str:
        while True:
            async with asyncio.timeout(_ANSWER_SECONDS):
                message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT or message.data == "1":
                raise SocketClosed
            if message.data != "2":
                return str(message.data)
            await self._socket.send_str("3")


@contextlib.asynccontextmanager
async def connected(url: str, auth: str = "") -> AsyncIterator[RawSocket]:
    """Connect to a gateway's main namespace; `auth` is JSON text."""
    address = f"{url}/socket.io/?EIO=4&transport=websocket"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address, max_msg_size=0) as socket,
    ):
        opening = await socket.receive_str()
        assert opening.startswith("0{"), opening
        await socket.send_str(f"40{auth}")
        answer = await socket.receive_str()
        assert answer.startswith("40{"), answer
        yield RawSocket(socket)
