"""This module owns the order of deliveries: what comes next, what is old, what is missing."""

from __future__ import annotations

import enum

from gateway.rooms.publication import Publication
from protocol.cursor import Cursor


class Verdict(enum.Enum):
    """What an arriving publication is to a follower of its room."""

    NEXT = enum.auto()  # deliver it; the follower stands behind it now
    OLD = enum.auto()  # was delivered already
    HOLE = enum.auto()  # something is missing before it
    FORK = enum.auto()  # its history is not the one that was delivered
    TURN = enum.auto()  # it is of another epoch


class Feed:
    """Where one follower stands in one room. Pure: nothing is held, asked or told here."""

    __slots__ = ("epoch", "offset", "proof")

    def __init__(self, place: Cursor) -> None:
        self.stand_at(place)

    def stand_at(self, place: Cursor) -> None:
        """Everything up to there was delivered, or given up."""
        self.epoch, self.offset, self.proof = place.epoch, place.offset, place.proof

    @property
    def place(self) -> Cursor:
        """What the follower has been delivered up to."""
        return Cursor(self.epoch, self.offset, self.proof)

    def take(self, publication: Publication, proof_before: int) -> Verdict:
        """Judge a publication; when it is the next one, stand behind it."""
        if publication.epoch != self.epoch:
            return Verdict.TURN
        behind = publication.offset - self.offset
        if behind == 1:
            if proof_before != self.proof:
                return Verdict.FORK
            self.offset, self.proof = publication.offset, publication.proof
            return Verdict.NEXT
        return Verdict.OLD if behind < 1 else Verdict.HOLE
