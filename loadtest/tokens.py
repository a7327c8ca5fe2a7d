"""This module owns the identities of the riders: one signed token each, made in advance."""

from __future__ import annotations

from time import time
from typing import Final

import jwt

ALGORITHM: Final = "HS256"
# For servers that this program starts itself; --secret replaces it for one that runs elsewhere.
SECRET: Final = "loadtest-secret-of-at-least-thirty-two-bytes"  # noqa: S105 - guards nothing but a test on loopback
_LIFETIME_SECONDS: Final = 6 * 3600


def token_of(number: int, secret: str, role: str = "rider") -> str:
    claims = {"sub": f"{role}-{number}", "role": role, "exp": int(time()) + _LIFETIME_SECONDS}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)
