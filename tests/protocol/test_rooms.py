import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.refusals import Refusal, Refused
from protocol.rooms import check_room_name, is_room_name, matches

NAMES = [
    "a",
    "city:paris",
    "café des vélos",
    "房间 1",
    "🚲" * 200,
    "*",
    "../../etc",
    "<b>",
    "e\u0301",
    "x" * 200,
]
NO_NAMES = [
    "",
    "x" * 201,
    "a\nb",
    "a\x00b",
    "tab\t",
    "\x7f",
    "\x1e",
    "\ud800",
    "\u200b",
    "\u2028",
    "\u202e",
    "\u00a0",
    "\ufeff",
    "\ue000",
    None,
    5,
    True,
    b"city",
    ["city"],
    {"roomId": "city"},
]


@pytest.mark.parametrize("name", NAMES)
def test_printable_text_is_a_rooms_name(name: str) -> None:
    assert is_room_name(name)
    assert check_room_name(name) == name


@pytest.mark.parametrize("name", NO_NAMES)
def test_anything_else_is_refused(name: object) -> None:
    assert not is_room_name(name)
    with pytest.raises(Refused) as refused:
        check_room_name(name)
    assert refused.value.refusal is Refusal.INVALID_ROOM


@pytest.mark.parametrize(
    ("pattern", "room", "answer"),
    [
        ("*", "anything at all", True),
        ("city:paris", "city:paris", True),
        ("city:paris", "city:paris2", False),
        ("city:*", "city:", True),
        ("city:*", "city:paris", True),
        ("city:*", "my city:paris", False),
        ("*:paris", "city:paris", True),
        ("city:*:bikes", "city:a:b:bikes", True),
        ("city:*:bikes", "city:bikes", False),
        ("**", "x", True),
        ("a**b", "ab", True),
        ("*a*", "bab", True),
        ("a*a", "a", False),
        ("*ab*ab", "ab", False),
        ("*ab*ab", "abab", True),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("a?", "ab", False),
        ("(", "(", True),
        ("CITY:*", "city:paris", False),
        ("a*b", "a\nb", True),
        ("", "x", False),
        ("", "", True),
    ],
)
def test_a_star_stands_for_any_run_of_characters(pattern: str, room: str, *, answer: bool) -> None:
    assert matches(pattern, room) is answer


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_patterns_mean_what_they_mean_in_a_shell(pattern: str, room: str) -> None:
    assert matches(pattern, room) is fnmatch.fnmatchcase(room, pattern)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("stars", [20, 99])
def test_a_pattern_of_many_stars_takes_no_more_than_a_moment(stars: int) -> None:
    # A search that goes back and tries every split would not end in the lifetime of the sun.
    assert not matches("*a" * stars + "*b", "a" * 200)
    assert matches("*a" * stars + "*", "a" * 200)
