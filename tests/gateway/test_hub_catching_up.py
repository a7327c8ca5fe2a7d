from __future__ import annotations

import asyncio

import pytest

from gateway.rooms.subscription import HELD_LIMIT
from protocol.refusals import Refusal, Refused
from tests.gateway.house import House, bodies_of
from tests.gateway.rooms.drafts import ROOM


class TestTheFilter:
    async def test_it_outlives_the_catch_up(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ben)
        house.broker.holds_deliveries = True
        for count in range(3):
            house.publish(count)
        joined = await house.join(ann)
        assert int(joined.cursor.split(".")[1]) == 3
        for _ in range(3):
            house.broker.release(1)
            assert house.peers.told(ann) == []
        house.publish(3)
        house.broker.release()
        assert house.peers.offsets(ann) == [4]
        assert house.peers.offsets(ben) == [1, 2, 3, 4]

    async def test_once_level_a_peer_reads_together_with_all_others(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ben)
        house.broker.holds_deliveries = True
        house.publish(1)
        await house.join(ann)
        assert ann.audience is None
        house.broker.release()
        assert ann.audience is ben.audience

    async def test_what_a_peer_published_while_catching_up_is_not_told_to_it(
        self, house: House
    ) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ben)
        house.broker.holds_deliveries = True
        house.publish(1)
        await house.join(ann)
        house.publish(2, author=ann.id)
        house.publish(3)
        house.broker.release()
        assert house.peers.offsets(ann) == [3]

    async def test_more_than_can_be_held_undoes_the_join(self, house: House) -> None:
        ann = house.welcome("ann")
        house.broker.waits_after["enter"] = asyncio.Event()
        joining = house.start_joining(ann)
        await house.settle()
        for count in range(HELD_LIMIT + 1):
            house.publish(count)
        house.broker.waits_after["enter"].set()
        with pytest.raises(Refused) as refused:
            await joining
        assert refused.value.refusal is Refusal.UNAVAILABLE
        await house.settle()
        house.hub.forget(ann)
        assert house.is_blank()


class TestInterruption:
    async def test_everybody_in_the_room_is_told_on_this_worker_alone(
        self, house: House, elsewhere: House
    ) -> None:
        ann, ben, eve = house.welcome("ann"), house.welcome("ben"), elsewhere.welcome("eve")
        await house.join(ann)
        await house.join(ben, "another room")
        await elsewhere.join(eve)
        house.broker.interrupt(ROOM, "trimmed")
        assert bodies_of(house, ann, "room-reset") == [{"roomId": ROOM, "reason": "trimmed"}]
        assert house.peers.told(ben) == elsewhere.peers.told(eve) == []

    async def test_it_comes_in_its_place_among_the_deliveries(self, house: House) -> None:
        ann = house.welcome("ann")
        await house.join(ann)
        house.broker.holds_deliveries = True
        house.publish(1)
        house.broker.interrupt(ROOM)
        house.publish(2)
        house.broker.release()
        assert [each.event for each in house.peers.told(ann)] == ["chat", "room-reset", "chat"]

    async def test_one_that_is_being_joined_is_told_behind_the_answer(self, house: House) -> None:
        ann = house.welcome("ann")
        house.broker.waits_after["cursor"] = asyncio.Event()
        joining = house.start_joining(ann)
        await house.settle()
        house.publish(1)
        house.broker.interrupt(ROOM)
        house.publish(2)
        assert house.peers.records[ann] == []
        house.broker.waits_after["cursor"].set()
        joined = await joining
        assert house.peers.records[ann][0] is joined
        assert [each.event for each in house.peers.told(ann)] == ["chat", "room-reset", "chat"]

    async def test_one_that_is_catching_up_is_told_at_once(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ben)
        house.broker.holds_deliveries = True
        house.publish(1)
        await house.join(ann)
        house.broker.interrupt(ROOM)
        house.publish(2)
        house.broker.release()
        assert [each.event for each in house.peers.told(ann)] == ["room-reset", "chat"]
        assert ann.audience is ben.audience

    async def test_a_join_between_an_interruption_and_the_next_delivery_tells_nothing_twice(
        self, house: House
    ) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ben)
        house.broker.holds_deliveries = True
        house.publish(0)
        house.broker.release()
        house.broker.interrupt(ROOM)
        house.broker.release()
        for count in range(3):
            house.publish(count)
        await house.join(ann, snapshot=True)
        house.publish("live")
        house.broker.release()
        assert house.peers.offsets(ann) == [5]

    async def test_a_new_epoch_goes_on_from_its_start(self, house: House) -> None:
        ann = house.welcome("ann")
        await house.join(ann)
        house.publish(1)
        del house.rooms.journals[ROOM]
        house.broker.interrupt(ROOM, "epoch")
        house.publish(2)
        assert house.peers.offsets(ann) == [1, 0, 1], "a notice has no place"
        assert [each.event for each in house.peers.told(ann)] == ["chat", "room-reset", "chat"]
        joined = await house.join(ann)
        assert joined.cursor == str(house.rooms.journal(ROOM).cursor)

    async def test_an_interruption_of_a_room_without_readers_is_nothing(self, house: House) -> None:
        house.broker.interrupt(ROOM)
        assert house.peers.records == {}
