"""This module owns CloudEvents 1.0 as a way to say what is published.

`type` is the event's name and `data` its data. `source` and `id` together say which event it is, so
they are its idempotency key. Other attributes are not relayed: an event has a name and data here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Final, Literal
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from protocol.publishing import EventName, Item
from protocol.refusals import Refusal, Refused

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
_HEADER_PREFIX: Final = "ce-"
_NULL: Final = Raw(b"null")

_Text = Annotated[str, Meta(min_length=1, max_length=2048)]
# What is refused with a reason of its own is not refused by the decoder: said in the schema alone.
_JsonType = Annotated[
    str, Meta(extra_json_schema={"pattern": r"^ *(application/json|[^;]*\+json) *(;|$)"})
]


class _Attributes(msgspec.Struct, frozen=True):
    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: EventName

    def item(self, data: Raw) -> Item:
        told = f"{len(self.source)} {self.source} {self.id}"
        key = f"ce:{hashlib.sha256(told.encode()).hexdigest()}"
        return Item(self.type, data, key)


class CloudEvent(_Attributes, frozen=True):
    """An event in the JSON format of CloudEvents 1.0; its data is JSON, too."""

    datacontenttype: _JsonType = "application/json"
    data: Raw = msgspec.field(default_factory=lambda: _NULL)
    data_base64: Annotated[str, Meta(extra_json_schema={"not": {}})] | UnsetType = UNSET


_decode = msgspec.json.Decoder(CloudEvent).decode


def item_of(raw: bytes | Raw) -> Item:
    """What an event in the JSON format says to publish; raises `Refused`."""
    try:
        event = _decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _not_one(error) from error
    if event.data_base64 is not UNSET or not _is_json(event.datacontenttype):
        raise Refused(Refusal.UNSUPPORTED_MEDIA_TYPE, "The data of a CloudEvent must be JSON.")
    return event.item(event.data)


def is_in_headers(headers: Mapping[str, str]) -> bool:
    """Whether a request is an event in binary mode: attributes in headers, the body its data."""
    return f"{_HEADER_PREFIX}specversion" in headers


def item_of_headers(headers: Mapping[str, str], data: bytes | Raw) -> Item:
    """What an event in binary mode says to publish; raises `Refused`."""
    names = _Attributes.__struct_fields__
    given = {name: unquote(headers.get(_HEADER_PREFIX + name, "")) for name in names}
    try:
        return msgspec.convert(given, _Attributes).item(Raw(data) if bytes(data).strip() else _NULL)
    except msgspec.ValidationError as error:
        raise _not_one(error) from error


def _is_json(media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _not_one(error: Exception) -> Refused:
    return Refused(Refusal.MALFORMED, f"Not a CloudEvent: {error}")
