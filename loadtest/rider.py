"""This module owns one connected client: it counts deliveries, answers pings, asks, publishes.

`Rider.data_received` is the load test's hot path: it walks the frames in place, counts deliveries
by their first bytes and looks into one of many for the time it was sent. Everything rarer goes to
`_take_rare`.
"""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, cast

import msgspec

from loadtest import frames
from loadtest.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable

UPDATED: Final = b'42["bike-updated",'
SENT: Final = b'"sent_ns":'
# Times are sent as nanoseconds since the run's origin plus this: always 16 digits, and below 2**53
# for JavaScript.
SENT_BASE: Final = 10**15
_SENT_DIGITS: Final = 16
# The longest payload whose length stands in the second byte.
_SHORT_BYTES: Final = 125
_PING: Final = b"2"
_PONG: Final = frames.masked(b"3")
_ANSWER_SECONDS: Final = 60.0


class Refusal(Exception):
    """The server answered a request with an error."""


class Tally:
    """What the riders of one process count together."""

    __slots__ = (
        "ack_latency",
        "acked",
        "closed",
        "latency",
        "origin_ns",
        "others",
        "refusals",
        "sent",
    )

    def __init__(self, origin_ns: int) -> None:
        self.origin_ns = origin_ns
        self.latency = Histogram()
        self.ack_latency = Histogram()
        self.sent = 0
        self.acked = 0
        self.closed = 0
        self.refusals: dict[str, int] = {}
        self.others: dict[str, int] = {}

    def now(self) -> int:
        """The value of `sent_ns` for a payload that leaves now."""
        return monotonic_ns() - self.origin_ns + SENT_BASE


class Rider(asyncio.Protocol):
    """A Socket.IO client on an upgraded transport.

    `sample_mask` n means that of every n + 1 deliveries one is looked into (n + 1 is a power of
    two). `on_ack` is called after every acknowledgement of a publication, `on_text` with every
    payload that is neither an acknowledgement nor a ping, and then deliveries are not merely
    counted but handed over one by one.
    """

    __slots__ = (
        "_in_flight", "_next_ack", "_partial", "_requests", "_tally", "_transport",
        "closed", "on_ack", "on_text", "received", "sample_mask",
    )  # fmt: skip

    def __init__(self, tally: Tally, sample_mask: int = 0) -> None:
        self._tally = tally
        self._partial = b""
        self._in_flight: dict[int, int] = {}
        self._requests: dict[int, asyncio.Future[bytes]] = {}
        self._next_ack = 0
        self.sample_mask = sample_mask
        self.received = 0
        self.closed = False
        self.on_ack: Callable[[Rider], None] | None = None
        self.on_text: Callable[[bytes], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.closed:
            self._tally.closed += 1
        self.closed = True
        for request in self._requests.values():
            if not request.done():
                request.set_exception(Refusal("the connection was closed"))
        self._requests.clear()

    def data_received(self, data: bytes) -> None:
        if self._partial:
            data = self._partial + data
            self._partial = b""
        position, end = 0, len(data)
        received, mask = self.received, self.sample_mask
        look = self.on_text is not None
        while end - position > 1:
            length = data[position + 1]
            start = position + 2
            if length > _SHORT_BYTES:
                extent = frames.extent_of(data, position)
                if extent is None:
                    break
                start, stop = extent
            else:
                stop = start + length
                if stop > end:
                    break
            if data.startswith(UPDATED, start):
                received += 1
                if not received & mask:
                    self._sample(data, start, stop)
                if look:
                    self._hand_over(data[start:stop])
            else:
                self._take_rare(data[position], data[start:stop])
            position = stop
        self.received = received
        if position < end:
            self._partial = data[position:]

    def _sample(self, data: bytes, start: int, stop: int) -> None:
        at = data.find(SENT, start, stop) + len(SENT)
        if at >= len(SENT):
            self._tally.latency.add(self._tally.now() - int(data[at : at + _SENT_DIGITS]))

    def _hand_over(self, payload: bytes) -> None:
        if self.on_text is not None:
            self.on_text(payload)

    def _take_rare(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.TEXT:
            if payload.startswith(b"43"):
                self._take_ack(payload)
            elif payload == _PING:
                self._transport.write(_PONG)
            else:
                self._count_other(payload)
        elif opcode == frames.PING:
            self._transport.write(frames.masked(payload, frames.PONG))
        elif opcode == frames.CLOSE:
            self._count_other(b"websocket close")
            self._transport.close()

    def _take_ack(self, payload: bytes) -> None:
        bracket = payload.find(b"[")
        number = int(payload[2:bracket])
        sent_ns = self._in_flight.pop(number, None)
        if sent_ns is None:
            request = self._requests.pop(number, None)
            if request is not None and not request.done():
                request.set_result(payload[bracket:])
            return
        tally = self._tally
        tally.acked += 1
        tally.ack_latency.add(tally.now() - sent_ns)
        if payload.startswith(b'[{"error"', bracket):
            code = _code_of(payload[bracket:])
            tally.refusals[code] = tally.refusals.get(code, 0) + 1
        if self.on_ack is not None:
            self.on_ack(self)

    def _count_other(self, payload: bytes) -> None:
        name = payload[:40].partition(b",")[0].decode(errors="replace")
        self._tally.others[name] = self._tally.others.get(name, 0) + 1
        self._hand_over(payload)

    def publish(self, arguments: bytes, sent_ns: int) -> None:
        """Send the event `arguments` (the JSON array of a packet) with an acknowledgement id."""
        self._next_ack += 1
        self._in_flight[self._next_ack] = sent_ns
        self._tally.sent += 1
        self._transport.write(frames.masked(b"42%d%b" % (self._next_ack, arguments)))

    async def ask(self, event: str, argument: object) -> bytes:
        """Send a request and return the JSON array of its acknowledgement. Raises Refusal."""
        self._next_ack += 1
        number = self._next_ack
        answer = self._requests[number] = asyncio.get_running_loop().create_future()
        self._transport.write(
            frames.masked(b"42%d%b" % (number, msgspec.json.encode([event, argument])))
        )
        acknowledgement: bytes = await asyncio.wait_for(answer, _ANSWER_SECONDS)
        if acknowledgement.startswith(b'[{"error"'):
            raise Refusal(acknowledgement[:300].decode(errors="replace"))
        return acknowledgement

    @property
    def waiting_acks(self) -> int:
        return len(self._in_flight)

    def pause(self) -> None:
        """Stop reading, as a phone in a tunnel does: no frame is taken and no ping answered."""
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()

    def drop(self) -> None:
        """Leave without a word."""
        self.closed = True
        self._transport.abort()


def _code_of(acknowledgement: bytes) -> str:
    try:
        (envelope,) = msgspec.json.decode(acknowledgement, type=tuple[dict[str, dict[str, object]]])
    except msgspec.DecodeError:
        return "UNREADABLE"
    return str(envelope["error"].get("code", "UNKNOWN"))
