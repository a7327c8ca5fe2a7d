"""This module owns what may stand behind an event, to say how far its reader has come.

Two kinds, for whoever asks: the cursor of the event's room, and the places of all the reader's
rooms, which is the `offset` of Socket.IO's connection state recovery. A client keeps the last one
that it was sent and returns it as it is. Peers of one audience have come equally far in the same
rooms, so either is written once for all of them.

    offset = place *( "," place )     at most as many as there are rooms
    place  = name ":" cursor          name: a hash of the room's name, 6 characters
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from protocol.cursor import Cursor
from protocol.refusals import Refused

if TYPE_CHECKING:
    from gateway.rooms.publication import Publication

_NAME_BYTES: Final = 4
_NAME = re.compile(r"[A-Za-z0-9_-]{6}")
_PLACE_LIMIT_CHARACTERS: Final = 7 + 1 + 80


class OffsetInvalid(ValueError):
    """No offset that was ever given out."""


class Trail(Protocol):
    """What stands behind each event of an audience."""

    def after(self, publication: Publication) -> bytes:
        """More arguments for the event, as JSON; none behind a notice, which has no place.

        Called once for each publication, in their order.
        """


class Cursors:
    """The cursor of the event's room."""

    def after(self, publication: Publication) -> bytes:
        """The place just after the publication."""
        return b'"%b"' % str(publication.cursor).encode() if publication.epoch else b""


CURSORS: Final = Cursors()


class Places:
    """Where the readers of some rooms stand in all of them; the cursor before it where wanted."""

    __slots__ = ("_has_cursors", "_places")

    def __init__(self, places: Mapping[str, Cursor], *, has_cursors: bool = False) -> None:
        self._places = {room: _place_of(room, cursor) for room, cursor in places.items()}
        self._has_cursors = has_cursors

    def cursor_in(self, room: str) -> Cursor | None:
        """The place in one room; None when it is not known."""
        place = self._places.get(room)
        return None if place is None else Cursor.parse(place.partition(":")[2])

    def stand_at(self, room: str, cursor: Cursor) -> None:
        """Everything in the room up to there was told, or never will be."""
        self._places[room] = _place_of(room, cursor)

    def after(self, publication: Publication) -> bytes:
        """Stand behind the publication, and say so."""
        if not publication.epoch:
            return b""
        cursor = publication.cursor
        self._places[publication.room] = _place_of(publication.room, cursor)
        offset = b'"%b"' % self.offset.encode()
        return b'"%b",%b' % (str(cursor).encode(), offset) if self._has_cursors else offset

    @property
    def offset(self) -> str:
        """The places, as the client keeps them."""
        return ",".join(self._places.values())

    def among(self, rooms: Iterable[str]) -> Places:
        """The same places, for a reader of no more than these rooms, who goes on alone."""
        copy = Places({}, has_cursors=self._has_cursors)
        known = self._places
        copy._places = {room: known[room] for room in rooms if room in known}
        return copy


def places_to_resume(
    confirmed: Mapping[str, Cursor | None], offset: str | None
) -> dict[str, Cursor] | None:
    """Where a client goes on in each of its rooms; None when that is not known of every room.

    It may have been told more than is confirmed, and its `offset` tells; but not of a room in which
    nothing was said since it came. Rooms that only the offset names were left. Raises
    `OffsetInvalid`.
    """
    told = {} if offset is None else _places_of(offset, len(confirmed))
    places: dict[str, Cursor] = {}
    for room, known in confirmed.items():
        if known is None:
            return None
        said = told.get(_name_of(room))
        # Epochs have no order. If it is the one that is over, the room's history will say so.
        is_later = said is not None and (said.epoch != known.epoch or said.offset > known.offset)
        places[room] = said if said is not None and is_later else known
    return places


def _places_of(offset: str, rooms: int) -> dict[str, Cursor]:
    """Read an offset by the names of its rooms; it may name some that were left since."""
    if len(offset) > _PLACE_LIMIT_CHARACTERS * (rooms + _LEFT_ROOMS_LIMIT):
        raise OffsetInvalid("too long")
    places: dict[str, Cursor] = {}
    for place in offset.split(","):
        name, _, cursor = place.partition(":")
        if _NAME.fullmatch(name) is None:
            raise OffsetInvalid("no room")
        try:
            places[name] = Cursor.parse(cursor)
        except Refused as refused:
            raise OffsetInvalid("no cursor") from refused
    return places


# Whoever has left more rooms than this without being told of anything since starts anew.
_LEFT_ROOMS_LIMIT: Final = 100


@functools.lru_cache(maxsize=10_000)
def _name_of(room: str) -> str:
    """A short name: among one peer's rooms two are alike once in ten million times.

    Two rooms that were named so on purpose would confuse nobody but their reader, whose cursor
    then does not fit the room's history.
    """
    digest = hashlib.blake2b(room.encode(), digest_size=_NAME_BYTES).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _place_of(room: str, cursor: Cursor) -> str:
    return f"{_name_of(room)}:{cursor}"
