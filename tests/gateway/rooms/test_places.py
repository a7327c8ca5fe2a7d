from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rooms.places import CURSORS, OffsetInvalid, Places, places_to_resume
from gateway.rooms.publication import Publication
from protocol.cursor import Cursor
from tests.gateway.rooms.drafts import event, publication_of

cursors = st.builds(
    Cursor,
    st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True),
    st.integers(0, 10**15),
    st.integers(0, 2**32 - 1),
)
rooms = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=200)


def at(offset: int, epoch: str = "e") -> Cursor:
    return Cursor(epoch, offset, offset)


def told(room: str, offset: int) -> Publication:
    return publication_of(event(room=room), offset, "e", offset)


def notice(room: str) -> Publication:
    return publication_of(event(room=room), 0, "", 0)


def test_a_trail_of_cursors_is_the_cursor_of_the_event() -> None:
    assert CURSORS.after(told("a", 7)) == b'"e.7.00000007"'
    assert CURSORS.after(notice("a")) == b""


@given(st.dictionaries(rooms, cursors, min_size=1, max_size=20))
def test_what_is_said_of_places_is_understood(places: dict[str, Cursor]) -> None:
    offset = Places(places).offset

    assert json.loads(f'"{offset}"') == offset, "it needs no escapes"
    assert places_to_resume(dict.fromkeys(places, at(0, "old")), offset) == places


def test_each_event_says_where_its_reader_stands_in_all_rooms() -> None:
    places = Places({"a": at(1), "b": at(5)})
    arguments = json.loads(b"[%b]" % places.after(told("a", 2)))

    assert len(arguments) == 1
    assert places_to_resume({"a": at(0), "b": at(0)}, arguments[0]) == {"a": at(2), "b": at(5)}
    assert places.after(notice("b")) == b"", "a notice has no place"
    assert places.cursor_in("b") == at(5)


def test_who_wants_cursors_too_gets_them_first() -> None:
    places = Places({"a": at(1)}, has_cursors=True)
    cursor, offset = json.loads(b"[%b]" % places.after(told("a", 2)))

    assert cursor == str(at(2))
    assert offset == places.offset


def test_a_reader_of_fewer_rooms_goes_on_alone() -> None:
    both = Places({"a": at(1), "b": at(1)})
    one = both.among(["a", "c"])
    both.after(told("a", 2))
    one.after(told("a", 3))

    assert (both.cursor_in("a"), one.cursor_in("a")) == (at(2), at(3))
    assert (one.cursor_in("b"), one.cursor_in("c")) == (None, None)


class TestResuming:
    def test_without_an_offset_what_is_confirmed_counts(self) -> None:
        assert places_to_resume({"a": at(3), "b": at(0)}, None) == {"a": at(3), "b": at(0)}
        assert places_to_resume({}, None) == {}

    @pytest.mark.parametrize(("confirmed", "said", "later"), [(3, 9, 9), (9, 3, 9), (4, 4, 4)])
    def test_the_later_place_counts(self, confirmed: int, said: int, later: int) -> None:
        offset = Places({"a": at(said)}).offset

        assert places_to_resume({"a": at(confirmed)}, offset) == {"a": at(later)}

    def test_of_two_epochs_that_of_the_client_counts(self) -> None:
        offset = Places({"a": at(1, "new")}).offset

        assert places_to_resume({"a": at(9, "old")}, offset) == {"a": at(1, "new")}

    def test_a_room_that_is_not_named_is_where_it_was_confirmed(self) -> None:
        offset = Places({"a": at(5)}).offset

        assert places_to_resume({"a": at(1), "b": at(2)}, offset) == {"a": at(5), "b": at(2)}

    def test_a_room_that_was_left_is_not_gone_back_to(self) -> None:
        offset = Places({"a": at(5), "left": at(7)}).offset

        assert places_to_resume({"a": at(1)}, offset) == {"a": at(5)}

    def test_a_room_of_which_nothing_is_known_cannot_be_continued(self) -> None:
        offset = Places({"a": at(5), "b": at(5)}).offset

        assert places_to_resume({"a": at(1), "b": None}, offset) is None

    @pytest.mark.parametrize(
        "offset",
        [
            "",
            ",",
            "nonsense",
            "Q86-HS9",  # Node's
            "e.1.00000001",
            "AAAAAA:e.-1.00000001",
            f"AAAAAA:e.{10**30}.00000001",
            "AAAAAA:e.1.00000001,",
            "AAAAAA:e.1.00000001,BBBBBB",
            "AAAAAAA:e.1.00000001",
            'AAAAAA:e.1.0000000"',
            "AAAAAA:e.1.00000001 ",
            ",".join(["AAAAAA:e.1.00000001"] * 10_000),
            "A" * 60_000,
        ],
    )
    def test_what_was_never_given_out_is_refused(self, offset: str) -> None:
        with pytest.raises(OffsetInvalid):
            places_to_resume({"a": at(1)}, offset)
