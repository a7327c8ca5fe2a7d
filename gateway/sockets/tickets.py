"""This module owns that the records of peers are kept: at every change, and again and again.

A record is written when its peer's rooms change, not when the peer goes: then it may be too late.
All changes of one turn of the event loop are one request. From time to time every record is written
again: so the store forgets only those whose peers are gone, and one that it has lost comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

import structlog

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.sessions import Record
from gateway.rooms.places import Places

if TYPE_CHECKING:
    from gateway.broker.sessions import Sessions
    from gateway.rooms.subscription import Subscription
    from gateway.sockets.session import Session
    from protocol.cursor import Cursor

logger = structlog.get_logger(__name__)

# What is saved in one request, and looked at in one turn of the loop.
_SESSIONS_PER_SAVE: Final = 250
_LOOKS_PER_RENEWAL: Final = 4


class Ticket:
    """What a peer may come back with: its session's key and who has it. Fulfils the hub's."""

    __slots__ = ("_frozen", "_office", "_sent", "_sent_seconds", "holder", "keeper", "key", "owner")

    def __init__(
        self, office: TicketOffice, owner: Session, key: str, holder: str, keeper: str
    ) -> None:
        self._office = office
        self.owner = owner
        self.key = key
        self.holder = holder
        self.keeper = keeper
        self._frozen: Record | None = None
        # What was written to the peer, until an answered ping proves that it has come.
        self._sent: list[tuple[Subscription, Cursor]] = []
        self._sent_seconds = 0.0

    @property
    def is_in_use(self) -> bool:
        """Whether the peer has been let in; who is on its way back is not in all its rooms yet."""
        return self.owner.connection.peer is self.owner

    def note(self) -> None:
        """The peer's rooms have changed."""
        self._office.note(self)

    async def kept(self) -> None:
        """Return when the peer's rooms, as they are now, are kept. Raises `BrokerUnavailable`."""
        await self._office.kept(self)

    def record(self) -> Record:
        """The peer as it is now, or was when it went; a room that is being joined is among them."""
        if self._frozen is not None:
            return self._frozen
        peer = self.owner
        rooms = {
            room: "" if subscription.confirmed is None else str(subscription.confirmed)
            for room, subscription in peer.subscriptions.items()
        }
        return Record(peer.id, peer.identity.subject, self.holder, self.keeper, rooms)

    def freeze(self) -> None:
        """The peer is about to be forgotten."""
        self._frozen = self.record()

    def confirm(self, now_seconds: float) -> None:
        """Learn what has surely come, and begin to learn the next; save what was unsure before.

        It matters to peers that are told nothing and so have no offset to tell of: they move on
        with the room all the same, while its history is trimmed.
        """
        peer = self.owner
        if self._sent and peer.connection.proved_seconds > self._sent_seconds:
            if any(subscription.confirmed is None for subscription, _ in self._sent):
                self.note()
            for subscription, cursor in self._sent:
                subscription.confirmed = cursor
            self._sent = []
        audience = peer.audience
        if audience is not None and (audience.batch or audience.rounds):
            return  # what its trail tells of is still on its way
        if not self._sent and peer.outbox is None and isinstance(peer.trail, Places):
            self._sent_seconds = now_seconds
            places = [
                (subscription, peer.trail.cursor_in(room))
                for room, subscription in peer.subscriptions.items()
            ]
            self._sent = [(each, cursor) for each, cursor in places if cursor is not None]


