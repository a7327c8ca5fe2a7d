from __future__ import annotations

from collections.abc import Iterable

import pytest

from gateway.feeds.entries import Entry
from gateway.feeds.leftovers import (
    FIRST_WAIT_SECONDS,
    LIMIT_BYTES,
    LIMIT_ENTRIES,
    LONGEST_WAIT_SECONDS,
    Leftovers,
)


def entries_of(room: str, numbers: Iterable[int], size_bytes: int = 2) -> list[Entry]:
    fields = {b"room": room.encode(), b"data": b"x" * size_bytes}
    return [Entry(str(number), fields) for number in numbers]


def ids_of(entries: Iterable[Entry]) -> list[int]:
    return [int(entry.id) for entry in entries]


@pytest.fixture
def left() -> Leftovers:
    left = Leftovers()
    left.put_back("r", entries_of("r", range(3)), 100.0)
    return left


def test_what_comes_later_for_a_room_that_waits_goes_behind_it(left: Leftovers) -> None:
    (later,), (elsewhere,) = entries_of("r", [3]), entries_of("s", [4])
    assert left.takes(later)
    assert not left.takes(elsewhere)
    assert not left.takes(Entry("5", {b"something": b"else"}))
    assert not left.takes(Entry("6", None))
    assert ids_of(left.take_due(200.0, 10)) == [0, 1, 2, 3]


def test_what_was_tried_in_vain_goes_before_the_rest(left: Leftovers) -> None:
    tried = left.take_due(200.0, 2)
    assert ids_of(tried) == [0, 1]
    left.put_back("r", tried[1:], 200.0)
    left.release()
    assert ids_of(left.take_due(300.0, 10)) == [1, 2]


def test_a_room_waits_longer_each_time_up_to_a_limit(left: Leftovers) -> None:
    now_seconds, waits = 100.0, []
    for _ in range(10):
        due_in_seconds = left.due_in_seconds(now_seconds)
        assert due_in_seconds is not None
        assert left.take_due(now_seconds + due_in_seconds - 0.01, 10) == []
        now_seconds += due_in_seconds
        waits.append(due_in_seconds)
        left.put_back("r", left.take_due(now_seconds, 10), now_seconds)
    assert waits[:3] == [FIRST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2, FIRST_WAIT_SECONDS * 4]
    assert waits[-1] == LONGEST_WAIT_SECONDS


def test_a_room_waits_until_all_of_it_was_settled(left: Leftovers) -> None:
    left.take_due(200.0, 2)
    left.release()
    assert left.due_in_seconds(200.0) == 0.0
    left.take_due(200.0, 2)
    assert left, "what was taken is not settled yet"
    left.release()
    assert not left
    assert left.due_in_seconds(200.0) is None
    assert not left.takes(entries_of("r", [9])[0])


def test_there_is_space_until_too_many_wait_or_too_much(left: Leftovers) -> None:
    assert left.space == LIMIT_ENTRIES - 3
    left.put_back("s", entries_of("s", [4], LIMIT_BYTES), 100.0)
    assert left.space == 0
    left.take_due(200.0, 10)
    left.release()
    assert left.space == LIMIT_ENTRIES
    left.put_back("r", entries_of("r", range(LIMIT_ENTRIES + 1)), 200.0)
    assert left.space == 0
