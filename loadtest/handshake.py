"""This module owns the way in: TCP, WebSocket, Engine.IO 4, CONNECT of Socket.IO 5 with a token.

The protocol object of the handshake is let go when the server has said `40{...}`; what arrived
behind it is handed to the rider that takes its place on the transport.
"""

from __future__ import annotations

import asyncio
import socket
from base64 import b64encode
from os import urandom
from typing import TYPE_CHECKING, Final, cast

import msgspec

from loadtest import frames

if TYPE_CHECKING:
    from loadtest.rider import Rider

# Under the 28,000 ephemeral ports that Linux gives to one source address by default.
_CONNECTIONS_PER_SOURCE: Final = 12_000
_HANDSHAKE_SECONDS: Final = 60.0

_UPGRADE: Final = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class HandshakeFailed(Exception):
    """The server did not let the client in; the message says at which step."""


class Address(msgspec.Struct, frozen=True):
    """Where the server listens."""

    host: str
    port: int


class Handshake(asyncio.Protocol):
    """One connection until it is a Socket.IO peer."""

    __slots__ = ("_answered", "_auth", "_buffer", "_transport", "_upgraded", "rider")

    def __init__(self, rider: Rider, auth: dict[str, object]) -> None:
        self.rider = rider
        self._auth = auth
        self._buffer = b""
        self._upgraded = False
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"closed by the server ({exc})")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded and not self._read_upgrade():
            return
        while (extent := frames.extent_of(self._buffer, 0)) is not None:
            start, stop = extent
            opcode, payload = self._buffer[0], self._buffer[start:stop]
            self._buffer = self._buffer[stop:]
            if opcode != frames.TEXT:
                self._fail(f"frame {opcode:#x} {payload[:80]!r}")
                return
            if not self._read_packet(payload):
                return

    def _read_upgrade(self) -> bool:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return False
        if not head.startswith(b"HTTP/1.1 101"):
            self._fail(f"answered {head.splitlines()[0].decode(errors='replace')}")
            return False
        self._upgraded, self._buffer = True, rest
        return True

    def _read_packet(self, payload: bytes) -> bool:
        """False when the handshake is over, one way or the other."""
        if payload.startswith(b"0"):
            self._transport.write(frames.masked(b"40" + msgspec.json.encode(self._auth)))
        elif payload.startswith(b"40"):
            self._welcome()
            return False
        elif payload.startswith(b"44"):
            self._fail(f"refused: {payload[2:200].decode(errors='replace')}")
            return False
        elif payload == b"2":
            self._transport.write(frames.masked(b"3"))
        return True

    def _welcome(self) -> None:
        self._transport.set_protocol(self.rider)
        self.rider.connection_made(self._transport)
        if self._buffer:
            self.rider.data_received(self._buffer)
        if not self._answered.done():
            self._answered.set_result(None)

    def _fail(self, reason: str) -> None:
        if not self._answered.done():
            self._answered.set_exception(HandshakeFailed(reason))
        self._transport.abort()

    async def run(self, address: Address, host: bytes) -> None:
        key = b64encode(urandom(16))
        self._transport.write(_UPGRADE % (host, address.port, key))
        try:
            await asyncio.wait_for(self._answered, _HANDSHAKE_SECONDS)
        except TimeoutError:
            self._transport.abort()
            raise HandshakeFailed("no answer within a minute") from None


async def board(rider: Rider, address: Address, auth: dict[str, object], number: int) -> None:
    """Connect `rider`, the client of that number. Raises HandshakeFailed."""
    loop = asyncio.get_running_loop()
    plug = _plug_of(address, number)
    try:
        await loop.sock_connect(plug, (address.host, address.port))
    except OSError as error:
        plug.close()
        raise HandshakeFailed(str(error)) from error
    _, handshake = await loop.create_connection(lambda: Handshake(rider, auth), sock=plug)
    await handshake.run(address, address.host.encode())


def _plug_of(address: Address, number: int) -> socket.socket:
    plug = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    plug.setblocking(False)  # noqa: FBT003 - the standard library's name for it
    plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    source = number // _CONNECTIONS_PER_SOURCE
    if source and address.host.startswith("127."):
        plug.bind((f"127.0.0.{1 + source}", 0))
    return plug
