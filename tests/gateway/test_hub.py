from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from msgspec import UNSET, Raw

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.hub import Hub
from gateway.identity import Grants, Identity, Role
from gateway.rooms.membership import Peer
from gateway.rooms.publication import Op, Outcome, Receipt
from gateway.rooms.subscription import HELD_LIMIT
from gateway.settings import RoomKind, Settings
from protocol import codec, events
from protocol.events import JoinRoom, Member
from protocol.refusals import Refusal, Refused
from tests.gateway.broker.around import AWAITED, StagedBroker
from tests.gateway.recorded_peers import RecordedPeers, rider
from tests.gateway.rooms.drafts import ROOM, event, update

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


@pytest.fixture
async def houses() -> AsyncIterator[list[House]]:
    rooms = MemoryRooms(SETTINGS.kind_of)
    houses = [House(rooms) for _ in range(2)]
    for house in houses:
        await house.hub.start()
    yield houses
    for house in houses:
        assert house.peers.sent_to_strangers == []
        await house.hub.stop()


@pytest.fixture
def house(houses: list[House]) -> House:
    return houses[0]


@pytest.fixture
def elsewhere(houses: list[House]) -> House:
    return houses[1]


def _bodies(house: House, peer: Peer, name: str) -> list[object]:
    return [json.loads(each.payload) for each in house.peers.told(peer) if each.event == name]


class TestPublishing:
    async def test_everyone_in_the_room_but_the_author_is_told_on_every_worker(
        self, house: House, elsewhere: House
    ) -> None:
        ann, ben, eve = house.welcome("ann"), house.welcome("ben"), elsewhere.welcome("eve")
        bystander = house.welcome("bystander")
        for where, peer in ((house, ann), (house, ben), (elsewhere, eve)):
            await where.join(peer)
        await house.join(bystander, "another room")
        text = b'{"roomId":"city:paris","bike_id":"b1","lat":48.10}'
        settled: list[Receipt | BrokerUnavailable] = []
        house.hub.publish_update(ann.identity, codec.bike_update_of(text), ann.id, settled.append)
        (receipt,) = settled
        assert isinstance(receipt, Receipt)
        assert receipt.outcome is Outcome.ACCEPTED
        assert house.peers.told(ann) == house.peers.told(bystander) == []
        for where, peer in ((house, ben), (elsewhere, eve)):
            (publication,) = where.peers.told(peer)
            assert publication.payload == text
            assert publication.op is Op.UPSERT
            assert publication.cursor == receipt.cursor

    async def test_a_publisher_need_not_be_in_the_room(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ben)
        request = events.Publish(ROOM, "cheer", Raw(b'{"loud":1.0}'))
        house.hub.publish_event(ann.identity, request, ann.id, lambda _: None)
        (publication,) = house.peers.told(ben)
        assert publication.packet == b'2["cheer",{"loud":1.0}]'

    @pytest.mark.parametrize(
        "identity",
        [
            Identity("ann", Role.VIEWER),
            Identity("ann", Role.RIDER, Grants(publish=("city:rome",))),
        ],
    )
    async def test_who_may_not_publish_is_refused_and_the_broker_is_not_asked(
        self, house: House, identity: Identity
    ) -> None:
        settled: list[object] = []
        publish = events.Publish(ROOM, "cheer")
        with pytest.raises(Refused) as refused:
            house.hub.publish_event(identity, publish, None, settled.append)
        assert refused.value.refusal is Refusal.FORBIDDEN
        news = events.BikeUpdate(ROOM, b"{}")
        with pytest.raises(Refused):
            house.hub.publish_update(identity, news, None, settled.append)
        assert settled == []
        assert house.rooms.journals == {}

    async def test_a_room_of_live_bikes_refuses_what_is_none(self, house: House) -> None:
        text = b'{"roomId":"strict:1","bike_id":"b1","lat":91.0,"lon":1.0}'
        with pytest.raises(Refused) as refused:
            house.hub.publish_update(
                Identity("ann", Role.RIDER), codec.bike_update_of(text), None, lambda _: None
            )
        assert refused.value.refusal is Refusal.MALFORMED

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            (("ann", "k"), ("ben", "k")),
            (("a", "b\nc"), ("a\nb", "c")),
            (("a", "b c"), ("a b", "c")),
        ],
    )
    async def test_two_senders_with_the_same_idempotency_key_do_not_meet(
        self, house: House, one: tuple[str, str], two: tuple[str, str]
    ) -> None:
        settled: list[Receipt | BrokerUnavailable] = []
        for subject, key in (one, two, one):
            request = events.Publish(ROOM, "cheer", idempotency_key=key)
            identity = Identity(subject, Role.RIDER)
            house.hub.publish_event(identity, request, None, settled.append)
        outcomes = [each.outcome for each in settled if isinstance(each, Receipt)]
        assert outcomes == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.REPEATED]


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
        assert _bodies(house, ann, "room-reset") == [{"roomId": ROOM, "reason": "trimmed"}]
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


