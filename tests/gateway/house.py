"""This module owns one worker as its hub has it: recorded peers, and a staged broker."""

from __future__ import annotations

import asyncio
import json

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.hub import Hub
from gateway.rooms.membership import Peer
from gateway.rooms.publication import Receipt
from gateway.settings import RoomKind, Settings
from protocol import events
from protocol.events import JoinRoom
from tests.gateway.broker.around import StagedBroker
from tests.gateway.recorded_peers import RecordedPeers, rider
from tests.gateway.rooms.drafts import ROOM, event

SETTINGS = Settings(
    rooms_per_peer_limit=3,
    room_kinds=(
        RoomKind(pattern="social:*", presence=True),
        RoomKind(pattern="strict:*", profile="live"),
        RoomKind(pattern="short:*", history_length=2),
    ),
)
SOCIAL = "social:1"


class House:
    """One worker: a hub between recorded peers and a staged broker."""

    def __init__(self, rooms: MemoryRooms) -> None:
        self.rooms = rooms
        self.broker = StagedBroker(MemoryBroker(rooms))
        self.peers = RecordedPeers()
        self.hub = Hub(SETTINGS, self.broker, self.peers)
        self.peers.membership = self.hub.membership

    def welcome(self, name: str) -> Peer:
        peer = rider(name)
        self.hub.welcome(peer)
        return peer

    async def join(
        self, peer: Peer, room: str = ROOM, *, since: str | None = None, snapshot: bool = False
    ) -> events.Joined:
        """Join; the answer is in the peer's record too, in its place."""
        answers: list[events.Joined] = []

        def answer(joined: events.Joined) -> None:
            answers.append(joined)
            self.peers.records[peer].append(joined)

        await self.hub.join(peer, JoinRoom(room, since, snapshot), answer)
        (joined,) = answers
        return joined

    def start_joining(
        self, peer: Peer, room: str = ROOM, *, since: str | None = None, snapshot: bool = False
    ) -> asyncio.Task[events.Joined]:
        return asyncio.create_task(self.join(peer, room, since=since, snapshot=snapshot))

    def publish(self, data: object, room: str = ROOM, author: str | None = None) -> Receipt:
        settled: list[Receipt | BrokerUnavailable] = []
        self.broker.publish(event(data, room=room, author=author), settled.append)
        assert isinstance(settled[0], Receipt)
        return settled[0]

    async def settle(self) -> None:
        """Let everything that was begun come to its end."""
        for _ in range(30):
            await asyncio.sleep(0)

    def is_blank(self) -> bool:
        """Whether nothing is left of anybody."""
        left = [self.hub.membership.rooms, self.hub.membership.peers, self.broker.following]
        return not any(left) and not any(self.rooms.members.values())


def bodies_of(house: House, peer: Peer, name: str) -> list[object]:
    return [json.loads(each.payload) for each in house.peers.told(peer) if each.event == name]
