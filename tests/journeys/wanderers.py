"""Members that come and go over real connections, publishers, and what both of them keep."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import Any, Final

import aiohttp
import socketio
from socketio.exceptions import SocketIOError

from protocol.cursor import Cursor
from tests.journeys.checker import Accepted, Ended, Entry, Joined, Reset, Told
from tests.toolbox.relay import Relay
from tests.toolbox.riders import Line

ANSWER_SECONDS: Final = 15.0
LAST_WORD: Final = "last-word"
REMOVAL_SHARE: Final = 0.15
BINARY_SHARE: Final = 0.15
EVENT_SHARE: Final = 0.2

Body = dict[str, Any]  # any JSON, and bytes
_numbers = itertools.count(1)


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON, and bytes
    """The same with bytes as `{"bytes": hex}`."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


def text_of(value: Any) -> str:  # noqa: ANN401 - any JSON, and bytes
    """One text for what is equal in value, whoever has decoded it."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def is_binary(value: Any) -> bool:  # noqa: ANN401 - any JSON, and bytes
    return '{"bytes":' in text_of(value)


def joined_of(peer_id: str, request: Body, data: Body) -> Joined:
    """A record of a join, from what was asked and what was answered."""
    return Joined(
        peer_id,
        data["cursor"],
        request.get("since"),
        data.get("recovered"),
        data.get("missed"),
        text_of(data["snapshot"]) if "snapshot" in data else None,
        bool(request.get("snapshot")),
    )


def told_of(event: str, body: Body, cursor: str | None) -> Told | Reset:
    """A record of an event; only a reset comes without a cursor."""
    if event == "room-reset":
        assert cursor is None
        return Reset()
    assert cursor is not None, event
    return Told(event, text_of(body), cursor)


def accepted_of(event: str, body: Body, cursor: str, author: str | None) -> Accepted:
    """What the members of a room are to be told of something that was accepted there."""
    if event == "bike-update" and body.get("op") == "remove":
        removed = {"roomId": body["roomId"], "reason": "removed", "bikeId": body["bike_id"]}
        return Accepted(cursor, "bike-removed", text_of(removed), author)
    name = "bike-updated" if event == "bike-update" else event
    has_entity = name == "bike-removed" or (name == "bike-updated" and not is_binary(body))
    return Accepted(cursor, name, text_of(body), author, has_entity)


class Ledger:
    """What publishers were told was accepted, by room."""

    def __init__(self) -> None:
        self.accepted: defaultdict[str, list[Accepted]] = defaultdict(list)
        self.unanswered = 0

    def note(self, event: str, body: Body, answer: Body, author: str | None) -> None:
        """Keep an answer; what is not told to anybody has no place of its own."""
        assert "error" not in answer, answer
        if "outcome" not in answer.get("meta", {}):
            self.add(answer["data"]["roomId"], event, body, answer["data"]["cursor"], author)

    def add(self, room: str, event: str, body: Body, cursor: str, author: str | None) -> None:
        self.accepted[room].append(accepted_of(event, body, cursor, author))

    async def settled(self) -> None:
        """Wait until everything is answered."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while self.unanswered:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)

    def complete(self, room: str, witness: Iterable[Entry]) -> list[Accepted]:
        """Add what nobody was answered to what they were: members' events, and lost answers.

        The witness was there all the time; what it was told in places that are known already is
        for the judge to compare.
        """
        known = {each.cursor for each in self.accepted[room]}
        whole = list(self.accepted[room])
        for entry in witness:
            if isinstance(entry, Joined) and "ride:" in room:
                whole.append(_entrance_of(entry))
            if isinstance(entry, Told) and entry.cursor not in known:
                assert entry.cursor is not None
                body = json.loads(entry.text)
                author = body["member"]["peerId"] if "member" in body else body.get("by")
                has_entity = entry.name == "bike-updated" and '{"bytes":' not in entry.text
                accepted = Accepted(entry.cursor, entry.name, entry.text, author, has_entity)
                whole.append(accepted)
        return whole


def _entrance_of(witness: Joined) -> Accepted:
    """The member-joined of the witness itself, which it is not told."""
    before = Cursor.parse(witness.cursor)
    cursor = str(Cursor(before.epoch, before.offset + 1, 0))
    return Accepted(cursor, "member-joined", "{}", witness.peer_id, has_entity=False)