class TestPresence:
    async def test_members_hear_of_each_other_on_all_workers_but_not_of_themselves(
        self, house: House, elsewhere: House
    ) -> None:
        ann, ben = house.welcome("ann"), elsewhere.welcome("ben")
        await house.join(ann, SOCIAL)
        await elsewhere.join(ben, SOCIAL)
        member = {"peerId": "ben", "subject": "subject of ben"}
        body = {"roomId": SOCIAL, "member": member}
        assert _bodies(house, ann, "member-joined") == [body]
        elsewhere.hub.forget(ben)
        await elsewhere.settle()
        assert _bodies(house, ann, "member-left") == [body]
        assert elsewhere.peers.told(ben) == []

    async def test_in_other_rooms_nobody_is_told(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        for peer in (ann, ben):
            await house.join(peer)
        house.hub.leave(ben, ROOM)
        await house.settle()
        assert house.peers.told(ann) == []

    async def test_joining_again_is_no_news(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ann, SOCIAL)
        for _ in range(3):
            await house.join(ben, SOCIAL, snapshot=True)
        assert len(house.peers.told(ann)) == 1

    async def test_leaving_and_coming_back_is_told_in_this_order_or_not_at_all(
        self, house: House
    ) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ann, SOCIAL)
        await house.join(ben, SOCIAL)
        house.broker.waits_before["leave"] = asyncio.Event()
        house.hub.leave(ben, SOCIAL)
        await house.settle()
        joining = house.start_joining(ben, SOCIAL)
        await house.settle()
        house.broker.waits_before["leave"].set()
        await joining
        await house.settle()
        names = [each.event for each in house.peers.told(ann)]
        assert names == ["member-joined", "member-left", "member-joined"]
        members = await house.hub.members(ann.identity, SOCIAL)
        assert [each.peer_id for each in members] == ["ann", "ben"]

    async def test_who_may_not_join_may_not_ask_who_is_in(self, house: House) -> None:
        with pytest.raises(Refused) as refused:
            await house.hub.members(Identity("ann", grants=Grants(join=())), ROOM)
        assert refused.value.refusal is Refusal.FORBIDDEN


class TestReauthentication:
    async def test_rooms_that_the_new_identity_may_not_read_are_left(self, house: House) -> None:
        ann = house.welcome("ann")
        for room in ("a", "b"):
            await house.join(ann, room)
        house.publish(1, "b")
        lost = house.hub.reauthenticate(ann, Identity("ann", grants=Grants(join=("a",))))
        assert lost == ["b"]
        for room in ("a", "b"):
            house.publish(2, room)
        assert [(each.room, each.offset) for each in house.peers.told(ann)] == [("b", 1), ("a", 1)]
        await house.settle()
        assert house.broker.following == {"a"}

    async def test_a_join_in_the_middle_of_it_is_refused(self, house: House) -> None:
        ann = house.welcome("ann")
        house.broker.waits_before["cursor"] = asyncio.Event()
        joins = [house.start_joining(ann) for _ in range(2)]
        await house.settle()
        assert house.hub.reauthenticate(ann, Identity("ann", grants=Grants(join=()))) == [ROOM]
        house.broker.waits_before["cursor"].set()
        refusals = await asyncio.gather(*joins, return_exceptions=True)
        assert [getattr(each, "refusal", None) for each in refusals] == [
            Refusal.CONFLICT,
            Refusal.FORBIDDEN,
        ]
        await house.settle()
        house.hub.forget(ann)
        assert house.is_blank()
