from __future__ import annotations

from collections.abc import Sequence

from gateway.broker.contract import Delivery
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.settings import RoomKind
from tests.gateway.broker.worker import eventually
from tests.gateway.rooms.drafts import ROOM, update


async def test_a_delivery_that_fails_does_not_end_the_forgetting() -> None:
    rooms = MemoryRooms(lambda _: RoomKind(expire_seconds=0.02))
    broker = MemoryBroker(rooms, expire_every_seconds=0.01)
    told: list[str] = []

    def deliver(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            told.append(getattr(delivery, "event", ""))
            if told == ["bike-updated", "bike-removed"]:
                raise ValueError

    await broker.start(deliver)
    await broker.follow(ROOM)
    broker.publish(update("b1"), lambda _: None)
    await eventually(lambda: len(told) == 2)
    broker.publish(update("b2"), lambda _: None)
    await eventually(lambda: told[2:] == ["bike-updated", "bike-removed"])
    await broker.stop()

    assert not rooms.followers