class TicketOffice:
    """All tickets of one worker."""

    def __init__(self, sessions: Sessions, worker_id: str) -> None:
        self._sessions = sessions
        self._worker_id = worker_id
        self._numbers = itertools.count(1)
        self._lost: Callable[[Session], None] = lambda _session: None
        self._changed: dict[str, Ticket] = {}
        self._waiting: list[asyncio.Future[bool]] = []
        self._saving: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self.held: dict[str, Ticket] = {}

    def start(self, renew_seconds: float, lost: Callable[[Session], None]) -> None:
        """Begin to renew; `lost` is told of peers that go on elsewhere."""
        self._lost = lost
        self._renewing = asyncio.create_task(self._renew_forever(renew_seconds), name="renewals")

    async def stop(self) -> None:
        """Save what has changed, and end."""
        task, self._renewing = self._renewing, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._saving is not None:
            await self._saving
        while self._endings:
            await asyncio.wait(self._endings)

    def next_keeper(self) -> str:
        """The name of a connection, by which others can tell this worker of it."""
        return f"{self._worker_id}.{next(self._numbers)}"

    def issue(self, session: Session, key: str, holder: str, keeper: str) -> Ticket:
        """Give a peer its ticket."""
        ticket = Ticket(self, session, key, holder, keeper)
        session.ticket = ticket
        session.has_offsets = True
        self.held[keeper] = ticket
        return ticket

    def drop(self, ticket: Ticket) -> None:
        """The peer is about to be forgotten; its record stays, also one that is yet to be saved."""
        self.held.pop(ticket.keeper, None)
        ticket.freeze()

    def end(self, ticket: Ticket) -> None:
        """The peer does not come back."""
        self._changed.pop(ticket.keeper, None)
        task = asyncio.create_task(self._end(ticket))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def _end(self, ticket: Ticket) -> None:
        if self._saving is not None:
            await asyncio.wait([self._saving])  # it may be saving this very record
        with contextlib.suppress(BrokerUnavailable):  # then it ends by itself
            await self._sessions.end(ticket.key, ticket.keeper)

    def note(self, ticket: Ticket) -> None:
        """Save a record soon; but not that of a peer that is gone, which has no rooms any more."""
        if ticket.keeper not in self.held:
            return
        self._changed[ticket.keeper] = ticket
        if self._saving is None:
            self._saving = asyncio.create_task(self._save_changed())

    async def kept(self, ticket: Ticket) -> None:
        """Save a record now. Raises `BrokerUnavailable`."""
        self.note(ticket)
        if ticket.keeper not in self._changed:
            return
        saved: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(saved)
        if not await saved:
            raise BrokerUnavailable

    async def _save_changed(self) -> None:
        try:
            while self._changed or self._waiting:
                changed, self._changed = self._changed, {}
                waiting, self._waiting = self._waiting, []
                is_saved = await self._save(list(changed.values()))
                for each in waiting:
                    if not each.done():  # whoever waited may have been cancelled
                        each.set_result(is_saved)
        finally:
            self._saving = None

    async def _save(self, tickets: list[Ticket]) -> bool:
        """Save; what is not saved now is with the next renewal."""
        for start in range(0, len(tickets), _SESSIONS_PER_SAVE):
            some = tickets[start : start + _SESSIONS_PER_SAVE]
            try:
                lost = await self._sessions.save([(each.key, each.record()) for each in some])
            except BrokerUnavailable:
                logger.warning("! sessions not saved", count=len(tickets) - start)
                return False
            except Exception:
                logger.exception("! sessions not saved", count=len(tickets) - start)
                return False
            for ticket in some:
                if ticket.keeper in lost and ticket.keeper in self.held:
                    self._lost(ticket.owner)
            await asyncio.sleep(0)
        return True

    async def _renew_forever(self, renew_seconds: float) -> None:
        while True:
            for _ in range(_LOOKS_PER_RENEWAL):
                await asyncio.sleep(renew_seconds / _LOOKS_PER_RENEWAL)
                await self.confirm()
            await self.renew()

    async def confirm(self) -> None:
        """Look what has come to each peer."""
        async for some in self._batches():
            now_seconds = asyncio.get_running_loop().time()
            for ticket in some:
                ticket.confirm(now_seconds)

    async def renew(self) -> None:
        """Save every record anew."""
        async for some in self._batches():
            await self._save(some)

    async def _batches(self) -> AsyncIterator[list[Ticket]]:
        """The tickets of all who are in, some at a time, and others have the loop in between."""
        keepers = list(self.held)
        for start in range(0, len(keepers), _SESSIONS_PER_SAVE):
            some = keepers[start : start + _SESSIONS_PER_SAVE]
            held = [self.held[keeper] for keeper in some if keeper in self.held]
            yield [ticket for ticket in held if ticket.is_in_use]
            await asyncio.sleep(0)
