"""This module owns a transport that writes down what it is given, and may get stuck."""

from __future__ import annotations

import asyncio

from gateway.identity import Identity, Role
from gateway.sockets.connection import Connection
from gateway.sockets.engine import Engine
from gateway.sockets.handshake import Handshake
from gateway.sockets.internals import FrameQueue
from gateway.sockets.session import Session
from gateway.sockets.websocket import LinkLimits, WebSocketLink
from tests.toolbox.raw_client import TEXT, Frame, take_frame


class RecordingTransport(asyncio.Transport):
    """What is written is kept in `written`; while `is_stuck` it counts as not gone out yet."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_stuck = False
        self.reads = True
        self.is_aborted = False
        self._is_closing = False
        self._buffered_bytes = 0
        self._high_bytes = 65_536
        self._protocol: asyncio.BaseProtocol | None = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def set_write_buffer_limits(
        self,
        high: int | None = None,
        low: int | None = None,  # noqa: ARG002 - asyncio's signature
    ) -> None:
        self._high_bytes = high or 0

    def get_write_buffer_size(self) -> int:
        return self._buffered_bytes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing:
            raise RuntimeError("the transport is closed")  # as uvloop does
        self.written.append(bytes(data))
        if self.is_stuck:
            was_paused = self._buffered_bytes > self._high_bytes
            self._buffered_bytes += len(data)
            if not was_paused and self._buffered_bytes > self._high_bytes:
                assert isinstance(self._protocol, asyncio.Protocol)
                self._protocol.pause_writing()

    def release(self) -> None:
        """Everything has gone out."""
        was_paused = self._buffered_bytes > self._high_bytes
        self.is_stuck, self._buffered_bytes = False, 0
        if was_paused:
            assert isinstance(self._protocol, asyncio.Protocol)
            self._protocol.resume_writing()

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self._is_closing = self.is_aborted = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    @property
    def frames(self) -> list[Frame]:
        """All that was written, taken apart."""
        frames: list[Frame] = []
        data = b"".join(self.written)
        while data:
            taken = take_frame(data)
            assert taken is not None, f"half a frame: {data!r}"
            frame, data = taken
            frames.append(frame)
        return frames

    @property
    def texts(self) -> list[str]:
        """The text messages among it."""
        return [frame.payload.decode() for frame in self.frames if frame.opcode == TEXT]


def link_of(engine: Engine, connection: Connection) -> tuple[WebSocketLink, RecordingTransport]:
    """A WebSocket on a recording transport."""
    transport = RecordingTransport()
    limits = LinkLimits(engine.limits.message_bytes, engine.limits.high_water_bytes)
    link = WebSocketLink(transport, FrameQueue(), connection, limits)
    transport.set_protocol(link)
    return link, transport


def connection_of(engine: Engine, sid: str = "sid") -> tuple[Connection, RecordingTransport]:
    """An open connection on a recorded WebSocket."""
    connection = Connection(engine, sid, Handshake("192.0.2.1", None))
    link, transport = link_of(engine, connection)
    engine.sockets[sid] = connection
    connection.open(link)
    transport.written.clear()
    return connection, transport


def polling_connection_of(engine: Engine, sid: str = "sid") -> Connection:
    """An open connection on polling."""
    connection = Connection(engine, sid, Handshake("192.0.2.1", None))
    engine.sockets[sid] = connection
    connection.open(None)
    assert connection.pollbox is not None
    connection.pollbox.fetch()
    return connection


def session_of(connection: Connection, peer_id: str) -> Session:
    """A peer on that connection."""
    session = Session(peer_id, Identity(f"subject of {peer_id}", Role.RIDER), connection)
    connection.peer = session
    return session
