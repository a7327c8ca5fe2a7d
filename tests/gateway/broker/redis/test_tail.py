from __future__ import annotations

import msgspec
import pytest

from gateway.broker.redis.reads import Entry, Log
from gateway.broker.redis.tail import TAIL_LIMIT_BYTES, Tail
from protocol.cursor import Cursor
from tests.gateway.rooms.drafts import event, publication_of

NOW = 1000.0
REACH = (100, 60.0)


def place(offset: int, epoch: str = "epoch") -> Cursor:
    """Where the `offset`-th publication ends; its proof is its offset."""
    return Cursor(epoch, offset, offset)


def entry(offset: int, epoch: str = "epoch") -> Entry:
    return offset - 1, publication_of(event(offset), offset, epoch)


def log(*offsets: int, age_seconds: float = 1.0, epoch: str = "epoch") -> Log:
    """What was read of a room up to the last of these, published so long ago."""
    entries = [entry(offset, epoch) for offset in offsets]
    then_ms = round(1_000_000 - age_seconds * 1000)
    return Log(place(offsets[-1], epoch), 1_000_000, entries, [then_ms] * len(entries))


def tail(start: int, *offsets: int) -> Tail:
    """One that began there and has taken in what followed."""
    made = Tail(place(start), NOW)
    for offset in offsets:
        made.append(entry(offset), NOW)
    return made


def offsets_after(made: Tail, since: Cursor, now_seconds: float = NOW) -> list[int] | None:
    entries = made.after(since, now_seconds, *REACH)
    return None if entries is None else [publication.offset for _, publication in entries]


def test_it_answers_from_its_start_to_its_end() -> None:
    made = tail(5, 6, 7)

    assert [offsets_after(made, place(offset)) for offset in (5, 6, 7)] == [[6, 7], [7], []]
    assert made.end == place(7)


def test_what_is_before_its_start_or_behind_its_end_is_not_known() -> None:
    made = tail(5, 6, 7)

    assert [offsets_after(made, place(offset)) for offset in (4, 8)] == [None, None]


def test_a_log_that_leads_to_its_start_joins_it() -> None:
    made = tail(5, 6, 7)
    made.reach_back(log(2, 3, 4, 5, 6, 7, 8), NOW)

    assert offsets_after(made, place(1)) == [2, 3, 4, 5, 6, 7]
    assert offsets_after(made, place(0)) is None
    assert made.end == place(7), "what was read beyond it has not been delivered yet"


def test_a_log_that_does_not_lead_there_is_left_alone() -> None:
    for other in (log(2, 3, 4), log(3, 5), log(4, 5, epoch="other")):
        made = tail(5, 6)
        made.reach_back(other, NOW)

        assert offsets_after(made, place(3)) is None
        assert offsets_after(made, place(5)) == [6]


def test_a_log_with_a_hole_is_taken_in_up_to_the_hole() -> None:
    made = tail(5)
    made.reach_back(log(2, 4, 5), NOW)

    assert offsets_after(made, place(3)) == [4, 5]
    assert offsets_after(made, place(1)) is None


def test_another_history_is_not_continued() -> None:
    made = tail(5, 6, 7)

    assert offsets_after(made, Cursor("epoch", 6, 99)) is None
    assert offsets_after(made, Cursor("epoch", 7, 99)) is None
    assert offsets_after(made, place(6, "other")) is None


def test_what_is_too_old_is_not_told() -> None:
    made = tail(5, 6)
    made.reach_back(log(4, 5, age_seconds=30.0), NOW)

    assert offsets_after(made, place(3), NOW + 29.0) == [4, 5, 6]
    assert offsets_after(made, place(3), NOW + 31.0) is None
    assert offsets_after(made, place(5), NOW + 31.0) == [6]


def test_no_more_is_told_than_a_room_keeps() -> None:
    made = tail(0, *range(1, 102))

    assert offsets_after(made, place(0)) is None
    assert len(offsets_after(made, place(1)) or ()) == 100


@pytest.mark.parametrize("is_attached", [True, False])
def test_it_lets_go_of_the_oldest_when_it_becomes_too_large(*, is_attached: bool) -> None:
    made, large = Tail(place(0), NOW), "x" * (TAIL_LIMIT_BYTES // 4)
    for offset in range(1, 8):
        publication = publication_of(event("small" if is_attached else large), offset)
        if is_attached:
            publication = msgspec.structs.replace(publication, attachments=(large.encode(),))
        made.append((offset - 1, publication), NOW)

    assert offsets_after(made, place(0)) is None
    assert offsets_after(made, place(4)) == [5, 6, 7]


def test_it_is_wanted_as_long_as_somebody_asks() -> None:
    made = tail(5, 6)
    assert made.is_wanted(NOW + 9.0)
    assert not made.is_wanted(NOW + 11.0)

    made.after(place(5), NOW + 9.0, *REACH)

    assert made.is_wanted(NOW + 18.0)
