"""This module owns what must be true of a WebSocket, and of the whole door, under any bytes."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import structlog.testing

from gateway.app import Gateway
from gateway.settings import Settings
from gateway.sockets import polling
from gateway.sockets.connection import Connection
from gateway.sockets.handshake import Handshake
from gateway.sockets.internals import FrameQueue
from gateway.sockets.polling import PayloadInvalid
from gateway.sockets.websocket import LinkLimits, WebSocketLink
from tests.fuzz.judge import Judge
from tests.gateway.sockets.recording_transport import RecordingTransport
from tests.toolbox.raw_client import BINARY, CLOSE, PING, TEXT, masked_frame

_LIMITS: Final = LinkLimits(message_bytes=1000, high_water_bytes=65_536)
_TURNS_TO_SETTLE: Final = 12

_frame = partial(masked_frame, key=b"key!")  # the same input every time
# The first byte says how the others are cut.
LINK_SEEDS: Final = (
    b"\x00" + _frame('42["join-room","r"]') + _frame("3"),
    b"\x01" + _frame("4é", is_final=False) + _frame("rest", 0),
    b"\x02" + _frame(b"\x00\xff", BINARY) + _frame(b"ping", PING),
    b"\x03" + _frame((1000).to_bytes(2, "big") + b"bye", CLOSE) + _frame("after"),
    b"\x04" + _frame("x" * 200) + b"\x81\x02no",
)
# What comes as one polling payload: packets with a separator in between.
DOOR_SEEDS: Final = (
    b'40\x1e420["join-room","r"]\x1e421["bike-update",{"roomId":"r","id":"b","lat":1,"lon":2}]',
    b'40{"cursors":true}\x1e42["join-room",{"roomId":"r","snapshot":true}]\x1e42["leave-room","r"]',
    b'40\x1e451-["publish",{"roomId":"r","event":"e","data":{"_placeholder":true,"num":0}}]\x1ebAAE=',
    b'40{"recover":true}\x1e42["join-room","r"]\x1e41\x1e40{"recover":true,"pid":"p","offset":"e.1.0"}',
    b'40\x1e42["presence","r"]\x1e42["authenticate",{"token":"a.b.c"}]\x1e41\x1e40\x1e1',
    b'40/ops,\x1e42/ops,["e"]\x1e43/ops,1[]\x1e41/ops,',
)


class _Hearer:
    """Writes down what a link tells it, until it has closed the link itself."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []
        self.ends = 0
        self.is_over = False

    def hear_text(self, link: WebSocketLink, text: bytes) -> None:
        text.decode()
        assert len(text) <= _LIMITS.message_bytes
        self._note("text", text)
        if text[:1] == b"1":  # as an Engine.IO session does when it is told to end
            self.is_over = True
            link.close()

    def hear_binary(self, _link: WebSocketLink, data: bytes) -> None:
        assert len(data) <= _LIMITS.message_bytes
        self._note("binary", data)

    def hear_noise(self, _link: WebSocketLink, size_bytes: int) -> None:
        assert size_bytes >= 0  # how much of it there is depends on how the bytes are cut

    def hear_fault(self, _link: WebSocketLink, code: int) -> None:
        self._note("fault", code)

    def hear_eof(self, _link: WebSocketLink) -> None:
        raise AssertionError("nothing ends here without a word")

    def hear_end(self, _link: WebSocketLink, *, is_clean: bool) -> None:
        self.ends += 1
        self._note("end", is_clean)

    def _note(self, what: str, value: object) -> None:
        if not self.is_over:
            self.heard.append((what, value))

    def hear_pause(self, _link: WebSocketLink) -> None:
        raise AssertionError("nothing is stuck")

    def hear_resume(self, _link: WebSocketLink) -> None:
        raise AssertionError("nothing is stuck")


def check_link(data: bytes) -> None:
    """However the bytes are cut, the same is heard."""
    length, stream = (data[0] % 13) + 1 if data else 1, data[1:]
    whole = _heard([stream])
    pieces = [stream[start : start + length] for start in range(0, len(stream), length)]
    assert _heard(pieces) == whole


