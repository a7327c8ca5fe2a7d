r"""This module owns the bytes that say what was published: on a room's channel, and in its log.

    <epoch> <offset> <proof before> <proof> <length of meta>\n<meta><packet>

Redis writes the first line; the rest is what the publishing worker sent, and nothing between it
and the peers takes the packet apart again. Meta is a MessagePack array that may be cut short.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from gateway.rooms.publication import Draft, Op, Publication
from protocol.cursor import Cursor


class Meta(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the worker that follows a room needs to know of a publication, besides its packet."""

    event: str
    op: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0
    key: str | None = None
    author: str | None = None
    names: str = ""
    attachments: tuple[bytes, ...] = ()
    accepted_us: int = 0
    trace: Annotated[str, msgspec.Meta(max_length=55)] = ""


class AnnouncementInvalid(ValueError):
    """These bytes were not written by a gateway."""


_encode_meta = msgspec.msgpack.Encoder().encode
_decode_meta: Callable[[bytes], Meta] = msgspec.msgpack.Decoder(Meta).decode
# A member of an enumeration costs a look-up when it is made from its number.
_OPS: Final = (Op.NONE, Op.UPSERT, Op.REMOVE)


def meta_of(draft: Draft, names: str) -> bytes:
    """The part that goes before the packet; `names` is the digest of the fields that it sets."""
    fields = (
        draft.event,
        int(draft.op),
        draft.key,
        draft.author,
        names,
        draft.attachments,
        draft.accepted_us,
    )
    return _encode_meta((*fields, draft.trace) if draft.trace else fields)


def read(room: str, data: bytes) -> tuple[int, Publication]:
    """The proof at the place before, and the publication. Raises `AnnouncementInvalid`."""
    try:
        line_end = data.index(b"\n")
        epoch, offset, before, proof, meta_length = data[:line_end].split()
        packet_at = line_end + 1 + int(meta_length)
        meta = _decode_meta(data[line_end + 1 : packet_at])
        publication = Publication(
            room,
            epoch.decode(),
            int(offset),
            int(proof),
            meta.event,
            data[packet_at:],
            meta.author,
            meta.key,
            _OPS[meta.op],
            meta.attachments,
            # Equal digests are equal names, and nobody asks which names they are.
            (meta.names,) if meta.names else None,
            meta.accepted_us,
            meta.trace,
        )
        return int(before), publication
    except (ValueError, IndexError, msgspec.MsgspecError) as error:
        raise AnnouncementInvalid(str(error)) from error


def cursor_of(epoch: bytes, offset: int, proof: int) -> Cursor:
    """A place, as scripts return it."""
    return Cursor(epoch.decode(), offset, proof)
