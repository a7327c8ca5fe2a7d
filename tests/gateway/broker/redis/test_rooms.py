from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.redis.rooms import RedisRooms, is_reached, tag_of
from gateway.redis.slots import slot_of
from gateway.settings import RoomKind
from protocol.cursor import Cursor

NAMES = st.text(min_size=1, max_size=20) | st.text("{}%7BD", min_size=1, max_size=8)


def rooms() -> RedisRooms:
    return RedisRooms(lambda _: RoomKind(), "paceline")


@given(NAMES)
def test_all_keys_of_a_room_are_in_one_slot_whatever_its_name(name: str) -> None:
    room = rooms()[name]

    assert {slot_of(key) for key in (*room.keys, room.members_key)} == {room.slot}


@given(NAMES, NAMES)
def test_two_rooms_never_share_a_key(one: str, other: str) -> None:
    assert (tag_of(one) == tag_of(other)) == (one == other)


def test_a_room_is_made_once_and_their_number_is_bounded() -> None:
    known = rooms()
    first = known["a"]
    assert known["a"] is first

    for number in range(20_001):
        known[f"room:{number}"]

    assert known["a"] is not first
    assert known["a"].keys == first.keys


def test_a_room_in_use_stays_the_same_whatever_others_are_asked_for() -> None:
    known = rooms()
    first = known["a"]

    for number in range(50_000):
        known[f"room:{number}"]
        if number % 5_000 == 0:
            assert known["a"] is first


def test_a_room_outlives_its_history_and_its_followers_next_look() -> None:
    long = RedisRooms(lambda _: RoomKind(history_seconds=3600, idle_seconds=1), "p")["a"]
    short = RedisRooms(lambda _: RoomKind(history_seconds=1, idle_seconds=1), "p")["a"]

    assert long.keep_ms == 3_600_000
    assert short.keep_ms == 60_000


def test_a_place_is_reached_in_its_epoch_alone() -> None:
    told = Cursor("epoch", 7, 7)

    assert is_reached(None, Cursor("epoch", 1, 1))
    assert is_reached(told, Cursor("epoch", 7, 7))
    assert not is_reached(told, Cursor("epoch", 6, 6))
    assert not is_reached(told, Cursor("other", 9, 9))
