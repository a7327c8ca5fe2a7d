from __future__ import annotations

import asyncio

import pytest

from gateway.broker.contract import BrokerUnavailable
from gateway.rooms.membership import Peer
from protocol import events
from protocol.events import JoinRoom, Member
from protocol.refusals import Refusal, Refused
from tests.gateway.broker.around import AWAITED
from tests.gateway.house import House
from tests.gateway.recorded_peers import rider
from tests.gateway.rooms.drafts import ROOM


class TestComingAndGoing:
    async def test_whoever_left_is_told_nothing_more_but_all_that_came_before(
        self, house: House
    ) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        for peer in (ann, ben):
            await house.join(peer)
        house.publish(1)
        house.hub.leave(ann, ROOM)
        house.publish(2)
        assert house.peers.offsets(ann) == [1]
        assert house.peers.offsets(ben) == [1, 2]

    async def test_leaving_a_room_that_one_is_not_in_does_nothing(self, house: House) -> None:
        ann = house.welcome("ann")
        house.hub.leave(ann, ROOM)
        await house.settle()
        assert house.broker.calls == []

    async def test_nothing_of_a_peer_stays_behind(self, house: House) -> None:
        ann = house.welcome("ann")
        for room in ("a", "b"):
            await house.join(ann, room)
        house.hub.forget(ann)
        house.hub.forget(ann)
        await house.settle()
        assert house.is_blank()
        leaves = [call for call in house.broker.calls if call[0] == "leave"]
        assert sorted(leaves) == [("leave", "a"), ("leave", "b")]

    async def test_a_witness_is_told_once_of_each_who_comes_and_goes(self, house: House) -> None:
        seen: list[tuple[str, str, str]] = []
        house.hub.witness_by(lambda name, room, member: seen.append((name, room, member.subject)))
        ann, ben = house.welcome("ann"), house.welcome("ben")
        for peer in (ann, ann, ben):
            await house.join(peer)
        house.hub.forget(ann)
        house.hub.release(ben)  # another connection goes on as ben
        house.welcome("ben")
        await house.settle()

        assert seen == [
            ("peer.joined", ROOM, "subject of ann"),
            ("peer.joined", ROOM, "subject of ben"),
            ("peer.left", ROOM, "subject of ann"),
        ]

    async def test_who_goes_on_at_another_worker_is_forgotten_here_and_stays_in_there(
        self, house: House, elsewhere: House
    ) -> None:
        here, there = house.welcome("ann"), elsewhere.welcome("ann")
        await house.join(here)
        await elsewhere.join(there)
        house.hub.release(here)
        await house.settle()

        assert ("leave", ROOM) in house.broker.calls
        assert [each.peer_id for each in await house.broker.members(ROOM)] == ["ann"]

    async def test_who_was_to_go_on_elsewhere_and_did_not_is_counted_out(
        self, house: House
    ) -> None:
        ann = house.welcome("ann")
        await house.join(ann)
        house.hub.release(ann)
        await house.settle()

        assert house.is_blank()

    @pytest.mark.parametrize("name", ["follow", "cursor", "enter"])
    @pytest.mark.parametrize("way", ["leave", "forget"])
    async def test_whoever_goes_while_it_is_joined_is_not_in(
        self, house: House, name: str, way: str
    ) -> None:
        ann = house.welcome("ann")
        house.broker.waits_before[name] = asyncio.Event()
        joining = house.start_joining(ann)
        await house.settle()
        if way == "leave":
            house.hub.leave(ann, ROOM)
        else:
            house.hub.forget(ann)
        await house.settle()
        house.broker.waits_before[name].set()
        with pytest.raises(Refused) as refused:
            await joining
        assert refused.value.refusal is Refusal.CONFLICT
        await house.settle()
        house.hub.forget(ann)
        assert house.is_blank()
        assert house.peers.records[ann] == []

    async def test_a_peer_that_has_gone_joins_nothing(self, house: House) -> None:
        ann = house.welcome("ann")
        house.hub.forget(ann)
        with pytest.raises(Refused) as refused:
            await house.join(ann)
        assert refused.value.refusal is Refusal.CONFLICT
        assert house.is_blank()

    async def test_a_peer_that_is_sent_off_by_the_first_thing_it_is_told_is_not_in(
        self, house: House
    ) -> None:
        start = str(house.rooms.journal(ROOM).cursor)
        house.publish(1)
        ann = house.welcome("ann")

        def go(_joined: events.Joined) -> None:
            house.hub.forget(ann)

        await house.hub.join(ann, JoinRoom(ROOM, start), go)
        house.peers.sent_to_strangers.clear()  # a closed connection drops what it is given
        await house.settle()
        assert house.is_blank()

    async def test_one_that_goes_in_the_middle_of_a_delivery_does_not_cost_others_theirs(
        self, house: House
    ) -> None:
        ann, ben, eve = (house.welcome(name) for name in ("ann", "ben", "eve"))
        await house.join(eve)
        house.broker.interrupt(ROOM)
        for peer in (ann, ben):
            await house.join(peer)
        send = house.peers.send

        def send_and_lose(peer: Peer, publication: object) -> None:
            send(peer, publication)  # type: ignore[arg-type] # passed through as it came
            if peer is ann:
                house.hub.forget(ann)
                house.hub.forget(ben)

        house.peers.send = send_and_lose  # type: ignore[method-assign] # a failing write
        house.publish(1)
        assert [each.event for each in house.peers.told(eve)] == ["room-reset", "chat"]
        await house.settle()
        assert set(house.hub.membership.peers) == {"eve"}

    async def test_a_peer_that_comes_back_under_its_id_is_not_seen_off_with_the_old_one(
        self, house: House
    ) -> None:
        old, new = house.welcome("ann"), rider("ann")
        await house.join(old)
        house.broker.waits_before["leave"] = asyncio.Event()
        house.hub.forget(old)
        house.hub.welcome(new)
        joining = house.start_joining(new)
        await house.settle()
        house.broker.waits_before["leave"].set()
        await joining
        await house.settle()
        assert [each.peer_id for each in await house.hub.members(new.identity, ROOM)] == ["ann"]
        house.publish(1)
        assert house.peers.offsets(new) == [1]

    @pytest.mark.parametrize("is_anew", [True, False])
    async def test_whoever_is_sent_off_as_it_joins_again_is_not_in(
        self, house: House, monkeypatch: pytest.MonkeyPatch, *, is_anew: bool
    ) -> None:
        ann = house.welcome("ann")
        await house.join(ann)
        # What was gathered for it is more than may wait for it.
        monkeypatch.setattr(house.peers, "hand_over", house.hub.forget)
        if is_anew:
            with pytest.raises(Refused) as refused:
                await house.join(ann, snapshot=True)
            assert refused.value.refusal is Refusal.CONFLICT
        else:
            await house.join(ann)
        await house.settle()

        assert house.is_blank()


