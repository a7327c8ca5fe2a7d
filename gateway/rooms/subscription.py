"""This module owns one peer's reading of one room: catching up, then live; once, and in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from protocol.refusals import Refusal, Refused

if TYPE_CHECKING:
    from gateway.rooms.membership import Peer
    from gateway.rooms.publication import Publication
    from protocol.cursor import Cursor

# What may arrive while one join is waiting for the broker; beyond it the join is given up.
HELD_LIMIT: Final = 10_000


class Subscription:
    """Begins by holding back what arrives; `catch_up` says where the peer stands, and lets go.

    The filter outlives the catch-up: a publication that the snapshot or the history contained
    already may still be on its way here, and is not told twice.
    """

    __slots__ = ("_after", "_held", "is_live", "is_over", "peer", "room")

    def __init__(self, peer: Peer, room: str) -> None:
        self.peer = peer
        self.room = room
        self.is_live = False
        self.is_over = False  # left, or gone, while it was still being joined
        self._held: list[Publication] | None = []
        self._after: Cursor | None = None

    def arrive(self, publication: Publication) -> bool:
        """Whether the peer is to be sent this now."""
        if self._held is None:
            return self._is_news(publication)
        if len(self._held) < HELD_LIMIT:
            self._held.append(publication)
        else:
            self.is_over = True
        return False

    def catch_up(self, cursor: Cursor, missed: Iterable[Publication] = ()) -> list[Publication]:
        """Stand at `cursor` after `missed`; return all that the peer is to be sent, in order.

        Raises `Refused` (UNAVAILABLE) when more arrived meanwhile than is held back for one peer.
        """
        if self.is_over:
            raise Refused(Refusal.UNAVAILABLE, "Too much happened in the room; try again.")
        self._after = cursor
        held, self._held = self._held or [], None
        told = list(missed)
        for publication in held:
            if self._is_news(publication):
                told.append(publication)
                self._after = publication.cursor
        return told

    @property
    def is_holding(self) -> bool:
        """Whether it is not known yet where the peer stands."""
        return self._held is not None

    def is_level_with(self, epoch: str, offset: int) -> bool:
        """Whether whoever stands at `offset` of `epoch` has been told no less than this peer."""
        after = self._after
        return after is None or after.epoch != epoch or offset >= after.offset

    def _is_news(self, publication: Publication) -> bool:
        # Offsets of different epochs have no order; a new epoch is always news.
        after = self._after
        return (
            after is None
            or publication.epoch != after.epoch
            or publication.offset > after.offset
        )
