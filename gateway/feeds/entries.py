"""This module owns what an entry of the ingest stream says: which event, into which room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from protocol import codec, events
from protocol.refusals import Refusal, Refused
from protocol.rooms import check_room_name

FIELDS: Final = ("room", "event", "data", "key")
_BIKE_UPDATE: Final = "bike-update"
_KEY_LIMIT_CHARACTERS: Final = 128


class Entry(msgspec.Struct, frozen=True):
    """One entry, by the id that Redis has given it. `fields` is None when it was deleted."""

    id: str
    fields: Mapping[bytes, bytes] | None

    @property
    def size_bytes(self) -> int:
        """What it says, without what it takes to keep it."""
        return sum(len(name) + len(value) for name, value in (self.fields or {}).items())


def entry_of(found: Sequence[object]) -> Entry:
    """Read an entry as XREADGROUP answers it."""
    id_, pairs = found
    assert isinstance(id_, bytes)
    if pairs is None:
        return Entry(id_.decode(), None)
    assert isinstance(pairs, list)
    return Entry(id_.decode(), dict(zip(pairs[::2], pairs[1::2], strict=True)))


def room_of(entry: Entry) -> str | None:
    """The room that the entry is for; None when it says none that there can be."""
    try:
        return check_room_name(_text_of((entry.fields or {})[b"room"]))
    except (KeyError, Refused):
        return None


def event_of(entry: Entry) -> events.BikeUpdate | events.Publish:
    """What the entry asks to be published; raises `Refused` with a reason for whoever wrote it.

    Without a `key` of its own the entry's id is its idempotency key: read twice, published once.
    """
    assert entry.fields is not None, "what was deleted says nothing"
    texts = {_text_of(name): value for name, value in entry.fields.items()}
    unknown = sorted(set(texts) - set(FIELDS))
    if unknown:
        raise Refused(Refusal.MALFORMED, f"Unknown fields: {', '.join(unknown)[:200]}.")
    missing = [name for name in ("room", "data") if name not in texts]
    if missing:
        raise Refused(Refusal.MALFORMED, f"Missing fields: {', '.join(missing)}.")
    room = check_room_name(_text_of(texts["room"]))
    event = _text_of(texts.get("event", _BIKE_UPDATE.encode()))
    key = _text_of(texts["key"]) if "key" in texts else entry.id
    if not 0 < len(key) <= _KEY_LIMIT_CHARACTERS or not key.isprintable():
        raise Refused(Refusal.MALFORMED, "key is 1 to 128 printable characters.")
    _text_of(texts["data"])
    if event == _BIKE_UPDATE:
        return codec.bike_update_of(texts["data"], key, room)
    return codec.publish_of(room, event, Raw(texts["data"]), key)


def _text_of(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Refused(Refusal.MALFORMED, "Not UTF-8.") from error
