"""This module owns the bodies of API keys."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from protocol.rooms import PRINTABLE_PATTERN

OVERLAP_MOST_SECONDS: Final = 30 * 86_400
LIFETIME_MOST_SECONDS: Final = 10 * 365 * 86_400

_Pattern = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$(?!\n)",
        description="a room's name, in which `*` stands for any run of characters",
    ),
]
# Beside being one of those, a name that stands for itself alone.
_ROOM: Final = {"pattern": PRINTABLE_PATTERN, "not": {"pattern": r"\*"}}
Patterns = Annotated[tuple[_Pattern, ...], Meta(max_length=100)]
KeyName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$(?!\n)",
        description="1 to 100 printable characters",
    ),
]


class KeyBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A body of this resource."""


class NewKey(KeyBody, frozen=True, kw_only=True):
    """What makes a key: it may do what it is given and nothing else.

    With `tracker` it is a tracker code: one room to publish into, and none to join.
    """

    schema_rules: ClassVar[dict[str, Any]] = {
        "anyOf": [
            *(
                {
                    "required": [name],
                    "properties": {name: {"minItems": 1}, "tracker": {"const": False}},
                }
                for name in ("join", "publish")
            ),
            {
                "required": ["publish", "tracker"],
                "properties": {
                    "tracker": {"const": True},
                    "publish": {"minItems": 1, "maxItems": 1, "items": _ROOM},
                    "join": {"maxItems": 0},
                },
            },
        ]
    }

    name: KeyName
    join: Patterns = ()
    publish: Patterns = ()
    tracker: bool = False
    expires_in_seconds: Annotated[int, Meta(ge=1, le=LIFETIME_MOST_SECONDS)] | None = None


class Rotation(KeyBody, frozen=True, kw_only=True):
    """How long the secret before stays good beside the new one."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=OVERLAP_MOST_SECONDS)] = 86_400


class KeyView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A key as answers show it. `used_at` is right to a minute; `key` is there once, when made."""

    id: str
    name: str
    tracker: bool
    join: tuple[str, ...]
    publish: tuple[str, ...]
    created_at: dt.datetime
    expires_at: dt.datetime | None
    used_at: dt.datetime | None
    previous_until: dt.datetime | None
    key: str | msgspec.UnsetType = msgspec.UNSET