class TestUndoing:
    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("name", AWAITED)
    async def test_a_join_that_fails_is_undone(self, house: House, name: str, when: str) -> None:
        ann = house.welcome("ann")
        getattr(house.broker, f"fails_{when}").add(name)
        since = str(house.rooms.journal(ROOM).cursor) if name == "history" else None
        with pytest.raises(BrokerUnavailable):
            await house.join(ann, since=since, snapshot=name == "snapshot")
        assert ann.subscriptions == {}
        await house.settle()
        house.hub.forget(ann)
        assert house.is_blank()
        assert house.peers.records[ann] == []

    @pytest.mark.parametrize("name", AWAITED)
    async def test_a_join_that_failed_can_be_repeated(self, house: House, name: str) -> None:
        ann = house.welcome("ann")
        since = str(house.rooms.journal(ROOM).cursor) if name == "history" else None
        house.broker.fails_after.add(name)
        with pytest.raises(BrokerUnavailable):
            await house.join(ann, since=since, snapshot=name == "snapshot")
        house.broker.fails_after.clear()
        await house.join(ann, since=since, snapshot=name == "snapshot")
        await house.settle()
        assert await house.hub.members(ann.identity, ROOM) == [Member("ann", "subject of ann")]
        house.publish(1)
        assert house.peers.offsets(ann) == [1]

    @pytest.mark.parametrize("name", AWAITED)
    async def test_a_join_that_is_cancelled_is_undone(self, house: House, name: str) -> None:
        ann = house.welcome("ann")
        since = str(house.rooms.journal(ROOM).cursor) if name == "history" else None
        house.broker.waits_after[name] = asyncio.Event()
        joining = house.start_joining(ann, since=since, snapshot=name == "snapshot")
        await house.settle()
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining
        await house.settle()
        house.hub.forget(ann)
        assert house.is_blank()

    async def test_the_failure_of_one_does_not_cost_another_its_room(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ben)
        house.broker.fails_before.add("enter")
        with pytest.raises(BrokerUnavailable):
            await house.join(ann)
        await house.settle()
        house.publish(1)
        assert house.peers.offsets(ben) == [1]

    async def test_a_departure_that_the_broker_did_not_hear_of_does_not_stop_the_others(
        self, house: House
    ) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ann, "a")
        await house.join(ben, "b")
        house.broker.fails_before.add("leave")
        house.hub.forget(ann)
        await house.settle()
        assert house.broker.following == {"b"}  # nobody is left in the other one
        house.broker.fails_before.clear()
        house.hub.forget(ben)
        await house.settle()
        assert house.broker.following == set()
