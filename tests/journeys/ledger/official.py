"""Members with python-socketio, which reconnects by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import aiohttp
import socketio
from socketio.exceptions import SocketIOError

from tests.journeys.ledger.attendance import Attendance, Body
from tests.journeys.ledger.members import AGAIN_SECONDS, AUTH

LONGEST_PAUSE_SECONDS: Final = 0.5


class OfficialMember:
    """One of them."""

    def __init__(
        self,
        attendance: Attendance,
        session: aiohttp.ClientSession,
        url: str,
        transports: list[str],
    ) -> None:
        self._attendance, self._url, self._transports = attendance, url, transports
        # one of its own it would leave open whenever a connection fails
        self._client = socketio.AsyncClient(
            http_session=session,
            reconnection_delay=0.1,
            reconnection_delay_max=LONGEST_PAUSE_SECONDS,
        )
        on: Callable[..., Any] = self._client.on
        on("connect", self._connected)
        on("disconnect", lambda _reason: attendance.down())
        on("*", self._told)

    async def live_forever(self) -> None:
        """Be a member until cancelled."""
        try:
            while not self._client.connected:
                # ValueError: what failed a moment ago has not been taken down to its end
                with contextlib.suppress(SocketIOError, ValueError):
                    await self._client.connect(self._url, auth=AUTH, transports=self._transports)
                await asyncio.sleep(AGAIN_SECONDS)
            await asyncio.Event().wait()
        finally:
            # AttributeError: the library's own, when it is just about to begin to reconnect
            with contextlib.suppress(SocketIOError, AttributeError):
                await self._client.shutdown()

    async def _connected(self) -> None:
        for request in self._attendance.up(self._client.get_sid()):
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
