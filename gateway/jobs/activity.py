"""This module owns what webhooks are told of rooms: who comes and goes, first and last.

Nobody who joins or leaves waits for it: what happens is noted, and once a second what was noted is
owed in few messages. Whether a room was occupied before is a row in the database, so that of many
workers one tells. What cannot be noted any more, because nothing can be owed for long, is counted.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Final

import msgspec
import structlog

from gateway.broker.contract import BrokerUnavailable
from gateway.jobs.runner import now_ms
from gateway.jobs.webhooks import delivery_owed
from gateway.settings.webhooks import Webhook
from gateway.users.job import NewJob
from gateway.users.occupancy import OccupancyStore
from gateway.users.store import StoreUnavailable
from protocol.events import Member
from protocol.webhooks import Message, RoomActivity, RoomEvent, RoomEventName

logger = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 5.0  # while the database is away
_LOOK_SECONDS: Final = 60.0  # for rooms whose last worker died with everybody in it
_LOOK_ROOMS: Final = 500
_EVENTS_LIMIT: Final = 20_000
_EVENTS_OF_A_MESSAGE: Final = 500


class RoomsTeller:
    """Notes what happens in the rooms of one worker.

    `is_here` says whether the worker has anybody in a room; `members_of` who is there on all of
    them, which is asked for rooms that nobody is in here.
    """

    def __init__(
        self,
        webhooks: Sequence[Webhook],
        store: OccupancyStore,
        is_here: Callable[[str], bool],
        members_of: Callable[[str], Awaitable[Sequence[Member]]],
    ) -> None:
        self._webhooks = webhooks
        self._store = store
        self._is_here = is_here
        self._members_of = members_of
        self._events: list[RoomEvent] = []
        self._rooms: set[str] = set()
        self._looks_at_ms = 0
        self.dropped = 0  # events that nobody hears of

    def note(self, name: RoomEventName, room: str, member: Member) -> None:
        """Remember that somebody came or went."""
        if len(self._rooms) < _EVENTS_LIMIT:
            self._rooms.add(room)
        if len(self._events) >= _EVENTS_LIMIT:
            self.dropped += 1
            return
        at = dt.datetime.now(dt.UTC)
        self._events.append(
            RoomEvent(
                type=name, room_id=room, at=at, peer_id=member.peer_id, subject=member.subject
            )
        )

    async def run_forever(self) -> None:
        """Owe what was noted, again and again; the last time when it is cancelled."""
        try:
            wait_seconds = FLUSH_SECONDS
            while True:
                await asyncio.sleep(wait_seconds)
                is_told = await self._try_to_flush()
                wait_seconds = FLUSH_SECONDS if is_told else _AGAIN_SECONDS
        finally:
            await self._try_to_flush()

    async def _try_to_flush(self) -> bool:
        try:
            await self.flush()
        except StoreUnavailable:
            return False  # what was noted is kept
        except Exception:
            logger.exception("! webhooks of rooms not told")
            return False
        return True

    async def flush(self) -> None:
        """Owe what was noted; raises `StoreUnavailable`, and keeps it then."""
        at_ms = now_ms()
        await self._look_now_and_then(at_ms)
        if not self._rooms:
            return
        events, rooms = list(self._events), set(self._rooms)
        occupied = {room for room in rooms if self._is_here(room)}
        empty, unknown = await self._emptiness_of(rooms - occupied)
        jobs = await self._of_peers(events, at_ms)

        def owed(began: Collection[str], gone: Collection[str]) -> list[NewJob]:
            first = self._of_rooms("room.occupied", began, at_ms)
            return [*first, *jobs, *self._of_rooms("room.vacated", gone, at_ms)]

        ended = await self._store.settle(rooms - empty - unknown, empty, owed, at_ms)
        # Nothing that was noted meanwhile is lost.
        del self._events[: len(events)]
        self._rooms -= rooms
        self._rooms |= {each.room_id for each in self._events}
        # Somebody may have come elsewhere while it was still told of as occupied: look once more.
        self._rooms |= ended | unknown

    async def _emptiness_of(self, rooms: Collection[str]) -> tuple[set[str], set[str]]:
        """Those that nobody is in, and those of which the broker cannot say so now."""
        empty, unknown = set(), set()
        for room in rooms:
            try:
                if not await self._members_of(room):
                    empty.add(room)
            except BrokerUnavailable:
                unknown.add(room)
        return empty, unknown

    async def _look_now_and_then(self, at_ms: int) -> None:
        if at_ms < self._looks_at_ms:
            return
        before_ms = at_ms - round(_LOOK_SECONDS * 1000)
        self._rooms.update(await self._store.unseen(before_ms, at_ms, _LOOK_ROOMS))
        self._looks_at_ms = at_ms + round(_LOOK_SECONDS * 1000)

    async def _of_peers(self, events: Sequence[RoomEvent], at_ms: int) -> list[NewJob]:
        """Made a piece at a time: a crowd holds nobody up."""
        jobs: list[NewJob] = []
        for some in _pieces(events):
            jobs += self._owed(some, at_ms)
            await asyncio.sleep(0)
        return jobs

    def _of_rooms(self, name: RoomEventName, rooms: Collection[str], at_ms: int) -> list[NewJob]:
        at = _time_of(at_ms)
        events = [RoomEvent(type=name, room_id=room, at=at) for room in sorted(rooms)]
        return [job for some in _pieces(events) for job in self._owed(some, at_ms)]

    def _owed(self, events: Sequence[RoomEvent], at_ms: int) -> list[NewJob]:
        """A message for each who wants to hear of any of these."""
        jobs = []
        for webhook in self._webhooks:
            wanted = [each for each in events if webhook.wants(each.type, each.room_id)]
            if wanted:
                activity = RoomActivity(events=wanted)
                message = Message(type="room.activity", timestamp=_time_of(at_ms), data=activity)
                text = msgspec.json.encode(message).decode()
                jobs.append(delivery_owed(webhook, text, at_ms))
        return jobs


def _pieces(events: Sequence[RoomEvent]) -> Iterator[Sequence[RoomEvent]]:
    for start in range(0, len(events), _EVENTS_OF_A_MESSAGE):
        yield events[start : start + _EVENTS_OF_A_MESSAGE]


def _time_of(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
