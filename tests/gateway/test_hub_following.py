from __future__ import annotations

import asyncio

import pytest

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.memory import MemoryRooms
from tests.gateway.house import SETTINGS, House
from tests.gateway.rooms.drafts import ROOM


class TestFollowing:
    async def test_a_room_is_followed_for_as_long_as_somebody_is_in_it(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ann)
        await house.join(ben)
        assert house.broker.calls.count(("follow", ROOM)) == 1
        house.hub.leave(ann, ROOM)
        await house.settle()
        assert house.broker.following == {ROOM}
        house.hub.leave(ben, ROOM)
        await house.settle()
        assert house.broker.following == set()
        assert house.broker.calls.count(("unfollow", ROOM)) == 1

    async def test_every_joiner_waits_until_the_room_is_followed(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        house.broker.waits_before["follow"] = asyncio.Event()
        joins = [house.start_joining(peer) for peer in (ann, ben)]
        await house.settle()
        assert not any(join.done() for join in joins)
        assert [name for name, _ in house.broker.calls] == ["follow"]
        house.publish(1)  # nobody is delivered this, so it must be before both places
        house.broker.waits_before["follow"].set()
        for joined in await asyncio.gather(*joins):
            assert int(joined.cursor.split(".")[1]) == 1

    async def test_a_join_in_the_middle_of_an_unfollow_follows_again(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ann)
        house.broker.waits_before["unfollow"] = asyncio.Event()
        house.hub.leave(ann, ROOM)
        await house.settle()
        joining = house.start_joining(ben)
        await house.settle()
        house.broker.waits_before["unfollow"].set()
        await joining
        house.publish(1)
        assert house.peers.offsets(ben) == [1]
        assert house.broker.following == {ROOM}

    @pytest.mark.parametrize("turns", range(10))
    async def test_a_late_unfollow_does_not_make_deaf_whoever_came_meanwhile(
        self, house: House, turns: int
    ) -> None:
        ann, ben, eve = (house.welcome(name) for name in ("ann", "ben", "eve"))
        house.broker.waits_before["follow"] = asyncio.Event()
        joins = [house.start_joining(peer) for peer in (ann, ben)]
        await house.settle()
        house.hub.leave(ann, ROOM)
        joins[1].cancel()
        await house.settle()  # the room is empty, and its unfollow waits for the end of the follow
        house.broker.waits_before["follow"].set()
        for _ in range(turns):
            await asyncio.sleep(0)
        await house.join(eve)
        await house.settle()
        await asyncio.gather(*joins, return_exceptions=True)
        house.publish(1)
        assert house.peers.offsets(eve) == [1]

    async def test_a_follow_that_may_have_begun_is_ended(self, house: House) -> None:
        ann = house.welcome("ann")
        house.broker.fails_after.add("follow")
        with pytest.raises(BrokerUnavailable):
            await house.join(ann)
        await house.settle()
        assert ("unfollow", ROOM) in house.broker.calls
        assert house.broker.following == set()

    async def test_an_unfollow_that_failed_is_made_good_by_the_next_departure(
        self, house: House
    ) -> None:
        ann = house.welcome("ann")
        await house.join(ann)
        house.broker.fails_before.add("unfollow")
        house.hub.leave(ann, ROOM)
        await house.settle()
        house.broker.fails_before.clear()
        await house.join(ann)
        house.hub.leave(ann, ROOM)
        await house.settle()
        assert house.broker.following == set()

    async def test_many_departures_at_once_unfollow_once(self, house: House) -> None:
        peers = [house.welcome(f"peer-{count}") for count in range(250)]
        for peer in peers:
            await house.join(peer)
        for peer in peers:
            house.hub.forget(peer)
        await house.settle()
        assert house.is_blank()
        assert house.broker.calls.count(("unfollow", ROOM)) == 1

    async def test_stopping_sees_to_the_departures_first(self) -> None:
        house = House(MemoryRooms(SETTINGS.kind_of))
        await house.hub.start()
        ann = house.welcome("ann")
        await house.join(ann)
        house.hub.forget(ann)
        await house.hub.stop()
        assert house.is_blank()
