"""Members that come and go while publishers publish, over workers whose broker lags at random."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Final

from msgspec import UNSET

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.hub import Hub
from gateway.identity import Identity, Role
from gateway.rooms.membership import Peer, RoomReaders
from gateway.rooms.publication import Outcome, Publication, Receipt
from gateway.settings import Settings
from protocol import codec, events
from protocol.refusals import Goodbye, Refused
from tests.gateway.broker.around import LaggingBroker
from tests.journeys.checker import Accepted, Ended, Entry, Joined, Reset, Told

ROOMS: Final = ("a", "b")
PUBLISHER: Final = Identity("publisher", Role.RIDER)
TURNS_LIMIT: Final = 20_000

_peer_numbers = itertools.count()


class Door:
    """Fulfils the hub's `Peers`: gathers as the real one does, and hands over to the members."""

    def __init__(self, dice: Random) -> None:
        self.tell: dict[Peer, Callable[[Publication, bytes], None]] = {}
        self._dice = dice
        self._window: list[tuple[RoomReaders, Publication]] = []

    @property
    def is_idle(self) -> bool:
        return not self._window

    def deliver(self, readers: RoomReaders, publication: Publication) -> None:
        self._window.append((readers, publication))
        if len(self._window) == 1:
            self._flush_after(self._dice.randint(1, 40))

    def _flush_after(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._flush_after, turns - 1)
        else:
            self.flush()

    def send(self, peer: Peer, publication: Publication) -> None:
        if self._window and peer.audience is not None:
            self.flush()
        self._tell(peer, publication, b"" if peer.trail is None else peer.trail.after(publication))

    def _tell(self, peer: Peer, publication: Publication, trail: bytes) -> None:
        self.tell[peer](publication, trail)

    def hand_over(self, peer: Peer) -> None:  # noqa: ARG002 - to everybody at once here
        self.flush()

    def flush(self) -> None:
        window, self._window = self._window, []
        for readers, publication in window:
            for audience in readers.audiences:
                trail = b"" if audience.trail is None else audience.trail.after(publication)
                for peer in (*audience.fast, *audience.slow):
                    if peer.id != publication.author:
                        self._tell(peer, publication, trail)

    def dismiss(self, peer: Peer, goodbye: Goodbye) -> None:
        raise AssertionError(f"{peer.id} was sent off: {goodbye}")


class Worker:
    """One worker of the gateway, without its sockets."""

    def __init__(self, settings: Settings, rooms: MemoryRooms, dice: Random) -> None:
        self.door = Door(dice)
        self.broker = LaggingBroker(MemoryBroker(rooms), dice)
        self.hub = Hub(settings, self.broker, self.door)


class Member:
    """A client that keeps a record of each room, and knows how far it has come."""

    since_share = 0.6
    snapshot_share = 0.5

    def __init__(self, commotion: Commotion, name: str) -> None:
        self._commotion = commotion
        self._dice = commotion.dice
        self._name = name
        self._peer: Peer | None = None
        self._worker = commotion.workers[0]
        self._places: dict[str, str] = {}
        self.records: defaultdict[str, list[Entry]] = defaultdict(list)

    async def live(self, steps: int) -> None:
        """Do one thing after another, some of them at the same time."""
        for _ in range(steps):
            await self._connect_if_gone()
            room = self._dice.choice(ROOMS)
            await self._dice.choices(
                [self._join, self._leave, self._disconnect, self._publish, self._rest],
                [8, 3, 1, 4, 4],
            )[0](room)
        for room in ROOMS:
            if self._dice.random() < 0.8:  # most are there at the end
                await self._connect_if_gone()
                await self._join(room)

    async def _connect_if_gone(self) -> None:
        if self._peer is None:
            await self._connect()

    async def _connect(self) -> None:
        self._worker = self._dice.choice(self._commotion.workers)
        peer = Peer(f"{self._name}-{next(_peer_numbers)}", Identity(self._name, Role.RIDER))
        self._peer = peer
        self._worker.door.tell[peer] = lambda publication, _: self._told(peer, publication)
        self._worker.hub.welcome(peer)

    def _told(self, peer: Peer, publication: Publication) -> None:
        assert self._peer is peer, "a peer that had gone was sent something"
        record = self.records[publication.room]
        if publication.event == "room-reset":
            record.append(Reset())
            return
        record.append(Told(publication.event, publication.payload.decode()))
        self._places[publication.room] = str(publication.cursor)

    async def _join(self, room: str) -> None:
        peer, worker = self._peer, self._worker
        assert peer is not None
        since = self._places.get(room) if self._dice.random() < self.since_share else None
        request = events.JoinRoom(room, since, snapshot=self._dice.random() < self.snapshot_share)
        joining = asyncio.create_task(
            worker.hub.join(peer, request, lambda joined: self._joined(peer, request, joined))
        )
        if self._dice.random() < 0.15:  # impatient
            await self._rest(room)
            await self._dice.choice([self._leave, self._disconnect])(room)
        try:
            await joining
        except Refused:
            # It went while it was joined; whatever it had read before is over as well.
            assert self._peer is not peer or room not in peer.subscriptions

    def _joined(self, peer: Peer, request: events.JoinRoom, joined: events.Joined) -> None:
        assert self._peer is peer, "a peer that had gone was answered"
        recovered = None if joined.recovered is UNSET else bool(joined.recovered)
        self.records[request.room_id].append(
            Joined(
                peer.id,
                joined.cursor,
                request.since,
                recovered,
                None if joined.missed is UNSET else int(str(joined.missed)),
                None if joined.snapshot is UNSET else bytes(joined.snapshot).decode(),
                request.snapshot,
            )
        )
        self._places[request.room_id] = (
            request.since if recovered and request.since else joined.cursor
        )

    async def _leave(self, room: str) -> None:
        if self._peer is not None:
            self._worker.hub.leave(self._peer, room)
            self.records[room].append(Ended())

    async def _disconnect(self, _room: str) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            self._worker.hub.forget(peer)
            for room in ROOMS:
                self.records[room].append(Ended())

    async def _publish(self, room: str) -> None:
        if self._peer is not None:
            self._commotion.publish(self._worker, room, self._peer.id)

    async def _rest(self, _room: str) -> None:
        for _ in range(self._dice.randrange(30)):
            await asyncio.sleep(0)


