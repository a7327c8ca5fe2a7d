"""This module owns the people of a demonstration: always the same ones, with every role.

Pure. Their passwords are not among it: one that is known everywhere is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from gateway.users.user import ID_RANDOM_BYTES, User, new_user
from protocol.users import NewUser, UserRole

RIDERS_LIMIT: Final = 10_000
_BEGAN_MS: Final = 1_767_225_600_000  # 2026-01-01
_MINUTE_MS: Final = 60_000
_STAFF: Final[tuple[tuple[str, str, UserRole], ...]] = (
    ("admin", "Ada Admin", "admin"),
    ("operator", "Olga Operator", "operator"),
    ("rider", "Rhea Rider", "rider"),
    ("viewer", "Vito Viewer", "viewer"),
)


def staff() -> list[User]:
    """One of each role, who get passwords: admin@demo.example and so on."""
    return [
        _person(number, local_part, name, role)
        for number, (local_part, name, role) in enumerate(_STAFF)
    ]


def riders(count: int) -> Iterator[User]:
    """So many more, of every age that there may be, who cannot sign in."""
    for number in range(count):
        age = None if number % 7 == 0 else 18 + number % 60
        local_part, name = f"rider{number:05}", f"Rider {number:05}"
        yield _person(len(_STAFF) + number, local_part, name, "rider", age)


def _person(
    number: int, local_part: str, name: str, role: UserRole, age: int | None = None
) -> User:
    body = NewUser(email=f"{local_part}@demo.example", name=name, role=role, age=age)
    randomness = hashlib.sha256(local_part.encode()).digest()[:ID_RANDOM_BYTES]
    return new_user(body, _BEGAN_MS + number * _MINUTE_MS, randomness)
