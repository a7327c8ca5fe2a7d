"""This module owns the body with which a backend publishes over HTTP."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

ITEMS_LIMIT: Final = 1000


def _null() -> Raw:
    return Raw(b"null")


class Item(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One event of the body."""

    event: Annotated[str, Meta(min_length=1, max_length=64)]
    data: Raw = msgspec.field(default_factory=_null)
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
