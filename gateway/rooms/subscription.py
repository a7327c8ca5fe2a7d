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

    A new epoch begins behind an interruption, and what is read from the broker is never older than
    what it has delivered. So a publication of another epoch than that of the place where the peer
    stands is an old one, until the interruption has come, and a new one from then on.
    """

    __slots__ = (
        "_after",
        "_held",
        "_is_interrupted",
        "confirmed",
        "has_overflown",
        "is_live",
        "is_over",
        "peer",
        "room",
    )

    def __init__(self, peer: Peer, room: str) -> None:
        self.peer = peer
        self.room = room
        self.is_live = False
        self.is_over = False  # left, or gone
        self.has_overflown = False
        # The peer is known to lack nothing up to there. Not known of one that asked for what it
        # missed, or for another snapshot, before it is known to have come.
        self.confirmed: Cursor | None = None
        self._held: list[tuple[Publication, bool]] | None = []
        self._after: Cursor | None = None
        self._is_interrupted = False

    def arrive(self, publication: Publication) -> bool:
        """Whether the peer is to be sent this now."""
        if self._held is None:
            return self._take(publication)
        self._hold(publication, is_notice=False)
        return False

    def interrupt(self, notice: Publication) -> bool:
        """Whether the peer is to be sent now this notice that something may be missing here."""
        if self._held is None:
            self._is_interrupted = True
            return True
        self._hold(notice, is_notice=True)
        return False

    def catch_up(self, cursor: Cursor, missed: Iterable[Publication] = ()) -> list[Publication]:
        """Stand at `cursor` after `missed`; return all that the peer is to be sent, in order.

        Raises `Refused` (UNAVAILABLE) when more arrived meanwhile than is held back for one peer.
        """
        if self.has_overflown:
            raise Refused(Refusal.UNAVAILABLE, "Too much happened in the room; try again.")
        self._after = cursor
        held, self._held = self._held or [], None
        told = list(missed)
        for publication, is_notice in held:
            if self.interrupt(publication) if is_notice else self._take(publication):
                told.append(publication)
        return told

    @property
    def place(self) -> Cursor:
        """Where the peer stands; only while it is not live, for then it stands where all do."""
        assert self._after is not None, "catch_up comes first"
        return self._after

    @property
    def is_holding(self) -> bool:
        """Whether it is not known yet where the peer stands."""
        return self._held is not None

    def is_level_with(self, epoch: str, offset: int) -> bool:
        """Whether whoever stands at `offset` of `epoch` has been told no less than this peer."""
        return self.place.epoch == epoch and offset >= self.place.offset

    def _hold(self, publication: Publication, *, is_notice: bool) -> None:
        assert self._held is not None
        if len(self._held) < HELD_LIMIT:
            self._held.append((publication, is_notice))
        else:
            self.has_overflown = True

    def _take(self, publication: Publication) -> bool:
        """Whether the peer has not been told this; then it stands behind it."""
        place = self.place
        is_same_epoch = publication.epoch == place.epoch
        is_news = publication.offset > place.offset if is_same_epoch else self._is_interrupted
        if is_news:
            self._after = publication.cursor
        return is_news
