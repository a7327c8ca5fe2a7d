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


class Heard(msgspec.Struct, frozen=True, gc=False):
    """The newest update of an entity: its own time, its content, and when it was accepted."""

    time_ms: int
    checksum: int
    seconds: float


class LastValue:
    """The present state of one entity: the patches since it was last read, merged when needed.

    A patch that sets every field that there is makes those before it void. Reports of one bike
    usually have the same fields each time, so usually there is one patch and nothing to merge.
    """

    __slots__ = ("_later", "_names", "_payload", "heard", "size_bytes")

    # Merging is put off until somebody reads; this bounds what waits.
    _PATCHES_LIMIT = 15
    # A bike that grows new fields for ever keeps those of its last update alone.
    _VALUE_LIMIT_BYTES = 32_768

    def __init__(self, payload: bytes, heard: Heard, names: tuple[str, ...] | None = None) -> None:
        self._payload = payload
        self._later: tuple[bytes, ...] = ()  # those that the payload does not contain yet
        self._names = names
        self.heard = heard
        self.size_bytes = len(payload)

    def patch(self, payload: bytes, heard: Heard, names: tuple[str, ...] | None = None) -> int:
        """Take in a newer update; return by how many bytes more, or fewer, are kept for it.

        `names` are the fields that it sets, None when it clears any.
        """
        self.heard = heard
        before_bytes = self.size_bytes
        if names is not None and names == self._names:
            self._payload = payload
            self.size_bytes = size_bytes = len(payload)
            return size_bytes - before_bytes
        self._names = None
        self._later = (*self._later, payload)
        self.size_bytes += len(payload)
        if len(self._later) >= self._PATCHES_LIMIT or self.size_bytes > self._VALUE_LIMIT_BYTES:
            self.value()
        return self.size_bytes - before_bytes

    def value(self) -> bytes:
        """The merged object; like every merged one without nulls, also after a single update."""
        if self._later or b"null" in self._payload:
            fields: dict[str, Raw] = {}
            for patch in (self._payload, *self._later):
                fields.update(_decode_fields(patch))
            merged = _object_of(fields)
            if len(merged) > self._VALUE_LIMIT_BYTES:
                fields = _decode_fields(self._later[-1] if self._later else self._payload)
                merged = _object_of(fields)
            self._payload, self._later = merged, ()
            self._names = tuple(name for name, raw in fields.items() if bytes(raw) != b"null")
            self.size_bytes = len(merged)
        return self._payload
