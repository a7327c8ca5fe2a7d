"""This module owns the outside of a GBFS document: its JSON, its age, its time to live."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

import msgspec
from msgspec import Raw

# The largest fleets have some 30,000 vehicles of a dozen fields. Decoded values cost far more
# memory than their text, so a body of the permitted size could still be made to exhaust it.
VALUES_LIMIT = 4_000_000

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LARGEST_SECONDS = 1e11  # the year 5138; anything above is in milliseconds


class FeedMalformed(Exception):
    """The document cannot be used; the message says why, in words fit for a log."""


class Envelope(msgspec.Struct):
    """The members that every GBFS document has, undecoded."""

    data: dict[str, Raw]
    last_updated: Raw = Raw(b"null")
    ttl: Raw = Raw(b"null")


_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_array = msgspec.json.Decoder(list[Raw]).decode


def envelope_of(body: bytes) -> Envelope:
    text = body.removeprefix(_BYTE_ORDER_MARK).strip()
    if not text:
        raise FeedMalformed("empty body")
    if text.startswith(b"<"):
        raise FeedMalformed("HTML or XML instead of JSON")
    if text.count(b",") > VALUES_LIMIT:
        raise FeedMalformed(f"more than {VALUES_LIMIT} values")
    try:
        return _decode_envelope(text)
    except msgspec.ValidationError as error:
        raise FeedMalformed(f"not a GBFS document: {error}") from error
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        return _envelope_of_nearly(text, error)


def _envelope_of_nearly(text: bytes, fault: Exception) -> Envelope:
    """The envelope of what most programs take for JSON: with a NaN, or half of an emoji, in it.

    The entry that holds it will be refused; the thousand others are sound.
    """
    try:
        members = json.loads(text)
        data = {name: _raw_of(value) for name, value in members["data"].items()}
        return Envelope(data, _raw_of(members.get("last_updated")), _raw_of(members.get("ttl")))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise FeedMalformed(f"invalid JSON: {fault}") from fault


def _raw_of(value: object) -> Raw:
    return Raw(json.dumps(value).encode())


def entries_of(name: str, value: Raw) -> Sequence[Raw]:
    """The entries of the array `name`, undecoded. Raises `FeedMalformed`."""
    try:
        return _decode_array(value)
    except msgspec.ValidationError as error:
        raise FeedMalformed(f"data.{name} is not an array") from error
    except msgspec.DecodeError as error:
        entries = json.loads(bytes(value))
        if not isinstance(entries, list):
            raise FeedMalformed(f"data.{name} is not an array") from error
        return [_raw_of(entry) for entry in entries]


def seconds_of(value: Raw) -> float | None:
    """A duration in seconds, also where a feed wrote it as text; None when it is neither."""
    try:
        seconds = float(msgspec.json.decode(value, type=float | str))
    except (ValueError, msgspec.MsgspecError):
        return None
    return seconds if 0 <= seconds < _LARGEST_SECONDS else None


def moment_of(value: Raw) -> float | None:
    """A moment in seconds since 1970, from RFC 3339, POSIX seconds or milliseconds."""
    try:
        moment = msgspec.json.decode(value, type=float | str)
        if isinstance(moment, str) and not moment.isdigit():
            return dt.datetime.fromisoformat(moment).timestamp()
        seconds = float(moment)
    except (ValueError, OverflowError, msgspec.MsgspecError):
        return None
    return seconds / 1000 if seconds > _LARGEST_SECONDS else seconds
