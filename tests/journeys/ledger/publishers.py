"""Publishers of a run, over HTTP and over sockets; what may have been lost is sent again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any, Final, NamedTuple

import aiohttp

from tests.journeys.ledger.publications import BIKE, REMOVAL
from tests.journeys.ledger.records import Book
from tests.toolbox.fleet import BACKEND

TRY_SECONDS: Final = 2.0
GIVE_UP_SECONDS: Final = 30.0
AGAIN_SECONDS: Final = 0.2
BIKES_PER_ROOM: Final = 4
BIKE_SHARE: Final = 0.4
# What says nothing of what became of it, or that nothing did: the same is sent again.
NOT_NOW: Final = {"UNAVAILABLE", "TOO_FAST"}
OK: Final = "ok"

Answer = dict[str, Any]  # the envelope of an ack or of a REST answer


class News(NamedTuple):
    """Something to publish."""

    id: str
    room: str
    event: str
    data: dict[str, str]


class Desk:
    """Where one publisher finds what to say next. No two updates are of one bike.

    So none may be merged into another, and every one of them has to arrive.
    """

    def __init__(self, name: str, rooms: Sequence[str], dice: Random) -> None:
        self._name, self._rooms, self._dice = name, rooms, dice
        self._numbers = itertools.count(1)
        self._bikes: defaultdict[str, deque[str]] = defaultdict(deque)

    def next(self, room: str | None = None) -> News:
        room = room or self._dice.choice(self._rooms)
        bikes = self._bikes[room]
        if len(bikes) > BIKES_PER_ROOM:
            bike = bikes.popleft()
            body = {"roomId": room, "bike_id": bike, "op": "remove"}
            return News(f"{REMOVAL}{bike}", room, "bike-update", body)
        id_ = f"{self._name} {next(self._numbers)}"
        if self._dice.random() < BIKE_SHARE:
            bikes.append(f"{BIKE}{id_}")
            return News(bikes[-1], room, "bike-update", {"roomId": room, "bike_id": bikes[-1]})
        return News(id_, room, "note", {"roomId": room, "id": id_})


class Publisher:
    """Publishes one thing after the other; what it is not sure of it sends again."""

    def __init__(self, name: str, book: Book) -> None:
        self.name = name
        self._book = book

    async def publish(self, news: News) -> bool:
        """Publish, if need be several times; whether it was acknowledged."""
        self._book.note(self.name, "pub_invoke", room=news.room, id=news.id)
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < give_up_at:
            began_at = time.monotonic()
            answer = await self._tried(news)
            outcome = _outcome_of(answer)
            seconds = time.monotonic() - began_at
            self._book.note(self.name, "pub_try", id=news.id, reason=outcome, seconds=seconds)
            if answer is not None and outcome == OK:
                cursor = answer["data"]["cursor"]
                self._book.note(self.name, "pub_ok", room=news.room, id=news.id, cursor=cursor)
                return True
            if outcome in {"superseded", "refused"}:
                self._book.note(self.name, f"pub_{outcome}", room=news.room, id=news.id)
                return False
            await asyncio.sleep(AGAIN_SECONDS)
        self._book.note(self.name, "pub_unknown", room=news.room, id=news.id)
        return False

    async def _tried(self, news: News) -> Answer | None:
        """One attempt: the answer, None when there was none."""
        raise NotImplementedError

    async def publish_forever(self, desk: Desk, pause_seconds: float, dice: Random) -> None:
        while True:
            await self.publish(desk.next())
            await asyncio.sleep(dice.uniform(0, 2 * pause_seconds))


def _outcome_of(answer: Answer | None) -> str:
    if answer is None:
        return "no answer"
    if "error" in answer:
        code = str(answer["error"]["code"])
        return code if code in NOT_NOW else "refused"
    meta = answer.get("meta", {})
    is_old = meta.get("superseded") or meta.get("outcome") in {"stale", "duplicate"}
    return "superseded" if is_old else OK


class Backend(Publisher):
    """Over HTTP, each attempt wherever the balancer sends it."""

    def __init__(self, name: str, book: Book, session: aiohttp.ClientSession, url: str) -> None:
        super().__init__(name, book)
        self._session, self._url = session, url

    async def _tried(self, news: News) -> Answer | None:
        try:
            async with self._session.post(
                f"{self._url}/api/rooms/{news.room}/events",
                json={"event": news.event, "data": news.data},
                headers={"Authorization": f"Bearer {BACKEND}", "Idempotency-Key": news.id},
                timeout=aiohttp.ClientTimeout(total=TRY_SECONDS),
            ) as response:
                answer: Answer = await response.json()
                return answer
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None  # or an answer that is no JSON: the balancer's


class Rider(Publisher):
    """Over a socket of its own, in no room."""

    def __init__(self, name: str, book: Book, session: aiohttp.ClientSession, url: str) -> None:
        super().__init__(name, book)
        self._session, self._url = session, url
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._last_ack_id = 0

    async def _tried(self, news: News) -> Answer | None:
        try:
            async with asyncio.timeout(TRY_SECONDS):
                socket = await self._connected()
                self._last_ack_id += 1
                await socket.send_str(f"42{self._last_ack_id}{_wire_of(news)}")
                return await _answer_to(socket, self._last_ack_id)
        except (aiohttp.ClientError, OSError, TimeoutError):
            await self._hang_up()
            return None

    async def present(self, room: str) -> list[str] | None:
        """Who is in a room, by the ids of their peers; None when it could not be asked."""
        try:
            async with asyncio.timeout(TRY_SECONDS):
                socket = await self._connected()
                self._last_ack_id += 1
                await socket.send_str(f'42{self._last_ack_id}["presence",{json.dumps(room)}]')
                answer = await _answer_to(socket, self._last_ack_id)
        except (aiohttp.ClientError, OSError, TimeoutError):
            await self._hang_up()
            return None
        data = answer.get("data")
        return None if data is None else [member["peerId"] for member in data["members"]]

    async def _connected(self) -> aiohttp.ClientWebSocketResponse:
        if self._socket is None or self._socket.closed:
            address = f"{self._url}/socket.io/?EIO=4&transport=websocket"
            self._socket = await self._session.ws_connect(address)
            await self._socket.receive_str()
            await self._socket.send_str("40" + json.dumps({"token": BACKEND}))
            await self._socket.receive_str()
        return self._socket

    async def _hang_up(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._socket.close()
            self._socket = None


def _wire_of(news: News) -> str:
    if news.event == "bike-update":
        return json.dumps([news.event, news.data, {"idempotencyKey": news.id}])
    request = {"roomId": news.room, "event": news.event, "data": news.data}
    return json.dumps(["publish", request | {"idempotencyKey": news.id}])


async def _answer_to(socket: aiohttp.ClientWebSocketResponse, number: int) -> Answer:
    while True:
        message = await socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionResetError
        packet = str(message.data)
        if packet == "2":
            await socket.send_str("3")
        elif packet.startswith(f"43{number}["):
            answer: Answer = json.loads(packet[packet.index("[") :])[0]
            return answer


@contextlib.asynccontextmanager
async def session_for_many() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client without a limit of its own to its connections."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session
