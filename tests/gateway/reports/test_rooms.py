"""Which rooms are worth a line, and what they are told to do a second."""

from __future__ import annotations

from gateway.reports.rooms import KEPT, PER_TURN, RoomWatch, lane_counts, worth_a_line
from gateway.rooms.membership import Membership
from protocol.cursor import Cursor
from protocol.reports import RoomLine
from tests.gateway.recorded_peers import rider


def line(name: str, members: int, per_second: float = 0.0) -> RoomLine:
    return RoomLine(room_id=name, members=members, per_second=per_second)


def enter(membership: Membership, name: str, room: str) -> None:
    peer = rider(name)
    membership.add(peer)
    membership.go_live(membership.subscribe(peer, room))


async def test_a_rate_is_how_far_the_offset_has_moved_since_the_look_before() -> None:
    membership, watch = Membership(), RoomWatch()
    for name, room in (("ann", "r"), ("ben", "r"), ("cat", "s")):
        enter(membership, name, room)
    membership.rooms["r"].stand_at(Cursor("e", 10, 0))
    first = await watch.look(membership.rooms, 100.0)
    membership.rooms["r"].stand_at(Cursor("e", 40, 0))
    second = await watch.look(membership.rooms, 102.0)
    membership.rooms["r"].stand_at(Cursor("another", 90, 0))
    third = await watch.look(membership.rooms, 103.0)

    assert first == [line("r", 2), line("s", 1)]
    assert second == [line("r", 2, 15.0), line("s", 1)]
    assert third[0].per_second == 0.0, "offsets of two epochs have nothing to do with each other"


async def test_of_many_rooms_the_largest_and_the_busiest_are_told() -> None:
    membership, watch = Membership(), RoomWatch()
    for number in range(2 * PER_TURN + 3):
        enter(membership, f"p{number}", f"room-{number:05}")
    enter(membership, "another", "room-02002")
    await watch.look(membership.rooms, 100.0)
    membership.rooms["room-01500"].stand_at(Cursor("", 5, 0))
    lines = await watch.look(membership.rooms, 101.0)

    assert lines[0] == line("room-02002", 2)
    assert line("room-01500", 1, 5.0) in lines
    assert len(lines) <= 2 * KEPT


def test_a_room_that_is_large_and_busy_has_one_line() -> None:
    rooms = [line(f"r{number}", number, 1000 - number) for number in range(200)]

    told = worth_a_line([*rooms, line("both", 5000, 5000)])

    assert told[0].room_id == "both"
    assert len(told) == len({each.room_id for each in told}) == 2 * KEPT - 1


async def test_peers_are_counted_by_lane() -> None:
    membership = Membership()
    for name in ("ann", "ben", "cat"):
        enter(membership, name, "r")
    membership.change_lane(membership.peers["ann"], lambda _: None)

    assert await lane_counts(membership.audiences) == (1, 2)
