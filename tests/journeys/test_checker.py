"""The judge is judged: it finds nothing in good records, and every kind of lie in broken ones."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.journeys.checker import (
    Accepted,
    Ended,
    Entry,
    Joined,
    Reset,
    Told,
    mistakes_of,
)


def _cursor(offset: int, epoch: str = "one") -> str:
    return f"{epoch}.{offset}.{offset:08x}"


def _accepted(offset: int, epoch: str = "one", author: str | None = None) -> Accepted:
    body = {"bike_id": f"b{offset % 2}", "tag": f"{epoch} {offset}"}
    return Accepted(_cursor(offset, epoch), "bike-updated", json.dumps(body), author)


LOG = [_accepted(offset, author="me" if offset == 4 else None) for offset in range(1, 9)]
TWO_EPOCHS = [*LOG, *(_accepted(offset, "two") for offset in range(1, 4))]
STATE_AT_2 = json.dumps([json.loads(LOG[0].text), json.loads(LOG[1].text)])


def _told(*offsets: int, epoch: str = "one") -> list[Entry]:
    return [Told("bike-updated", _accepted(offset, epoch).text) for offset in offsets]


GOOD: list[Entry] = [
    Joined("me", _cursor(2), snapshot=STATE_AT_2, asked_snapshot=True),
    *_told(3, 5),
    Joined("me", _cursor(5)),
    Ended(),
    Joined("me", _cursor(6), since=_cursor(5), recovered=True, missed=1),
    *_told(6, 7, 8),
]


def test_good_records_are_good() -> None:
    assert mistakes_of(LOG, [GOOD, GOOD], history_length=10) == []


def test_an_announced_discontinuity_is_good() -> None:
    entries = [*GOOD[:3], Reset(), *_told(8), Reset(), *_told(1, 2, 3, epoch="two")]
    assert mistakes_of(TWO_EPOCHS, [entries]) == []


def test_whoever_left_need_not_be_told_the_rest() -> None:
    assert mistakes_of(LOG, [[Joined("me", _cursor(2)), *_told(3), Ended()]]) == []


def test_what_is_too_old_to_be_recovered_need_not_be() -> None:
    entries = [Joined("me", _cursor(8), since=_cursor(2), recovered=False, missed=0)]
    assert mistakes_of(LOG, [entries], history_length=5) == []


def _dropped(at: int) -> list[Entry]:
    return [*GOOD[:at], *GOOD[at + 1 :]]


BROKEN: dict[str, Callable[[], list[Entry]]] = {
    "dropped at once": lambda: _dropped(1),
    "dropped in the middle": lambda: _dropped(2),
    "dropped of the missed": lambda: _dropped(6),
    "dropped behind the missed": lambda: _dropped(7),
    "dropped at the end": lambda: _dropped(8),
    "swapped": lambda: [*GOOD[:6], GOOD[7], GOOD[6], *GOOD[8:]],
    "twice at once": lambda: [*GOOD[:2], *GOOD[1:]],
    "twice later": lambda: [*GOOD, GOOD[1]],
    "its own": lambda: [*GOOD[:2], *_told(4), *GOOD[2:]],
    "before the snapshot": lambda: [GOOD[0], *_told(2), *GOOD[1:]],
    "never published": lambda: [*GOOD, Told("bike-updated", '{"bike_id":"b1","tag":"forged"}')],
    "changed on the way": lambda: [*GOOD[:-1], Told("bike-updated", LOG[7].text + " ")],
    "another name": lambda: [*GOOD[:-1], Told("bike-moved", LOG[7].text)],
    "told after leaving": lambda: [*GOOD[:5], *_told(6), *GOOD[5:]],
    "reset after leaving": lambda: [*GOOD[:5], Reset(), *GOOD[5:]],
    "told before joining": lambda: [*_told(3), *GOOD],
    "wrong snapshot": lambda: [
        Joined("me", _cursor(3), snapshot=STATE_AT_2, asked_snapshot=True),
        *_told(5, 6, 7, 8),
    ],
    "no snapshot": lambda: [Joined("me", _cursor(2), asked_snapshot=True), *_told(3, 5, 6, 7, 8)],
    "place beyond what was told": lambda: [*GOOD[:2], Joined("me", _cursor(5)), *_told(6, 7, 8)],
    "needlessly lost": lambda: [
        Joined("me", _cursor(6), since=_cursor(2), recovered=False, missed=0),
        *_told(7, 8),
    ],
    "fewer missed than said": lambda: [
        Joined("me", _cursor(8), since=_cursor(5), recovered=True, missed=2),
        *_told(6, 7, 8),
    ],
    "nothing said to be missed": lambda: [
        Joined("me", _cursor(8), since=_cursor(5), recovered=True, missed=0),
        *_told(6, 7, 8),
    ],
    "back in time after a reset": lambda: [*GOOD[:3], Reset(), *_told(3, 5, 6, 7, 8)],
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_record_is_found(broken: Callable[[], list[Entry]]) -> None:
    assert mistakes_of(LOG, [GOOD, broken()], history_length=10) != []


def test_an_epoch_that_changes_silently_is_found() -> None:
    entries = [*GOOD, *_told(1, 2, 3, epoch="two")]
    assert mistakes_of(TWO_EPOCHS, [entries]) != []


def test_an_epoch_that_changes_and_is_not_heard_of_is_found() -> None:
    assert mistakes_of(TWO_EPOCHS, [GOOD]) != []


def test_an_answer_that_changes_the_epoch_silently_is_found() -> None:
    entries = [*GOOD, Joined("me", _cursor(0, "two")), *_told(1, 2, 3, epoch="two")]
    assert mistakes_of(TWO_EPOCHS, [entries]) != []


def test_a_recovery_into_another_epoch_is_found() -> None:
    joined = Joined("me", _cursor(3, "two"), since=_cursor(5), recovered=True, missed=3)
    assert mistakes_of(TWO_EPOCHS, [[joined, *_told(1, 2, 3, epoch="two")]]) != []


def test_a_hole_in_what_was_accepted_is_found() -> None:
    assert mistakes_of([*LOG[:3], *LOG[4:]], []) != []


def test_a_place_that_was_given_to_two_publications_is_found() -> None:
    assert mistakes_of([*LOG, _accepted(8)], []) != []
