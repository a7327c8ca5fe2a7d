"""This module owns a room's last values: one JSON object per bike, made of the updates it sent.

An update is a patch (RFC 7396, at the top level of the object): a field that is absent stays as it
was, null clears it, a nested object is replaced whole. Values keep the text in which they came, so
a number with 17 digits is the same number in the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Raw

_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode_name = msgspec.json.Encoder().encode


def merged(older: bytes, newer: bytes) -> bytes:
    """The object after both patches. Both are JSON objects; the result is one, without nulls."""
    fields = _decode_fields(older)
    fields.update(_decode_fields(newer))
    return _object_of(fields)


def conflated(older: bytes, newer: bytes) -> bytes:
    """One patch that does what both do, one after the other: nulls are kept, they clear."""
    fields = _decode_fields(older)
    fields.update(_decode_fields(newer))
    return _object_of(fields, keep_nulls=True)


def _object_of(fields: dict[str, Raw], *, keep_nulls: bool = False) -> bytes:
    texts = ((name, bytes(raw)) for name, raw in fields.items())
    members = [
        _encode_name(name) + b":" + text for name, text in texts if keep_nulls or text != b"null"
    ]
    return b"{" + b",".join(members) + b"}"


def array_of(objects: Iterable[bytes]) -> bytes:
    """The JSON array that a joining member gets."""
    return b"[" + b",".join(objects) + b"]"


class LastValue:
    """The present state of one entity: the patches since it was last read, merged when needed."""

    __slots__ = ("_patches", "checksum", "heard_seconds", "time_ms")

    # Merging is put off until somebody reads; this bounds what waits.
    _PATCHES_LIMIT = 16

    def __init__(self, payload: bytes, time_ms: int, checksum: int, heard_seconds: float) -> None:
        self._patches = [payload]
        self.time_ms = time_ms
        self.checksum = checksum
        self.heard_seconds = heard_seconds

    def patch(self, payload: bytes, time_ms: int, checksum: int, heard_seconds: float) -> None:
        """Take in a newer update."""
        self._patches.append(payload)
        self.time_ms = time_ms
        self.checksum = checksum
        self.heard_seconds = heard_seconds
        if len(self._patches) >= self._PATCHES_LIMIT:
            self.value()

    def value(self) -> bytes:
        """The merged object."""
        patches = self._patches
        if len(patches) > 1:
            fields = _decode_fields(patches[0])
            for patch in patches[1:]:
                fields.update(_decode_fields(patch))
            self._patches = [_object_of(fields)]
        return self._patches[0]
