"""Members of a commotion that are cut off at any moment, and come back as themselves if they can.

What they keep is what a client keeps: the last offset that came, and which rooms they are in. A
reading goes on over the gap as if there had been none, and the judge is not told of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, cast

from gateway.broker.memory_sessions import MemoryIntercom, MemorySessions
from gateway.broker.sessions import Record
from gateway.identity import Identity, Role
from gateway.metrics import Metrics
from gateway.rooms.membership import Peer
from gateway.rooms.publication import Publication
from gateway.sockets.recovery import Recovery, Returning
from protocol import events
from protocol.refusals import Refusal, Refused
from tests.journeys.checker import Ended, Joined
from tests.journeys.commotion import ROOMS, Commotion, Member, Worker

if TYPE_CHECKING:
    from gateway.sockets.session import Session
    from gateway.sockets.tickets import Ticket


class LaggingSessions(MemorySessions):
    """Every answer takes some turns of the event loop."""

    def __init__(self, dice: Random) -> None:
        super().__init__(1.0, lambda: 0.0)
        self._dice = dice

    async def save(self, entries: Sequence[tuple[str, Record]]) -> list[str]:
        await self._lag()
        lost = await super().save(entries)
        await self._lag()
        return lost

    async def claim(self, key: str, holder: str, keeper: str) -> Record | None:
        await self._lag()
        record = await super().claim(key, holder, keeper)
        await self._lag()
        return record

    async def _lag(self) -> None:
        for _ in range(self._dice.randrange(12)):
            await asyncio.sleep(0)


class Visitor(Peer):
    """A peer with as much of a connection as recovery needs: it can be closed."""

    def __init__(self, house: House, peer_id: str, identity: Identity) -> None:
        super().__init__(peer_id, identity)
        self.connection = self
        self.may_return = True
        self.outbox = None
        self.proved_seconds = 0.0
        self._house = house

    def close(self) -> None:
        """Its end is noticed."""
        self._house.bury(self)


class House:
    """One worker, with what the door does about coming back."""

    def __init__(self, worker: Worker, sessions: LaggingSessions, intercom: MemoryIntercom) -> None:
        self.worker = worker
        self.metrics = Metrics()
        self.recovery = Recovery(120.0, sessions, intercom, self.metrics)
        self.recovery.release = self._release  # nothing is renewed: no time passes here

    def welcome(self, visitor: Visitor) -> str:
        pid = self.recovery.issue(cast("Session", visitor))
        self.worker.hub.welcome(visitor)
        return pid

    def bury(self, visitor: Visitor) -> None:
        self.recovery.drop(cast("Session", visitor))
        self.worker.hub.forget(visitor)

    def _release(self, session: Session) -> None:
        self.recovery.drop(session)
        self.worker.hub.release(session)


class Town:
    """All houses of one commotion."""

    def __init__(self, commotion: Commotion) -> None:
        sessions = LaggingSessions(Random(commotion.dice.random()))  # noqa: S311 - repeatable
        workers: dict[str, MemoryIntercom] = {}
        self.houses = [
            House(worker, sessions, MemoryIntercom(workers)) for worker in commotion.workers
        ]

    def count(self, result: str) -> int:
        return sum(house.metrics.recoveries[result] for house in self.houses)


class Returner(Member):
    """Goes on where it was, and begins anew only when it is told to."""

    # After either nobody can be sure of what it has, for some time.
    since_share = 0.1
    snapshot_share = 0.2

    towns: dict[Commotion, Town] = {}  # noqa: RUF012 - one for each commotion, made by the first

    def __init__(self, commotion: Commotion, name: str) -> None:
        super().__init__(commotion, name)
        self._pid: str | None = None
        self._offset: str | None = None
        self._town: Town | None = None
        self._ends: list[asyncio.Task[None]] = []

    async def live(self, steps: int) -> None:
        await super().live(steps)
        await self._connect_if_gone()
        await asyncio.gather(*self._ends)

    @property
    def town(self) -> Town:
        if self._commotion not in self.towns:
            self.towns[self._commotion] = Town(self._commotion)
        return self.towns[self._commotion]

    async def _connect(self) -> None:
        house = self._dice.choice(self.town.houses)
        self._worker = house.worker
        identity = Identity(self._name, Role.RIDER)
        if self._pid is not None:
            result = await self._come_back(house, identity, self._pid)
            if result == "abandoned":
                await self._connect()  # cut off once more, and on perhaps another worker
            if result in {"abandoned", "recovered"}:
                return
        for room in filter(self._is_in, ROOMS):
            self.records[room].append(Ended())
        visitor = Visitor(house, f"{self._name}-{self._dice.random()}", identity)
        self._listen(visitor)
        self._pid, self._offset = house.welcome(visitor), None

    def _listen(self, visitor: Visitor) -> None:
        self._peer = visitor
        self._worker.door.tell[visitor] = lambda publication, trail: self._heard(
            visitor, publication, trail
        )

    async def _come_back(self, house: House, identity: Identity, pid: str) -> str | None:
        recovery, hub = house.recovery, house.worker.hub
        returning = await recovery.claim(identity, pid, self._offset)
        if returning is None:
            return None
        visitor = Visitor(house, returning.peer_id, returning.identity)
        recovery.resume(cast("Session", visitor), returning)
        result = "abandoned"
        try:
            is_back = await hub.restore(
                visitor, returning.places, lambda: self._accepted(visitor, returning)
            )
            result = "recovered" if is_back else "discontinued"
        except Refused as refused:
            if refused.refusal is not Refusal.CONFLICT:
                raise
        if result != "recovered":
            recovery.drop(cast("Session", visitor))
        await recovery.settle(returning, result)
        return result

    def _accepted(self, visitor: Visitor, returning: Returning) -> None:
        if self._dice.random() < 0.1:
            raise Refused(Refusal.CONFLICT, "It was cut off again.")
        self._listen(visitor)
        for room in ROOMS:
            if room not in returning.places:
                assert not self._is_in(room), f"{visitor.id} is not in {room} any more"
            elif not self._is_in(room):  # the answer to its join was lost
                self.records[room].append(Joined(visitor.id, str(returning.places[room])))

    def _is_in(self, room: str) -> bool:
        return bool(self.records[room]) and not isinstance(self.records[room][-1], Ended)

    def _heard(self, visitor: Visitor, publication: Publication, trail: bytes) -> None:
        if self._peer is not visitor:
            return  # what is sent to it is lost
        self._told(visitor, publication)
        if publication.event == "room-reset":
            assert not trail
        else:
            self._offset = json.loads(trail)

    def _joined(self, peer: Peer, request: events.JoinRoom, joined: events.Joined) -> None:
        if self._peer is peer:
            super()._joined(peer, request, joined)

    async def _rest(self, room: str) -> None:
        """Be idle; a ping may be answered meanwhile, and proves that all has come."""
        await super()._rest(room)
        visitor = self._peer
        if isinstance(visitor, Visitor) and self._worker.door.is_idle:
            ticket = cast("Ticket", visitor.ticket)
            ticket.confirm(visitor.proved_seconds + 1)
            visitor.proved_seconds += 2
            ticket.confirm(visitor.proved_seconds)

    async def _disconnect(self, _room: str) -> None:
        visitor, self._peer = self._peer, None
        if not isinstance(visitor, Visitor):
            return
        if self._dice.random() < 0.1:
            visitor.may_return = False  # it says so
            visitor.close()
        else:
            self._ends.append(asyncio.create_task(self._notice(visitor)))

    async def _notice(self, visitor: Visitor) -> None:
        """At some time it is noticed that the peer is gone, if it has not been taken over from."""
        for _ in range(self._dice.choice([0, 0, 10, 100, 1000])):
            await asyncio.sleep(0)
        visitor.close()
