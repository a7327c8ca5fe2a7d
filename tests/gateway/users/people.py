"""Users for tests, as many as wanted."""

from __future__ import annotations

import hashlib

from gateway.users.user import ID_RANDOM_BYTES, User, new_user
from protocol.users import NewUser, UserRole

NOW_MS = 1_800_000_000_000


def person(
    number: int = 0, *, name: str | None = None, role: UserRole = "rider", disabled: bool = False
) -> User:
    """The same number is the same user; they came a second apart."""
    body = NewUser(
        email=f"person{number}@Example.org",
        name=name or f"Person {number}",
        age=None if number % 3 else 18 + number % 80,
        role=role,
        disabled=disabled,
    )
    randomness = hashlib.sha256(str(number).encode()).digest()[:ID_RANDOM_BYTES]
    return new_user(body, NOW_MS + 1000 * number, randomness)
