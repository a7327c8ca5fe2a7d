"""This module owns a client by hand: HTTP and WebSocket as bytes, the wrong ones too."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
TIMEOUT_SECONDS = 10.0
HTTP_SWITCHING = 101
_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
# A request that opens a WebSocket, for who writes it to a socket of another kind.
OPENING = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
) % _KEY.encode()


class Frame(NamedTuple):
    """One frame as a server sends it."""

    opcode: int
    payload: bytes


class Answer(NamedTuple):
    """One HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


class Ended(Exception):
    """The server has closed: with this code, or None when it sent no close frame."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        super().__init__(f"closed with {code}")


def take_frame(data: bytes) -> tuple[Frame, bytes] | None:
    """The first whole frame (RFC 6455, section 5.2) and what follows; None when there is none."""
    if len(data) < 2:
        return None
    first, second = data[0], data[1]
    assert not second & 0x80, "a server must not mask"
    assert first & 0x80, "these servers do not fragment"
    assert not first & 0x70, "no extension was negotiated"
    start, length = 2, second & 0x7F
    if length == 126:
        start, length = 4, int.from_bytes(data[2:4], "big")
    elif length == 127:
        start, length = 10, int.from_bytes(data[2:10], "big")
    if len(data) < start + length:
        return None
    return Frame(first & 0x0F, data[start : start + length]), data[start + length :]


def masked_frame(
    payload: bytes | str, opcode: int = TEXT, *, is_final: bool = True, key: bytes = b""
) -> bytes:
    """A frame as a client sends it; without a `key` it takes a new one, as it should."""
    body = payload.encode() if isinstance(payload, str) else payload
    key = key or os.urandom(4)
    first = opcode | (0x80 if is_final else 0)
    if len(body) < 126:
        header = struct.pack("!BB", first, 0x80 | len(body))
    elif len(body) < 1 << 16:
        header = struct.pack("!BBH", first, 0x80 | 126, len(body))
    else:
        header = struct.pack("!BBQ", first, 0x80 | 127, len(body))
    padded = key * (len(body) // 4 + 1)
    masked = int.from_bytes(body, "big") ^ int.from_bytes(padded[: len(body)], "big")
    return header + key + masked.to_bytes(len(body), "big")


class RawSocket:
    """A WebSocket of which the test decides every byte; `hear` answers Engine.IO's pings."""

    _open: ClassVar[set[RawSocket]] = set()

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(self)
        self._reader, self._writer = reader, writer
        self._data = b""
        self.answers_pings = True
        self.sid = ""  # what the test has learnt of itself

    @classmethod
    async def open(
        cls, port: int, path: str = "/socket.io/", query: str = "", **headers: str
    ) -> Self:
        """Open one; raises `ConnectionRefusedError` with the answer when it is no 101."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        lines = [
            f"GET {path}?EIO=4&transport=websocket{query} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {_KEY}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        peer = cls(reader, writer)
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)
        except BaseException:
            peer.close()
            raise
        if not head.startswith(b"HTTP/1.1 101"):
            peer.close()
            raise ConnectionRefusedError(head.decode())
        return peer

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    def say(self, *texts: str | bytes) -> None:
        """Send text messages in one write."""
        self.write(b"".join(map(masked_frame, texts)))

    async def frame(self, timeout_seconds: float = TIMEOUT_SECONDS) -> Frame:
        """The next frame; raises `Ended`, or `TimeoutError`."""
        async with asyncio.timeout(timeout_seconds):
            while (taken := take_frame(self._data)) is None:
                try:
                    more = await self._reader.read(65_536)
                except ConnectionError:
                    more = b""
                if not more:
                    raise Ended(None)
                self._data += more
        frame, self._data = taken
        if frame.opcode == CLOSE:
            raise Ended(int.from_bytes(frame.payload[:2], "big"))
        return frame

    async def hear(self, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
        """The next Engine.IO packet that is no ping."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                frame = await self.frame(timeout_seconds)
                if frame.opcode in {TEXT, BINARY} and frame.payload != b"2":
                    return frame.payload.decode()
                if frame.payload == b"2" and self.answers_pings:
                    self.say("3")

    async def hear_all(self, quiet_seconds: float = 0.3) -> list[str]:
        """Everything until nothing more comes for so long."""
        heard: list[str] = []
        with contextlib.suppress(TimeoutError, Ended):
            while True:
                heard.append(await self.hear(quiet_seconds))
        return heard

    async def end(self, timeout_seconds: float = TIMEOUT_SECONDS) -> int | None:
        """Wait until the server closes; the code of its close frame."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                try:
                    await self.hear(timeout_seconds)
                except Ended as ended:
                    return ended.code

    def close(self) -> None:
        """Hang up, without a close frame."""
        self._open.discard(self)
        self._writer.transport.abort()

    @classmethod
    def close_all(cls) -> None:
        """Hang up whatever a test that failed has left open."""
        for peer in list(cls._open):
            peer.close()


async def connect(
    port: int, connect_packet: str = "40", path: str = "/socket.io/"
) -> tuple[RawSocket, str]:
    """A WebSocket in the main namespace, and the server's answer to the CONNECT packet."""
    peer = await RawSocket.open(port, path)
    opening = await peer.hear()
    assert opening.startswith("0{"), opening
    peer.say(connect_packet)
    return peer, await peer.hear()


async def request(  # noqa: PLR0913, PLR0917 - one fact each about the request
    port: int,
    method: str,
    target: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
) -> Answer:
    """One HTTP request on a connection of its own."""
    reader, writer = await asyncio.open_connection(host, port, limit=2**24)
    try:
        fields = {"Host": f"{host}:{port}", "Connection": "close", **(headers or {})}
        if body is not None and "Transfer-Encoding" not in fields:
            fields.setdefault("Content-Length", str(len(body)))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        start = f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode(errors="surrogateescape")
        writer.write(start + (body or b""))
        return await read_answer(reader, has_body=method != "HEAD")
    finally:
        writer.transport.abort()


async def read_answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> Answer:
    """Read one HTTP response."""
    async with asyncio.timeout(TIMEOUT_SECONDS + 5):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.strip().split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        status = int(status_line.split()[1])
        if not has_body or status == HTTP_SWITCHING:
            return Answer(status, headers, b"")
        length = headers.get("content-length")
        body = await (reader.read() if length is None else reader.readexactly(int(length)))
    return Answer(status, headers, body)


class RawPoller:
    """A session on HTTP long-polling."""

    def __init__(self, port: int, sid: str, path: str) -> None:
        self.port, self.sid, self.path = port, sid, path

    @classmethod
    async def open(cls, port: int, path: str = "/socket.io/") -> Self:
        """Begin a session."""
        answer = await request(port, "GET", f"{path}?EIO=4&transport=polling")
        assert answer.status == 200, answer
        sid = answer.body.split(b'"sid":"')[1].split(b'"')[0].decode()
        return cls(port, sid, path)

    @property
    def target(self) -> str:
        return f"{self.path}?EIO=4&transport=polling&sid={self.sid}"

    async def get(self) -> Answer:
        """Poll once."""
        return await request(self.port, "GET", self.target)

    async def post(self, body: bytes, **headers: str) -> Answer:
        """Send a payload."""
        fields = {"Content-Type": "text/plain;charset=UTF-8"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await request(self.port, "POST", self.target, body, fields)
