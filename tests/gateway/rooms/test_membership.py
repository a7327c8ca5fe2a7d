from __future__ import annotations

from collections.abc import Callable

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.identity import Identity
from gateway.rooms.membership import Membership, Peer, RoomReaders
from gateway.rooms.subscription import Subscription
from protocol.cursor import Cursor

Write = Callable[[bytes], None]


def _write_of(sink: list[bytes]) -> Write:
    return sink.append


def _peer(name: str, *, is_fast: bool = True) -> Peer:
    return Peer(name, Identity(name), _write_of([]) if is_fast else None)


def _live(membership: Membership, peer: Peer, *rooms: str) -> None:
    for room in rooms:
        membership.go_live(membership.subscribe(peer, room))


def test_peers_in_the_same_rooms_share_one_audience() -> None:
    membership = Membership()
    ann, ben, eve = _peer("ann"), _peer("ben"), _peer("eve")
    _live(membership, ann, "a", "b")
    _live(membership, ben, "b", "a")
    _live(membership, eve, "a")
    assert ann.audience is ben.audience
    assert ann.audience is not None
    assert ann.audience.rooms == {"a", "b"}
    assert set(membership.rooms["a"].audiences) == {ann.audience, eve.audience}
    assert set(membership.rooms["b"].audiences) == {ann.audience}


def test_a_peer_that_is_catching_up_is_in_no_audience() -> None:
    membership, ann = Membership(), _peer("ann")
    reading = membership.subscribe(ann, "a")
    assert ann.audience is None
    assert membership.rooms["a"].catching_up == {ann: reading}
    membership.go_live(reading)
    assert membership.rooms["a"].catching_up == {}
    assert reading.is_live


def test_the_writes_of_an_audience_are_those_of_its_fast_peers() -> None:
    membership = Membership()
    ann, ben = _peer("ann"), _peer("ben", is_fast=False)
    for peer in (ann, ben):
        _live(membership, peer, "a")
    assert ann.audience is not None
    assert ann.audience.writes() == (ann.write,)
    membership.change_lane(ann, None)
    assert ann.audience.writes() == ()
    assert list(ann.audience.slow) == [ben, ann]
    write = _write_of([])
    membership.change_lane(ben, write)
    assert ann.audience.writes() == (write,)


def test_changing_lanes_in_no_room_is_remembered() -> None:
    membership, ann = Membership(), _peer("ann", is_fast=False)
    write = _write_of([])
    membership.change_lane(ann, write)
    _live(membership, ann, "a")
    assert ann.audience is not None
    assert ann.audience.writes() == (write,)


def test_leaving_a_room_that_one_is_not_in_does_nothing() -> None:
    membership, ann = Membership(), _peer("ann")
    assert membership.unsubscribe(ann, "a") is False
    _live(membership, ann, "a")
    assert membership.unsubscribe(ann, "a") is True
    assert membership.unsubscribe(ann, "a") is False
    assert membership.rooms == {}


def test_an_ended_reading_knows_it() -> None:
    membership, ann = Membership(), _peer("ann")
    left, gone = membership.subscribe(ann, "a"), membership.subscribe(ann, "b")
    membership.unsubscribe(ann, "a")
    assert (left.is_over, gone.is_over) == (True, False)
    assert membership.forget(ann) == ["b"]
    assert gone.is_over


def test_readers_are_counted_from_the_first_to_the_last() -> None:
    membership = Membership()
    ann, ben = _peer("ann"), _peer("ben")
    for peer in (ann, ben):
        membership.add(peer)
    _live(membership, ann, "a")
    membership.subscribe(ben, "a")
    readers = membership.rooms["a"]
    assert readers.count == 2
    membership.unsubscribe(ann, "a")
    assert readers.count == 1
    membership.forget(ben)
    assert readers.count == 0
    assert membership.rooms == {}
    assert list(membership.audiences) == []


def test_forgetting_a_peer_does_not_forget_one_that_came_back_under_its_id() -> None:
    membership = Membership()
    old, new = _peer("ann"), _peer("ann")
    membership.add(old)
    membership.add(new)
    membership.forget(old)
    assert membership.peers == {"ann": new}