def _heard(pieces: list[bytes]) -> list[tuple[str, object]]:
    hearer, transport = _Hearer(), RecordingTransport()
    link = WebSocketLink(transport, FrameQueue(), hearer, _LIMITS)
    transport.set_protocol(link)
    for piece in pieces:
        if transport.is_closing():
            break
        link.data_received(piece)
    assert bool(hearer.ends or hearer.is_over) == transport.is_closing()
    link.connection_lost(None)
    assert hearer.ends == 1
    assert transport.frames is not None  # whole frames only
    return hearer.heard


class Door:
    """A gateway without a port: a stranger speaks, a bystander listens, and both must be well."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        asyncio.set_event_loop(self._loop)
        self._failures: list[dict[str, object]] = []
        self._loop.set_exception_handler(lambda _, context: self._failures.append(context))
        self._gateway = self._runner.run(self._built())
        self._number = 0

    async def _built(self) -> Gateway:
        settings = Settings.from_env({"PACELINE_ENV": "development"})
        gateway = Gateway(settings)
        await gateway.hub.start()
        return gateway

    def check(self, payload: bytes) -> None:
        """Let a stranger say this, then see what of it stays, and how a bystander fares."""
        try:
            packets = polling.packets_of(payload)
        except PayloadInvalid:
            return
        with structlog.testing.capture_logs() as lines:
            self._runner.run(self._spoken(packets))
        assert not self._failures, self._failures
        assert [line for line in lines if line["log_level"] in {"error", "critical"}] == []

    def close(self) -> None:
        """Stop the gateway."""
        self._runner.run(self._gateway.server.shutdown())
        self._runner.run(self._gateway.hub.stop())
        asyncio.set_event_loop(None)
        self._runner.close()

    async def _spoken(self, packets: list[tuple[bytes, bool]]) -> None:
        bystander, heard = self._connection()
        bystander.hear_packet(b"40")
        bystander.hear_packet(b'42["join-room","r"]')
        stranger, _ = self._connection()
        await _settle()
        for packet, is_binary in packets:
            if stranger.closed:
                break
            if is_binary:
                stranger.engine.hear_binary(stranger, packet)
            else:
                stranger.hear_packet(packet)
        await _settle()
        stranger.close()
        bystander.hear_packet(b'427["bike-update",{"roomId":"r","last":true}]')
        await _settle()
        assert any('437[{"data"' in text for text in heard.texts), "the bystander is not served"
        bystander.close()
        await _settle()
        self._check_left_behind()
        self._check_read(heard)

    def _connection(self) -> tuple[Connection, RecordingTransport]:
        engine, transport = self._gateway.server.engine, RecordingTransport()
        self._number += 1
        connection = Connection(engine, f"sid-{self._number}", Handshake("192.0.2.1", None))
        link = WebSocketLink(transport, FrameQueue(), connection, LinkLimits(65_536, 65_536))
        transport.set_protocol(link)
        engine.sockets[connection.sid] = connection
        connection.open(link)
        return connection, transport

    def _check_left_behind(self) -> None:
        membership, server = self._gateway.hub.membership, self._gateway.server
        left = [membership.peers, membership.rooms, server.engine.sockets, server.environ]
        assert not any(left), left

    def _check_read(self, heard: RecordingTransport) -> None:
        """Whatever reached the bystander is read by the official client."""
        frames = [frame for frame in heard.frames if frame.opcode in {TEXT, BINARY}]
        for place, frame in enumerate(frames):
            if frame.opcode != TEXT or frame.payload[:1] != b"4":
                continue
            count = 0
            while place + count + 1 < len(frames) and frames[place + count + 1].opcode == BINARY:
                count += 1
            theirs = self._judge.packet(frame.payload[1:], count)
            assert "error" not in theirs, (theirs, frame.payload)


async def _settle() -> None:
    for _ in range(_TURNS_TO_SETTLE):
        await asyncio.sleep(0)