class News:
    """What there is to tell: of few bikes, so that updates of one meet; every text only once."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._lives = [0] * 3

    def next(self, room: str, author: str | None = None) -> tuple[str, Body]:
        """An event and its body; a bike that was removed comes back under another name."""
        dice, number = self._dice, next(_numbers)
        share = dice.random()
        if share < EVENT_SHARE:
            return "note", {"roomId": room, "by": author, "number": number, "text": "ключ 🚲"}
        bike = dice.randrange(len(self._lives))
        body: Body = {"roomId": room, "bike_id": f"b{bike}-{self._lives[bike]}"}
        if share > 1 - REMOVAL_SHARE:
            self._lives[bike] += 1
            return "bike-update", body | {"op": "remove"}
        body |= {"by": author, "number": number, "speed": dice.random() * 100}
        body[f"f{number % 3}"] = dice.choice([None, number, {"nested": [number, None]}])
        if dice.random() < BINARY_SHARE:
            body["picture"] = dice.randbytes(dice.randrange(300))
            body["both"] = [dice.randbytes(3), {"deep": b""}]
        return "bike-update", body


def wire_of(event: str, body: Body) -> tuple[str, Body]:
    """What is sent for it."""
    if event == "bike-update":
        return event, body
    return "publish", {"roomId": body["roomId"], "event": event, "data": body}


class Publisher:
    """Is in no room; its connection is not cut."""

    def __init__(self, ledger: Ledger, news: News, dice: Random) -> None:
        self._ledger, self._news, self._dice = ledger, news, dice
        self.may_publish = asyncio.Event()
        self.may_publish.set()

    async def publish_forever(self, client: socketio.AsyncClient, rooms: list[str]) -> None:
        """Publish over a socket, without waiting for answers."""
        while True:
            await self.may_publish.wait()
            event, body = self._news.next(self._dice.choice(rooms))
            await publish(client, self._ledger, event, body, None)
            await asyncio.sleep(self._dice.random() * 0.02)

    async def post_forever(
        self, session: aiohttp.ClientSession, url: str, rooms: list[str]
    ) -> None:
        """Publish over HTTP, several at once."""
        while True:
            await self.may_publish.wait()
            room = self._dice.choice(rooms)
            told = [self._news.next(room) for _ in range(self._dice.randint(1, 5))]
            items: list[tuple[str, Body]] = [pair for pair in told if not is_binary(pair[1])]
            self._ledger.unanswered += 1
            async with session.post(
                f"{url}/api/rooms/{room}/events", json=_listed(items)
            ) as response:
                answers = (await response.json())["data"]
            self._ledger.unanswered -= 1
            for (name, body), data in zip(items, answers, strict=True):
                self._ledger.note(name, body, {"data": data}, None)
            await asyncio.sleep(self._dice.random() * 0.08)


def _listed(items: list[tuple[str, Body]]) -> list[Body]:
    return [{"event": name, "data": body} for name, body in items]


async def publish(
    client: socketio.AsyncClient, ledger: Ledger, event: str, body: Body, author: str | None
) -> None:
    """Publish over a socket; the answer is noted when it comes."""

    def answered(answer: Body) -> None:
        ledger.unanswered -= author is None
        ledger.note(event, body, answer, author)

    # a member may lose its connection, and the answer with it
    ledger.unanswered += author is None
    name, argument = wire_of(event, body)
    await client.emit(name, argument, callback=answered)


class Wanderer:
    """A member with python-socketio. It keeps a record of each room, and the last cursor."""

    def __init__(
        self, session: aiohttp.ClientSession, relay: Relay, transports: list[str], dice: Random
    ) -> None:
        self._session, self._relay, self._transports = session, relay, transports
        self._dice = dice
        self._client: socketio.AsyncClient | None = None
        self.records: defaultdict[str, list[Entry]] = defaultdict(list)
        self.places: dict[str, str] = {}

    @property
    def is_merged(self) -> bool:
        return self._transports != ["websocket"]

    # ---- what it hears

    def _told(self, client: socketio.AsyncClient, event: str, *arguments: Any) -> None:  # noqa: ANN401
        if event == "goodbye" or self._client is not client:
            return  # what was under way when it went is nobody's any more
        body, cursor = arguments[0], arguments[1] if len(arguments) > 1 else None
        self.records[body["roomId"]].append(told_of(event, body, cursor))
        if cursor is not None:
            self.places[body["roomId"]] = cursor

    def _joined(self, peer_id: str, request: Body, answer: Body) -> None:
        assert "error" not in answer, answer
        room, data = request["roomId"], answer["data"]
        self.records[room].append(joined_of(peer_id, request, data))
        # the events that were missed bring cursors of their own
        is_behind = data.get("recovered") and data.get("missed")
        self.places[room] = request["since"] if is_behind else data["cursor"]

    def _ended(self, client: socketio.AsyncClient, _reason: str) -> None:
        if self._client is client:
            self._client = None
            for record in self.records.values():
                record.append(Ended())

    # ---- what it does

    async def connect(self) -> socketio.AsyncClient:
        """Connect if need be, however long that takes."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while (client := self._client) is None or not client.connected:
                with contextlib.suppress(SocketIOError):
                    return await self._connect()
                await asyncio.sleep(0.05)
        return client

    async def _connect(self) -> socketio.AsyncClient:
        client = socketio.AsyncClient(reconnection=False, http_session=self._session)
        client.on("*", partial(self._told, client))
        client.on("disconnect", partial(self._ended, client))
        self._client = client
        await client.connect(self._relay.url, auth={"cursors": True}, transports=self._transports)
        return client

    async def live(self, rooms: list[str], ledger: Ledger, news: News, seconds: float) -> None:
        """Do one thing after another."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        steps: list[Callable[[socketio.AsyncClient, str], Any]] = [
            self.join,
            self._leave,
            self._drop,
            self._disconnect,
            partial(self._publish, ledger=ledger, news=news),
        ]
        while loop.time() < end:
            client = await self.connect()
            step = self._dice.choices(steps, [10, 3, 1, 1, 8])[0]
            with contextlib.suppress(SocketIOError):  # it was cut off meanwhile
                await step(client, self._dice.choice(rooms))
            await asyncio.sleep(self._dice.random() * 0.08)

    async def stay(self, rooms: list[str]) -> None:
        """Be in every room when this returns, and no more asking and leaving."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                client = await self.connect()
                try:
                    for room in rooms:
                        await self.join(client, room)
                    # answered after all that was asked before it
                    await client.call("presence", rooms[0], timeout=1)
                except SocketIOError:
                    await asyncio.sleep(0.2)
                else:
                    return

    async def join(self, client: socketio.AsyncClient, room: str) -> None:
        """Ask to be let in, in one of all ways; the answer comes when it comes."""
        request: Body = {"roomId": room}
        if room in self.places and self._dice.random() < 0.6:
            request["since"] = self.places[room]
        if self._dice.random() < 0.5:
            request["snapshot"] = True
        joined = partial(self._joined, client.get_sid(), request)
        await client.emit("join-room", request, callback=joined)

    async def _leave(self, client: socketio.AsyncClient, room: str) -> None:
        def left(_: Body) -> None:
            self.records[room].append(Ended())

        await client.emit("leave-room", room, callback=left)

    async def _drop(self, _client: socketio.AsyncClient, _room: str) -> None:
        self._relay.cut()

    async def _disconnect(self, client: socketio.AsyncClient, _room: str) -> None:
        await client.disconnect()

    async def _publish(
        self, client: socketio.AsyncClient, room: str, *, ledger: Ledger, news: News
    ) -> None:
        author = client.get_sid()
        await publish(client, ledger, *news.next(room, author), author)

    async def close(self) -> None:
        """Go."""
        if self._client is not None:
            await self._client.disconnect()


def records_of(lines: Iterable[Line]) -> dict[str, list[Entry]]:
    """The records of `wandering-client.mjs`, from what it has printed."""
    records: defaultdict[str, list[Entry]] = defaultdict(list)
    for line in lines:
        assert "refused" not in line, line
        if "joined" in line:
            joined = joined_of(line["peerId"], line["request"], line["joined"])
            records[line["room"]].append(joined)
        elif "told" in line:
            told = told_of(line["told"], line["body"], line.get("cursor"))
            records[line["room"]].append(told)
        elif "ended" in line:
            records[line["room"]].append(Ended())
    return records