def test_readers_stand_where_the_last_publication_was() -> None:
    readers = RoomReaders("a")
    assert not readers.is_placed
    readers.stand_at(Cursor("e", 3, 4))
    assert readers.is_placed
    assert readers.cursor == Cursor("e", 3, 4)


class Comings(RuleBasedStateMachine):
    """Peers come and go; a table of pairs says what should be."""

    def __init__(self) -> None:
        super().__init__()
        self.membership = Membership()
        self.peers = [_peer(f"peer-{n}", is_fast=n % 2 == 0) for n in range(5)]
        self.known: set[Peer] = set()
        self.live: set[tuple[Peer, str]] = set()
        self.pending: dict[tuple[Peer, str], Subscription] = {}

    peer_numbers = st.integers(0, 4)
    rooms = st.sampled_from(["a", "b", "c"])

    @rule(number=peer_numbers, room=rooms)
    def subscribe(self, number: int, room: str) -> None:
        peer = self.peers[number]
        if room in peer.subscriptions:
            return
        self.membership.add(peer)
        self.known.add(peer)
        self.pending[peer, room] = self.membership.subscribe(peer, room)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def go_live(self, data: st.DataObject) -> None:
        pair = data.draw(st.sampled_from(sorted(self.pending, key=lambda pair: pair[0].id)))
        self.membership.go_live(self.pending.pop(pair))
        self.live.add(pair)

    @rule(number=peer_numbers, room=rooms)
    def unsubscribe(self, number: int, room: str) -> None:
        pair = (self.peers[number], room)
        expected = pair in self.live or pair in self.pending
        assert self.membership.unsubscribe(*pair) is expected
        self.live.discard(pair)
        self.pending.pop(pair, None)

    @rule(number=peer_numbers)
    def forget(self, number: int) -> None:
        peer = self.peers[number]
        rooms = {room for who, room in [*self.live, *self.pending] if who is peer}
        assert set(self.membership.forget(peer)) == rooms
        self.known.discard(peer)
        self.live = {pair for pair in self.live if pair[0] is not peer}
        self.pending = {pair: held for pair, held in self.pending.items() if pair[0] is not peer}

    @rule(number=peer_numbers, is_fast=st.booleans())
    def change_lane(self, number: int, *, is_fast: bool) -> None:
        self.membership.change_lane(self.peers[number], _write_of([]) if is_fast else None)

    @invariant()
    def audiences_are_exact(self) -> None:
        rooms = {room for _, room in [*self.live, *self.pending]}
        assert set(self.membership.rooms) == rooms
        assert set(self.membership.peers.values()) == self.known
        for room in rooms:
            readers = self.membership.rooms[room]
            assert {p for p, r in self.pending if r == room} == set(readers.catching_up)
            seated = [p for audience in readers.audiences for p in (*audience.fast, *audience.slow)]
            assert sorted(p.id for p in seated) == sorted(p.id for p, r in self.live if r == room)

    @invariant()
    def every_peer_sits_where_its_rooms_are(self) -> None:
        for peer in self.peers:
            mine = frozenset(room for who, room in self.live if who is peer)
            assert (peer.audience.rooms if peer.audience else frozenset()) == mine
            if peer.audience is not None:
                assert (peer in peer.audience.fast) == (peer.write is not None)
                assert (peer in peer.audience.slow) == (peer.write is None)
                fast = peer.audience.fast
                assert peer.audience.writes() == tuple(fast.values())
                if peer in fast:
                    others = tuple(write for who, write in fast.items() if who is not peer)
                    assert peer.audience.writes_but(peer) == others
                assert all(write is who.write for who, write in fast.items())

    @invariant()
    def peers_of_the_same_rooms_sit_together(self) -> None:
        audiences = {a for readers in self.membership.rooms.values() for a in readers.audiences}
        assert len({audience.rooms for audience in audiences}) == len(audiences)
        assert not any(audience.is_empty for audience in audiences)

    def teardown(self) -> None:
        for peer in self.peers:
            self.membership.forget(peer)
        left = {name: value for name, value in vars(self.membership).items() if value}
        assert left == {}


TestComings = Comings.TestCase
TestComings.settings = hypothesis.settings(max_examples=60, stateful_step_count=40, deadline=None)
