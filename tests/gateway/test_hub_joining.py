from __future__ import annotations

import asyncio
import json

import pytest
from msgspec import UNSET, Raw

from gateway.identity import Grants, Identity
from gateway.rooms.membership import Peer
from protocol import events
from protocol.events import JoinRoom
from protocol.refusals import Refusal, Refused
from tests.gateway.broker.around import AWAITED
from tests.gateway.house import House
from tests.gateway.rooms.drafts import ROOM, update


class TestJoining:
    async def test_a_joiner_is_answered_with_the_place_and_told_what_comes_behind_it(
        self, house: House
    ) -> None:
        first = house.publish(1)
        ann = house.welcome("ann")
        joined = await house.join(ann)
        assert joined == events.Joined(ROOM, str(first.cursor))
        assert (joined.recovered, joined.missed, joined.snapshot) == (UNSET, UNSET, UNSET)
        house.publish(2)
        assert house.peers.offsets(ann) == [2]

    async def test_a_snapshot_is_of_the_place_in_the_answer(self, house: House) -> None:
        house.broker.publish(update("b1", {"n": 1}), lambda _: None)
        ann = house.welcome("ann")
        joined = await house.join(ann, snapshot=True)
        assert isinstance(joined.snapshot, Raw)
        assert json.loads(bytes(joined.snapshot)) == [{"vehicle_id": "b1", "n": 1}]
        assert joined.cursor == str(house.rooms.journal(ROOM).cursor)

    async def test_whoever_says_where_it_stood_is_told_what_it_missed_in_order(
        self, house: House
    ) -> None:
        receipts = [house.publish(count) for count in range(5)]
        ann = house.welcome("ann")
        joined = await house.join(ann, since=str(receipts[1].cursor), snapshot=True)
        assert (joined.recovered, joined.missed, joined.snapshot) == (True, 3, UNSET)
        house.publish("live")
        assert house.peers.offsets(ann) == [3, 4, 5, 6]
        assert isinstance(house.peers.records[ann][0], events.Joined)

    async def test_what_can_no_longer_be_told_is_said_and_the_snapshot_is_given(
        self, house: House
    ) -> None:
        receipts = [house.publish(count, "short:1") for count in range(5)]
        ann, ben = house.welcome("ann"), house.welcome("ben")
        joined = await house.join(ann, "short:1", since=str(receipts[0].cursor), snapshot=True)
        assert (joined.recovered, joined.missed, joined.snapshot) == (False, 0, Raw(b"[]"))
        assert joined.cursor == str(receipts[4].cursor)
        without = await house.join(ben, "short:1", since=str(receipts[0].cursor))
        assert (without.recovered, without.missed, without.snapshot) == (False, 0, UNSET)
        assert house.peers.told(ann) == house.peers.told(ben) == []

    async def test_what_the_joiner_published_itself_is_not_among_what_it_missed(
        self, house: House
    ) -> None:
        ann = house.welcome("ann")
        start = await house.join(ann)
        house.hub.leave(ann, ROOM)
        for author in ("ann", "ben", "ann"):
            house.publish("x", author=author)
        joined = await house.join(ann, since=start.cursor)
        assert (joined.recovered, joined.missed) == (True, 1)
        assert house.peers.offsets(ann) == [2]

    @pytest.mark.parametrize(
        ("request_", "identity", "refusal"),
        [
            (JoinRoom(ROOM), Identity("ann", grants=Grants(join=("x",))), Refusal.FORBIDDEN),
            (JoinRoom(ROOM, since="nonsense"), Identity("ann"), Refusal.INVALID_CURSOR),
        ],
    )
    async def test_a_refused_join_leaves_nothing_behind(
        self, house: House, request_: JoinRoom, identity: Identity, refusal: Refusal
    ) -> None:
        peer = Peer("ann", identity)
        house.hub.welcome(peer)
        with pytest.raises(Refused) as refused:
            await house.hub.join(peer, request_, lambda _: pytest.fail("answered"))
        assert refused.value.refusal is refusal
        assert house.broker.calls == []
        house.hub.forget(peer)
        assert house.is_blank()

    async def test_a_peer_may_be_in_so_many_rooms_and_join_those_again(self, house: House) -> None:
        ann = house.welcome("ann")
        for room in ("a", "b", "c"):
            await house.join(ann, room)
        with pytest.raises(Refused) as refused:
            await house.join(ann, "d")
        assert refused.value.refusal is Refusal.TOO_MANY_ROOMS
        await house.join(ann, "a", snapshot=True)
        house.hub.leave(ann, "b")
        await house.join(ann, "d")

    async def test_a_bad_since_does_not_cost_the_room_one_is_in(self, house: House) -> None:
        ann = house.welcome("ann")
        await house.join(ann)
        with pytest.raises(Refused):
            await house.join(ann, since="nonsense")
        house.publish(1)
        assert house.peers.offsets(ann) == [1]

    async def test_what_comes_in_the_middle_of_a_join_is_told_once_behind_the_answer(
        self, house: House
    ) -> None:
        ann = house.welcome("ann")
        for name in AWAITED:
            house.broker.waits_before[name] = asyncio.Event()
            house.broker.waits_after[name] = asyncio.Event()
        joining = house.start_joining(ann, snapshot=True)
        for name in ("follow", "snapshot", "enter"):
            await house.settle()
            house.publish(f"before {name}")
            house.broker.waits_before[name].set()
            await house.settle()
            house.publish(f"after {name}")
            house.broker.waits_after[name].set()
        joined = await joining
        house.publish("live")
        place = int(joined.cursor.split(".")[1])
        assert place == 3  # before and after follow, before snapshot
        assert house.peers.offsets(ann) == [4, 5, 6, 7]
        assert house.peers.records[ann][0] is joined


