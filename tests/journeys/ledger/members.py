"""Members by hand: cheap enough for thousands, and back whenever they are cut.

One gives a silent connection up as the protocol says, and one that does not answer a join.
"""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import Final, cast

from tests.journeys.ledger.attendance import Attendance, Body
from tests.toolbox.fleet import MEMBER
from tests.toolbox.raw_client import CLOSE, masked_frame, take_frame

AUTH: Final = {"token": MEMBER, "cursors": True}
ANSWER_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 0.3
_UPGRADE: Final = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
    "Host: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_SWITCHED: Final = b"HTTP/1.1 101"


class RawMember:
    """Comes back after a pause of at most `longest_pause_seconds`, by chance."""

    def __init__(
        self, attendance: Attendance, port: int, dice: Random, longest_pause_seconds: float = 0.5
    ) -> None:
        self._attendance, self._port, self._dice = attendance, port, dice
        self._longest_pause_seconds = longest_pause_seconds

    async def live_forever(self) -> None:
        """Be a member until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            line = Line(self._attendance, self._port)
            try:
                await loop.create_connection(lambda line=line: line, "127.0.0.1", self._port)  # type: ignore[misc] # a default binds it now
                wanted = await line.ended
            except OSError:
                wanted = 0.0
            finally:
                line.hang_up()
            await asyncio.sleep(max(wanted, self._dice.uniform(0, self._longest_pause_seconds)))


class Line(asyncio.Protocol):
    """One connection of a member; `ended` has the seconds that it was asked to stay away."""

    def __init__(self, attendance: Attendance, port: int) -> None:
        self._attendance, self._port = attendance, port
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[float] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._is_open = self._is_up = False
        self._requests: dict[int, tuple[Body, float]] = {}
        self._last_ack_id = 0
        self._silence_seconds = ANSWER_SECONDS
        self._heard_at = self._loop.time()
        self._watch = self._loop.call_later(ANSWER_SECONDS, self._look)

    def hang_up(self) -> None:
        """End it, if it has not ended; a second call does nothing."""
        self._watch.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._note_down()

    def _note_down(self) -> None:
        if self._is_up:
            self._is_up = False
            self._attendance.down()

    # ---- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # a cast: uvloop's transports are no subclass of asyncio's
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_UPGRADE.format(host="127.0.0.1", port=self._port).encode())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio has it
        self._note_down()
        if not self.ended.done():
            self.ended.set_result(0.0)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._data += data
        if not self._is_open:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(_SWITCHED):
                self.hang_up()
                return
            self._is_open, self._data = True, rest
        while not self.ended.done() and (taken := take_frame(self._data)) is not None:
            frame, self._data = taken
            if frame.opcode == CLOSE:
                self.hang_up()
                return
            self._take(frame.payload.decode())

    def _look(self) -> None:
        """Give up what is silent for too long, or answers no join."""
        now = self._loop.time()
        is_silent = now - self._heard_at > self._silence_seconds
        if is_silent or any(due < now for _, due in self._requests.values()):
            self.hang_up()
            return
        self._watch = self._loop.call_later(self._silence_seconds / 4, self._look)

    # ---- packets

    def _take(self, packet: str) -> None:
        if packet == "2":
            self._say("3")
        elif packet.startswith("42"):
            self._hear(*json.loads(packet[2:]))
        elif packet.startswith("43"):
            number, _, answer = packet[2:].partition("[")
            self._joined(int(number), json.loads(f"[{answer}")[0])
        elif packet.startswith("40{"):
            self._is_up = True
            for request in self._attendance.up(json.loads(packet[2:])["sid"]):
                self._join(request)
        elif packet.startswith("0{"):
            opening = json.loads(packet[1:])
            self._silence_seconds = (opening["pingInterval"] + opening["pingTimeout"]) / 1000
            self._say(f"40{json.dumps(AUTH)}")

    def _hear(self, event: str, *arguments: Body) -> None:
        if (request := self._attendance.told(event, arguments)) is not None:
            self._join(request)
        if event == "goodbye":
            self.ended.set_result(arguments[0].get("reconnectAfterMs", 0) / 1000)

    def _join(self, request: Body) -> None:
        self._last_ack_id += 1
        self._requests[self._last_ack_id] = request, self._loop.time() + ANSWER_SECONDS
        self._say(f"42{self._last_ack_id}{json.dumps(['join-room', request])}")

    def _joined(self, number: int, answer: Body) -> None:
        request, _ = self._requests.pop(number)
        if not self._attendance.joined(request, answer):
            self._loop.call_later(AGAIN_SECONDS, self._join_again, request["roomId"])

    def _join_again(self, room: str) -> None:
        if self._is_up:
            self._join(self._attendance.request_of(room))

    def _say(self, text: str) -> None:
        assert self._transport is not None
        self._transport.write(masked_frame(text))
