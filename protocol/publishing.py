"""This module owns the body with which a backend publishes over HTTP."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

from protocol.catalogue import EVENT_NAME_LIMIT_CHARACTERS, RESERVED_NAMES
from protocol.rooms import PRINTABLE_PATTERN

ITEMS_LIMIT: Final = 1000


EventName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=EVENT_NAME_LIMIT_CHARACTERS,
        description="printable, and no name that is the gateway's own or Socket.IO's",
        extra_json_schema={"pattern": PRINTABLE_PATTERN, "not": {"enum": sorted(RESERVED_NAMES)}},
    ),
]


def _null() -> Raw:
    return Raw(b"null")


class Item(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One event of the body."""

    event: EventName
    data: Raw = msgspec.field(default_factory=_null)
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