class TestJoiningAgain:
    async def test_it_is_a_question_when_nothing_is_asked_for(self, house: House) -> None:
        ann = house.welcome("ann")
        await house.join(ann)
        house.publish(1)
        calls = len(house.broker.calls)
        joined = await house.join(ann)
        assert joined == events.Joined(ROOM, str(house.rooms.journal(ROOM).cursor))
        assert len(house.broker.calls) == calls
        assert house.peers.records[ann][-1] is joined  # behind what it stands for
        house.publish(2)
        assert house.peers.offsets(ann) == [1, 2]

    async def test_the_answer_is_where_the_peer_stands_and_not_where_the_room_does(
        self, house: House
    ) -> None:
        ann = house.welcome("ann")
        await house.join(ann)
        first = house.publish(1)
        house.broker.holds_deliveries = True
        house.publish(2)
        assert (await house.join(ann)).cursor == str(first.cursor)
        house.broker.release()
        assert house.peers.offsets(ann) == [1, 2]

    async def test_the_answer_to_one_that_is_still_catching_up_is_where_it_stands(
        self, house: House
    ) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ben)
        house.broker.holds_deliveries = True
        receipts = [house.publish(count) for count in range(3)]
        joined = await house.join(ann)
        house.publish(3)
        assert (await house.join(ann)).cursor == joined.cursor == str(receipts[2].cursor)
        house.broker.release()
        assert house.peers.offsets(ann) == [4]
        assert house.peers.offsets(ben) == [1, 2, 3, 4]

    async def test_with_a_snapshot_the_reading_begins_anew(self, house: House) -> None:
        ann = house.welcome("ann")
        await house.join(ann)
        house.publish(1)
        joined = await house.join(ann, snapshot=True)
        assert joined.snapshot == Raw(b"[]")
        house.publish(2)
        assert house.peers.offsets(ann) == [1, 2]

    async def test_since_tells_again_what_came_behind_it(self, house: House) -> None:
        ann = house.welcome("ann")
        start = await house.join(ann)
        house.publish(1)
        joined = await house.join(ann, since=start.cursor)
        assert (joined.recovered, joined.missed) == (True, 1)
        house.publish(2)
        assert house.peers.offsets(ann) == [1, 1, 2]

    async def test_what_was_gathered_for_its_other_rooms_is_not_lost(self, house: House) -> None:
        ann = house.welcome("ann")
        await house.join(ann, "a")
        await house.join(ann, "b")
        house.publish(1, "b")
        await house.join(ann, "a", snapshot=True)
        assert [each.room for each in house.peers.told(ann)] == ["b"]

    async def test_two_joins_at_once_are_both_answered_and_nothing_is_told_twice(
        self, house: House
    ) -> None:
        ann = house.welcome("ann")
        house.broker.waits_after["follow"] = asyncio.Event()
        joins = [house.start_joining(ann, snapshot=bool(count)) for count in range(2)]
        await house.settle()
        house.publish(1)
        house.broker.waits_after["follow"].set()
        await asyncio.gather(*joins)
        house.publish(2)
        assert house.peers.offsets(ann) == [2]
        assert len(house.peers.answers(ann)) == 2

    async def test_coming_back_at_once_finds_the_filter_still_in_place(self, house: House) -> None:
        # The only member leaves and is back before its departure was seen to: the worker still
        # follows, and what the snapshot has is still on its way.
        ann = house.welcome("ann")
        await house.join(ann)
        house.broker.holds_deliveries = True
        for count in range(3):
            house.publish(count)
        house.hub.leave(ann, ROOM)
        await house.join(ann, snapshot=True)
        house.publish(3)
        house.broker.release()
        assert house.peers.offsets(ann) == [4]