class Commotion:
    """All of it, from one seed."""

    def __init__(
        self,
        seed: int,
        *,
        losses: int = 0,
        epochs: int = 0,
        make_member: Callable[[Commotion, str], Member] = Member,
    ) -> None:
        self.dice = Random(seed)  # noqa: S311 - it has to repeat itself, not to keep a secret
        self._losses = losses
        self._epochs = epochs
        settings = Settings()
        self._rooms = MemoryRooms(settings.kind_of)
        self.workers = [
            Worker(settings, self._rooms, Random(self.dice.random()))  # noqa: S311 - the same
            for _ in range(2)
        ]
        self.members = [make_member(self, f"member{number}") for number in range(4)]
        self.accepted: defaultdict[str, list[Accepted]] = defaultdict(list)
        self._numbers = itertools.count()
        self._lives = dict.fromkeys(range(3), 0)
        self._unanswered = 0

    async def run(self, steps: int = 25) -> None:
        """Let it happen, then let it come to rest."""
        for worker in self.workers:
            await worker.hub.start()
        await _together(
            *(member.live(steps) for member in self.members),
            *(self._publish_some(room, steps * 3) for room in ROOMS),
            self._disturb(),
        )
        await self._rest()
        for room in ROOMS:
            self.publish(self.workers[0], room)  # the last word, which all have to hear
        await self._rest()
        for worker in self.workers:
            await worker.hub.stop()

    def publish(self, worker: Worker, room: str, author: str | None = None) -> None:
        """Publish news of a bike, and keep what was answered."""
        number, bike = next(self._numbers), self.dice.randrange(3)
        # A bike that was removed comes back under another name: every text is there only once.
        body: dict[str, object] = {"roomId": room, "bike_id": f"b{bike}-{self._lives[bike]}"}
        if self.dice.random() < 0.15:
            self._lives[bike] += 1
            body["op"] = "remove"
        else:
            body[f"f{number % 3}"] = self.dice.choice([None, number])
            body["number"] = number
        update = codec.bike_update_of(json.dumps(body).encode())
        self._unanswered += 1

        def settle(receipt: Receipt | BrokerUnavailable) -> None:
            self._unanswered -= 1
            assert isinstance(receipt, Receipt)
            if receipt.outcome is Outcome.ACCEPTED:
                self._note(receipt, room, update, author)

        worker.hub.publish_update(PUBLISHER, update, author, settle)

    def _note(
        self, receipt: Receipt, room: str, update: events.BikeUpdate, author: str | None
    ) -> None:
        name, text = "bike-updated", update.payload.decode()
        if update.removes:
            name = "bike-removed"
            body = {"roomId": room, "reason": "removed", "bikeId": update.key}
            text = json.dumps(body, separators=(",", ":"))
        self.accepted[room].append(Accepted(str(receipt.cursor), name, text, author))

    async def _publish_some(self, room: str, count: int) -> None:
        for _ in range(count):
            self.publish(self.dice.choice(self.workers), room)
            for _ in range(self.dice.randrange(20)):
                await asyncio.sleep(0)

    async def _disturb(self) -> None:
        kinds = [self._lose] * self._losses + [self._turn_epoch] * self._epochs
        self.dice.shuffle(kinds)
        for disturb in kinds:
            for _ in range(self.dice.randrange(300)):
                await asyncio.sleep(0)
            disturb(self.dice.choice(ROOMS))

    def _lose(self, room: str) -> None:
        worker = self.dice.choice(self.workers)
        if room in worker.broker.following:
            worker.broker.lose(room)

    def _turn_epoch(self, room: str) -> None:
        self._rooms.journals.pop(room, None)
        for worker in self.workers:
            if room in worker.broker.following:
                worker.broker.turn_epoch(room)

    async def _rest(self) -> None:
        quiet_turns = 0
        for _ in range(TURNS_LIMIT):
            is_idle = not self._unanswered and all(
                each.broker.is_idle and each.door.is_idle for each in self.workers
            )
            quiet_turns = quiet_turns + 1 if is_idle else 0
            if quiet_turns > 100:  # longer than any lag
                return
            await asyncio.sleep(0)
        raise AssertionError("it does not come to rest")


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)
