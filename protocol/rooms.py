"""This module owns the grammar of room names and of the patterns that stand for many rooms."""

from __future__ import annotations

import functools
import re

from protocol.refusals import Refusal, Refused

ROOM_NAME_LIMIT_CHARACTERS = 200
# `str.isprintable`, as JSON Schema (ECMA-262, with its flag for Unicode) says it.
PRINTABLE_PATTERN = r"^(?:[^\p{C}\p{Z}]| )+$"


def is_room_name(value: object) -> bool:
    """Whether `value` is a string of 1 to 200 printable characters."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= ROOM_NAME_LIMIT_CHARACTERS
        and value.isprintable()
    )


def check_room_name(value: object) -> str:
    """Return `value` when it is a room's name; raise `Refused` (INVALID_ROOM) otherwise."""
    if isinstance(value, str) and 0 < len(value) <= ROOM_NAME_LIMIT_CHARACTERS:  # noqa: SIM102
        if value.isprintable():
            return value
    raise Refused(Refusal.INVALID_ROOM)


def matches(pattern: str, room: str) -> bool:
    """Whether `pattern` stands for `room`; `*` is any run of characters, also an empty one."""
    if pattern == "*":
        return True
    return _compiled(pattern).fullmatch(room) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *parts = map(re.escape, re.split(r"\*+", pattern))
    if not parts:
        return re.compile(first)
    *middle, last = parts
    # A middle part may as well stand where it is found first. Atomic groups hold the search to
    # that: `.*` alone would try every place of each part with every place of the others.
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last, re.DOTALL)
