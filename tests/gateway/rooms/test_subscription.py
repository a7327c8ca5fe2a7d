from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity import Identity
from gateway.rooms.membership import Peer
from gateway.rooms.publication import Publication
from gateway.rooms.subscription import HELD_LIMIT, Subscription
from protocol.cursor import Cursor
from protocol.refusals import Refusal, Refused
from tests.gateway.rooms.drafts import ROOM, event, publication_of


def _publication(offset: int, epoch: str = "one") -> Publication:
    return publication_of(event(f"{epoch} {offset}"), offset, epoch)


NOTICE = publication_of(event("reset", name="room-reset"), 0, "")


def _subscription() -> Subscription:
    return Subscription(Peer("peer-1", Identity("ann")), ROOM)


def _place(offset: int, epoch: str = "one") -> Cursor:
    return _publication(offset, epoch).cursor


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_wherever_the_place_is_all_behind_it_is_told_once_and_in_order(
    held: int, place: int, late: int
) -> None:
    # Deliveries 1..held come while the peer is being joined, the rest afterwards.
    reading = _subscription()
    for offset in range(1, held + 1):
        assert not reading.arrive(_publication(offset))
    told = reading.catch_up(_place(place))
    for offset in range(held + 1, held + late + 1):
        publication = _publication(offset)
        if reading.arrive(publication):
            told.append(publication)
    assert [each.offset for each in told] == list(range(place + 1, held + late + 1))


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_what_was_missed_comes_before_what_was_held(since: int, present: int, more: int) -> None:
    reading = _subscription()
    for offset in range(1, present + more + 1):
        reading.arrive(_publication(offset))
    missed = [_publication(offset) for offset in range(since + 1, present + 1)]
    told = reading.catch_up(_place(max(since, present)), missed)
    start = min(since, max(since, present))
    assert [each.offset for each in told] == list(range(start + 1, present + more + 1))


def test_the_filter_outlives_the_catch_up() -> None:
    reading = _subscription()
    reading.catch_up(_place(5))
    assert [reading.arrive(_publication(offset)) for offset in (4, 5, 6, 7)] == [
        False,
        False,
        True,
        True,
    ]


def test_it_is_level_with_whoever_has_been_told_no_less() -> None:
    reading = _subscription()
    assert reading.is_holding
    reading.catch_up(_place(5))
    assert not reading.is_holding
    levels = [reading.is_level_with("one", offset) for offset in (4, 5, 6)]
    assert levels == [False, True, True]
    assert not reading.is_level_with("two", 9)


def test_what_is_left_of_an_old_epoch_is_not_told_behind_a_place_in_the_new_one() -> None:
    reading = _subscription()
    reading.arrive(_publication(8))
    told = reading.catch_up(_place(2, "two"))
    assert told == []
    assert not reading.arrive(_publication(9))
    assert reading.interrupt(NOTICE)
    assert [reading.arrive(_publication(offset, "two")) for offset in (1, 2, 3)] == [
        False,
        False,
        True,
    ]


def test_a_new_epoch_is_news_behind_the_interruption() -> None:
    reading = _subscription()
    reading.catch_up(_place(8))
    assert reading.arrive(_publication(9))
    assert reading.interrupt(NOTICE)
    assert reading.arrive(_publication(1, "two"))
    assert not reading.arrive(_publication(1, "two"))
    assert reading.is_level_with("two", 1)


def test_an_interruption_while_holding_is_told_in_its_place() -> None:
    reading = _subscription()
    reading.arrive(_publication(8))
    reading.arrive(_publication(9))
    assert not reading.interrupt(NOTICE)
    reading.arrive(_publication(1, "two"))
    told = reading.catch_up(_place(8))
    assert told == [_publication(9), NOTICE, _publication(1, "two")]
    assert reading.place == _place(1, "two")


def test_a_place_in_the_new_epoch_skips_what_was_held_of_the_old_one() -> None:
    reading = _subscription()
    reading.arrive(_publication(9))
    reading.interrupt(NOTICE)
    reading.arrive(_publication(1, "two"))
    reading.arrive(_publication(2, "two"))
    told = reading.catch_up(_place(1, "two"))
    assert told == [NOTICE, _publication(2, "two")]


def test_a_hole_within_an_epoch_does_not_open_the_filter() -> None:
    reading = _subscription()
    reading.catch_up(_place(5))
    reading.interrupt(NOTICE)
    assert not reading.arrive(_publication(4))
    assert reading.arrive(_publication(50))


def test_too_much_to_hold_is_refused_and_nothing_more_is_kept() -> None:
    reading = _subscription()
    publication = _publication(1)
    for _ in range(HELD_LIMIT + 5):
        assert not reading.arrive(publication)
    with pytest.raises(Refused) as refused:
        reading.catch_up(_place(0))
    assert refused.value.refusal is Refusal.UNAVAILABLE


def test_as_much_as_may_be_held_is_told() -> None:
    reading = _subscription()
    for offset in range(1, HELD_LIMIT + 1):
        reading.arrive(_publication(offset))
    assert len(reading.catch_up(_place(0))) == HELD_LIMIT
