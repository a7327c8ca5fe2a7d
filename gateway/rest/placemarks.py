"""This module owns the cursors of lists over HTTP: where a page has ended, as text for a URL."""

from __future__ import annotations

import base64
import binascii
from typing import Generic, TypeVar

import msgspec

from protocol.refusals import Refusal, Refused

_Place = TypeVar("_Place", bound=msgspec.Struct)


class Placemarks(Generic[_Place]):
    """Cursors of one kind of list; a place is a struct, and opaque to whoever asks."""

    def __init__(self, kind: type[_Place]) -> None:
        self._decode = msgspec.json.Decoder(kind).decode

    @staticmethod
    def text_of(place: _Place) -> str:
        """The cursor of a place."""
        encoded = base64.urlsafe_b64encode(msgspec.json.encode(place))
        return encoded.decode().rstrip("=")

    def place_in(self, cursor: str) -> _Place:
        """The place of a cursor, which may be a stranger's invention; raises `Refused`."""
        try:
            return self._decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError) as error:
            raise not_of_this_list() from error


def not_of_this_list() -> Refused:
    """The no to a cursor of another list, or of another order."""
    return Refused(Refusal.INVALID_CURSOR, "`cursor` is not of this list in this order.")
