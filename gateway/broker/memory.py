"""This module owns the embedded broker: one process, no server to install, the whole contract."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from typing import Final

import structlog

from gateway.broker.contract import BrokerUnavailable, Deliver, History, Settle, Snapshot
from gateway.rooms.journal import Journal, Moment
from gateway.rooms.publication import Draft, Publication
from gateway.settings import RoomKind
from protocol.cursor import Cursor
from protocol.events import Member

logger = structlog.get_logger(__name__)

EXPIRE_EVERY_SECONDS: Final = 1.0
# How many rooms are looked at before others may have the event loop.
_ROOMS_PER_TURN: Final = 500


def moment_now() -> Moment:
    """Read both clocks."""
    return Moment(time.monotonic(), time.time_ns() // 1_000_000)


class MemoryRooms:
    """What Redis would hold: the rooms, who follows them, who is in them."""

    def __init__(
        self,
        kind_of: Callable[[str], RoomKind],
        now: Callable[[], Moment] = moment_now,
    ) -> None:
        self._kind_of = kind_of
        self.now = now
        self.journals: dict[str, Journal] = {}
        self.followers: dict[str, list[Deliver]] = {}
        # With the worker where each peer has entered last.
        self.members: dict[str, dict[str, tuple[Member, MemoryBroker]]] = {}

    def journal(self, room: str) -> Journal:
        """The room's journal; a new one, in an epoch of its own, when there is none."""
        journal = self.journals.get(room)
        if journal is None:
            journal = Journal(room, self._kind_of(room), secrets.token_urlsafe(6))
            journal.touch(self.now().seconds)
            self.journals[room] = journal
        return journal

    def deliver(self, room: str, publications: list[Publication]) -> None:
        """Give publications to every follower, the same to each, in order."""
        for deliver in tuple(self.followers.get(room, ())):
            deliver(publications)

    async def expire(self) -> None:
        """Forget what is too old in every room, and rooms of which nothing is left."""
        for count, room in enumerate(tuple(self.journals), start=1):
            self._expire_room(room)
            if count % _ROOMS_PER_TURN == 0:
                await asyncio.sleep(0)

    def _expire_room(self, room: str) -> None:
        journal = self.journals.get(room)
        if journal is None:
            return  # another worker's broker was here meanwhile
        now = self.now()
        if told := journal.expire(now):
            self.deliver(room, told)
        if room not in self.followers and journal.is_over(now.seconds):
            del self.journals[room]


class MemoryBroker:
    """One worker's access to `MemoryRooms`; several may share them, as workers share a Redis."""

    def __init__(
        self, rooms: MemoryRooms, expire_every_seconds: float = EXPIRE_EVERY_SECONDS
    ) -> None:
        self._rooms = rooms
        self._expire_every_seconds = expire_every_seconds
        self._deliver: Deliver | None = None
        self._expiry: asyncio.Task[None] | None = None

    async def start(self, deliver: Deliver) -> None:
        """Begin."""
        self._deliver = deliver
        self._expiry = asyncio.create_task(self._expire_forever(), name="memory-broker-expiry")

    async def stop(self) -> None:
        """End; a second call does nothing."""
        task, self._expiry = self._expiry, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for room in list(self._rooms.followers):
            await self.unfollow(room)

    def publish(self, draft: Draft, settle: Settle) -> None:
        """Accept a draft, give it to the followers, and settle it, all before returning."""
        rooms = self._rooms
        journal = rooms.journals.get(draft.room) or rooms.journal(draft.room)
        if draft.after is not None and not journal.is_in_turn(draft):
            settle(BrokerUnavailable())
            return
        receipt, publications = journal.accept(draft, rooms.now())
        if publications:
            rooms.deliver(draft.room, publications)
        # Settled last: whoever publishes again from `settle` must not be delivered out of order.
        settle(receipt)

    async def follow(self, room: str) -> Cursor:
        """Begin deliveries of a room; they go on after its present place."""
        assert self._deliver is not None, "start comes first"
        followers = self._rooms.followers.setdefault(room, [])
        if self._deliver not in followers:
            followers.append(self._deliver)
        journal = self._rooms.journal(room)
        journal.touch(self._rooms.now().seconds)
        return journal.cursor

    async def unfollow(self, room: str) -> None:
        """End deliveries of a room."""
        followers = self._rooms.followers.get(room, [])
        if self._deliver not in followers:
            return
        followers.remove(self._deliver)
        if not followers:
            del self._rooms.followers[room]
        self._rooms.journal(room).touch(self._rooms.now().seconds)

    async def cursor(self, room: str) -> Cursor:
        """The room's present place."""
        return self._rooms.journal(room).cursor

    async def history(self, room: str, since: Cursor) -> History | None:
        """Everything after `since`, or None."""
        journal = self._rooms.journal(room)
        publications = journal.history(since, self._rooms.now().seconds)
        return None if publications is None else History(journal.cursor, publications)

    async def snapshot(self, room: str) -> Snapshot:
        """The room's last values and their place."""
        journal = self._rooms.journal(room)
        return Snapshot(journal.cursor, journal.values())

    async def has_begun(self, room: str) -> bool:
        """Whether there is such a room."""
        return room in self._rooms.journals

    async def enter(self, room: str, member: Member) -> bool:
        """Count a peer in."""
        members = self._rooms.members.setdefault(room, {})
        is_new = member.peer_id not in members
        members[member.peer_id] = (member, self)
        return is_new

    async def leave(self, room: str, peer_id: str) -> bool:
        """Count a peer out."""
        members = self._rooms.members.get(room, {})
        found = members.get(peer_id)
        if found is None or found[1] is not self:
            return False
        del members[peer_id]
        if not members:
            del self._rooms.members[room]
        return True

    async def members(self, room: str) -> list[Member]:
        """Everybody who is in."""
        return [member for member, _ in self._rooms.members.get(room, {}).values()]

    async def ping(self) -> None:
        """It is always there."""

    async def _expire_forever(self) -> None:
        while True:
            await asyncio.sleep(self._expire_every_seconds)
            try:
                await self._rooms.expire()
            except Exception:  # rooms that nobody forgets any more would grow
                logger.exception("! not everything that is too old was forgotten")
