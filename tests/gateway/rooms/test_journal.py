"""What the contract suite cannot see from outside: clocks, limits, and what is forgotten when."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rooms.journal import IDEMPOTENCY_KEYS_LIMIT, IDEMPOTENCY_SECONDS, Journal, Moment
from gateway.rooms.publication import Draft, Op, Outcome, Publication
from gateway.settings import RoomKind
from protocol.cursor import Cursor
from tests.gateway.rooms.drafts import ROOM, event, removal, update
from tests.gateway.rooms.reference import values_after, values_of

START_MS = 1_790_000_000_000


def _at(seconds: float, wall_ms: int | None = None) -> Moment:
    return Moment(seconds, START_MS + int(seconds * 1000) if wall_ms is None else wall_ms)


def _journal(  # noqa: PLR0913 - a kind of room has that many sides
    *,
    history_length: int = 1000,
    history_seconds: float = 120.0,
    tombstone_seconds: float = 600.0,
    expire_seconds: float = 0.0,
    values_limit: int = 50_000,
    idle_seconds: float = 86_400.0,
) -> Journal:
    kind = RoomKind(
        history_length=history_length,
        history_seconds=history_seconds,
        tombstone_seconds=tombstone_seconds,
        expire_seconds=expire_seconds,
        values_limit=values_limit,
        idle_seconds=idle_seconds,
    )
    return Journal(ROOM, kind, "epoch")


def _outcome(journal: Journal, draft: Draft, now: Moment) -> Outcome:
    return journal.accept(draft, now)[0].outcome


def test_the_proof_is_a_chain_over_all_packets() -> None:
    journal, proof = _journal(), 0
    for count in range(5):
        draft = event(count)
        receipt, told = journal.accept(draft, _at(0))
        proof = (proof * 31 + zlib.crc32(draft.packet)) & 0xFFFFFFFF
        assert (
            receipt.cursor == told[0].cursor == journal.cursor == Cursor("epoch", count + 1, proof)
        )


@given(st.lists(st.integers(0, 3), min_size=2, max_size=12), st.data())
def test_histories_that_differ_anywhere_differ_in_proof(
    packets: list[int], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(packets) - 1))
    fork = [*packets[:place], 9, *packets[place + 1 :]]
    one, two = _journal(), _journal()
    for mine, theirs in zip(packets, fork, strict=True):
        one.accept(event(mine), _at(0))
        two.accept(event(theirs), _at(0))
    assert one.history(two.cursor, 0) is None
    assert two.history(one.cursor, 0) is None


steps = st.lists(
    st.tuples(
        st.sampled_from(["update", "remove", "event", "wait"]),
        st.sampled_from(["b1", "b2", "b3", "b4"]),
        st.none() | st.integers(1, 6),
        st.dictionaries(st.sampled_from("xy"), st.none() | st.integers(0, 3), max_size=2),
    ),
    max_size=40,
)


@given(steps, st.integers(0, 8), st.sampled_from([0.0, 2.0]), st.integers(1, 3))
def test_history_and_values_agree_with_everything_that_was_told(
    taken: list[tuple[str, str, int | None, dict[str, object]]],
    history_length: int,
    expire_seconds: float,
    values_limit: int,
) -> None:
    journal = _journal(
        history_length=history_length, expire_seconds=expire_seconds, values_limit=values_limit
    )
    everything: list[Publication] = []
    now = _at(0)
    for number, (what, key, time_ms, fields) in enumerate(taken):
        now = _at(number)
        if what == "update":
            everything += journal.accept(update(key, fields, time_ms=time_ms), now)[1]
        elif what == "remove":
            everything += journal.accept(removal(key, time_ms=time_ms), now)[1]
        elif what == "event":
            everything += journal.accept(event(number), now)[1]
        else:
            everything += journal.expire(now)
        values = values_of(journal.values())
        assert values == values_after(everything)
        assert len(values) <= values_limit
    assert [each.offset for each in everything] == list(range(1, len(everything) + 1))
    places = [Cursor("epoch", 0, 0), *(each.cursor for each in everything)]
    for index, place in enumerate(places):
        history = journal.history(place, now.seconds)
        if len(everything) - index > history_length:
            assert history is None
        else:
            assert history == everything[index:]


def test_history_ends_at_its_age() -> None:
    journal = _journal(history_seconds=10)
    start = journal.cursor
    for seconds in (0, 5):
        journal.accept(event(seconds), _at(seconds))
    assert len(journal.history(start, 9.9) or ()) == 2
    assert journal.history(start, 10) is None
    assert journal.history(journal.cursor, 1000) == []


def test_a_room_without_history_still_knows_its_present_place() -> None:
    journal = _journal(history_length=0)
    before = journal.cursor
    journal.accept(event(1), _at(0))
    assert journal.history(before, 0) is None
    assert journal.history(journal.cursor, 0) == []


def test_a_clock_that_goes_back_makes_no_update_stale() -> None:
    journal = _journal()
    for wall_ms in (5000, 4000, 4000):
        assert _outcome(journal, update("b1"), _at(0, wall_ms)) is Outcome.ACCEPTED
    assert _outcome(journal, update("b1", time_ms=4999), _at(1)) is Outcome.STALE


def test_an_idempotency_key_is_forgotten_after_its_time_and_not_before() -> None:
    journal = _journal()
    draft = update("b1", idempotency_key="k")
    journal.accept(draft, _at(0))
    journal.expire(_at(IDEMPOTENCY_SECONDS - 0.1))
    assert _outcome(journal, draft, _at(IDEMPOTENCY_SECONDS)) is Outcome.REPEATED
    journal.expire(_at(IDEMPOTENCY_SECONDS))
    assert _outcome(journal, draft, _at(IDEMPOTENCY_SECONDS)) is Outcome.ACCEPTED


def test_of_too_many_idempotency_keys_the_oldest_goes_first() -> None:
    journal = _journal(history_length=1)
    for number in range(IDEMPOTENCY_KEYS_LIMIT + 1):
        journal.accept(update("b1", b"{}", idempotency_key=str(number)), _at(0))
    assert _outcome(journal, update("b1", idempotency_key="1"), _at(0)) is Outcome.REPEATED
    assert _outcome(journal, update("b1", idempotency_key="0"), _at(0)) is Outcome.ACCEPTED


def test_of_too_many_removals_the_oldest_is_forgotten_first() -> None:
    journal = _journal(values_limit=2)
    for key in ("b1", "b2", "b3"):
        journal.accept(removal(key, time_ms=2000), _at(0))
    outcomes = [_outcome(journal, update(key, time_ms=1000), _at(0)) for key in ("b1", "b2", "b3")]
    assert outcomes == [Outcome.ACCEPTED, Outcome.STALE, Outcome.STALE]


def test_a_removal_lasts_from_the_last_time_it_was_told() -> None:
    journal = _journal(tombstone_seconds=10)
    for seconds in (0, 6):
        journal.accept(removal("b1", time_ms=2000), _at(seconds))
    journal.expire(_at(12))
    assert _outcome(journal, update("b1", time_ms=1000), _at(12)) is Outcome.STALE
    journal.expire(_at(16))
    assert _outcome(journal, update("b1", time_ms=1000), _at(16)) is Outcome.ACCEPTED


def test_bikes_expire_in_the_order_in_which_they_were_last_heard_of() -> None:
    journal = _journal(expire_seconds=10)
    for seconds, key in enumerate(["b1", "b2", "b3", "b1"]):
        journal.accept(update(key), _at(seconds))
    assert journal.expire(_at(10.9)) == []
    assert [each.key for each in journal.expire(_at(12))] == ["b2", "b3"]
    gone = journal.expire(_at(13))
    assert [(each.key, each.op) for each in gone] == [("b1", Op.REMOVE)]
    assert json.loads(gone[0].payload)["reason"] == "expired"
    assert journal.expire(_at(100)) == []


def test_the_values_are_the_same_bytes_until_something_changes() -> None:
    journal = _journal()
    journal.accept(update("b1", time_ms=1000), _at(0))
    before = journal.values()
    journal.accept(event(1), _at(0))
    journal.accept(update("b1", {"n": 1}, time_ms=999), _at(0))
    assert journal.values() is before
    journal.accept(update("b1", {"n": 1}, time_ms=1001), _at(0))
    assert journal.values() != before


def test_a_room_is_over_when_nothing_is_left_and_nobody_can_come_back_to_it() -> None:
    journal = _journal(history_seconds=10, tombstone_seconds=20)
    journal.touch(0)
    assert not journal.is_over(10)
    assert journal.is_over(10.1)
    journal.accept(removal("b1"), _at(11))
    journal.expire(_at(30))
    assert not journal.is_over(30)  # the removal is still to be remembered
    journal.expire(_at(31))
    assert journal.is_over(31)
    journal.touch(31)
    assert not journal.is_over(41)


@pytest.mark.parametrize("idle_seconds", [50.0, 100.0])
def test_a_room_with_values_is_over_when_it_was_idle_for_too_long(idle_seconds: float) -> None:
    journal = _journal(idle_seconds=idle_seconds)
    journal.accept(update("b1"), _at(0))
    assert not journal.is_over(idle_seconds)
    journal.touch(10)
    assert not journal.is_over(idle_seconds + 10)
    assert journal.is_over(idle_seconds + 10.1)
