"""Members of a run: a client by hand, and python-socketio. Both come back whenever they are cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final

import aiohttp
import socketio
from socketio.exceptions import SocketIOError

from tests.journeys.ledger.attendance import Attendance, Body
from tests.toolbox.fleet import MEMBER

AUTH: Final = {"token": MEMBER, "cursors": True}
ANSWER_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 0.3
LONGEST_PAUSE_SECONDS: Final = 0.5


class Lost(Exception):
    """The connection is of no use any more."""


class RawMember:
    """Reads packets as they come, and gives a silent connection up as the protocol says."""

    def __init__(
        self, attendance: Attendance, session: aiohttp.ClientSession, url: str, dice: Random
    ) -> None:
        self._attendance, self._session, self._url = attendance, session, url
        self._dice = dice
        self._requests: dict[int, tuple[Body, float]] = {}
        self._last_ack_id = 0

    async def live_forever(self) -> None:
        """Be a member, and come back whenever the connection ends."""
        while True:
            pause = self._dice.uniform(0.05, LONGEST_PAUSE_SECONDS)
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, Lost):
                pause = await self._visit()
            await asyncio.sleep(pause)

    async def _visit(self) -> float:
        address = f"{self._url}/socket.io/?EIO=4&transport=websocket"
        timeout = aiohttp.ClientWSTimeout(ws_close=0.2)
        async with (
            asyncio.timeout(None) as patience,
            self._session.ws_connect(address, max_msg_size=0, timeout=timeout) as socket,
        ):
            loop = asyncio.get_running_loop()
            patience.reschedule(loop.time() + ANSWER_SECONDS)
            opening = json.loads((await _text(socket))[1:])
            silence = (opening["pingInterval"] + opening["pingTimeout"]) / 1000
            await socket.send_str(f"40{json.dumps(AUTH)}")
            answer = await _text(socket)
            if not answer.startswith("40{"):
                raise Lost(answer)
            try:
                for request in self._attendance.up():
                    await self._join(socket, request)
                while True:
                    patience.reschedule(loop.time() + silence)
                    if (pause := await self._take(socket, await _text(socket))) is not None:
                        return pause
                    self._check_answers(loop.time())
            finally:
                self._requests.clear()
                self._attendance.down()

    async def _join(self, socket: aiohttp.ClientWebSocketResponse, request: Body) -> None:
        self._last_ack_id += 1
        due = asyncio.get_running_loop().time() + ANSWER_SECONDS
        self._requests[self._last_ack_id] = request, due
        await socket.send_str(f"42{self._last_ack_id}{json.dumps(['join-room', request])}")

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, packet: str) -> float | None:
        """Handle a packet; the seconds to stay away when it is a goodbye."""
        if packet == "2":
            await socket.send_str("3")
        elif packet.startswith("42"):
            event, *arguments = json.loads(packet[2:])
            request = self._attendance.told(event, arguments)
            if request is not None:
                await self._join(socket, request)
            if event == "goodbye":
                wanted: float = arguments[0].get("reconnectAfterMs", 0) / 1000
                return max(wanted, self._dice.uniform(0, AGAIN_SECONDS))
        elif packet.startswith("43"):
            number, _, answer = packet[2:].partition("[")
            request, _ = self._requests.pop(int(number))
            if not self._attendance.joined(request, json.loads(f"[{answer}")[0]):
                await asyncio.sleep(AGAIN_SECONDS)
                await self._join(socket, self._attendance.request_of(request["roomId"]))
        return None

    def _check_answers(self, now: float) -> None:
        if any(due < now for _, due in self._requests.values()):
            raise Lost("a join is not answered")


async def _text(socket: aiohttp.ClientWebSocketResponse) -> str:
    message = await socket.receive()
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise Lost
    return str(message.data)


class OfficialMember:
    """python-socketio, which reconnects by itself."""

    def __init__(self, attendance: Attendance, url: str, transports: list[str]) -> None:
        self._attendance, self._url, self._transports = attendance, url, transports
        self._client = socketio.AsyncClient(
            reconnection_delay=0.1, reconnection_delay_max=LONGEST_PAUSE_SECONDS
        )
        on: Callable[..., Any] = self._client.on
        on("connect", self._connected)
        on("disconnect", lambda _reason: attendance.down())
        on("*", self._told)

    async def live_forever(self) -> None:
        """Be a member until cancelled."""
        try:
            await self._client.connect(
                self._url, auth=AUTH, transports=self._transports, retry=True
            )
            await asyncio.Event().wait()
        finally:
            with contextlib.suppress(SocketIOError):
                await self._client.shutdown()

    async def _connected(self) -> None:
        for request in self._attendance.up():
            await self._join(request)

    async def _told(self, event: str, *arguments: Any) -> None:  # noqa: ANN401 - whatever is told
        if (request := self._attendance.told(event, arguments)) is not None:
            await self._join(request)

    async def _join(self, request: Body) -> None:
        with contextlib.suppress(SocketIOError):  # the next connection will ask
            joined = partial(self._joined, self._client.get_sid(), request)
            await self._client.emit("join-room", request, callback=joined)

    async def _joined(self, sid: str, request: Body, answer: Body) -> None:
        if not self._attendance.joined(request, answer):
            await asyncio.sleep(AGAIN_SECONDS)
            if self._client.connected and self._client.get_sid() == sid:
                await self._join(self._attendance.request_of(request["roomId"]))
