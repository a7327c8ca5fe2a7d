"""This module owns a room as Server-Sent Events: what is asked, and how an event is written.

The names are those of Socket.IO, the data is the same JSON, and `id` is the cursor just behind the
event (HTML, section 9.2, "Server-sent events").
"""

from __future__ import annotations

from typing import Final

import msgspec

from protocol.events import CursorText

HEARTBEAT: Final = b":\n\n"


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Where to begin; `ticket` is for those who cannot send an `Authorization` header."""

    since: CursorText | None = None
    snapshot: bool = False
    ticket: str | None = None


class NewTicket(msgspec.Struct, frozen=True, rename="camel"):
    """A ticket: it opens one stream, once, for as long as that."""

    ticket: str
    expires_in_seconds: int


def event_of(name: str, data: bytes, cursor: str = "") -> bytes:
    """One event; without a cursor the client goes on after the one that it had before."""
    if b"\n" in data or b"\r" in data:  # JSON may have them between its words
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    id_line = b"id: %b\n" % cursor.encode() if cursor else b""
    return b"%bevent: %b\ndata: %b\n\n" % (id_line, name.encode(), data)


def retry_of(wait_ms: int) -> bytes:
    """How long the client is to wait before it comes back."""
    return b"retry: %d\n\n" % wait_ms
