"""This module owns how a subscription begins: with what the broker says, and what came since."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import UNSET, Raw

from gateway.broker.contract import History
from gateway.rooms.places import Places
from gateway.rooms.publication import Publication
from gateway.rooms.subscription import Subscription
from protocol import events
from protocol.cursor import Cursor
from protocol.refusals import Refusal, Refused


class Reading(NamedTuple):
    """What the broker says of a room, for a subscription that holds back what arrives meanwhile.

    `history` is everything after `since`, None where that is not known or was not asked for;
    `values` are the room's last values, where those were; `is_new` whether the peer was not counted
    in the room before.
    """

    subscription: Subscription
    cursor: Cursor
    since: Cursor | None
    history: History | None
    values: Raw | None
    is_new: bool

    def catch_up(self) -> list[Publication]:
        """Let go what was held back; return what the peer is to be sent, which is not its own.

        Raises `Refused` (CONFLICT) when the room was left meanwhile.
        """
        subscription, history = self.subscription, self.history
        if subscription.is_over:
            raise Refused(Refusal.CONFLICT, "The room was left before the join was done.")
        peer = subscription.peer
        told = subscription.catch_up(self.cursor, history.publications if history else ())
        if isinstance(peer.trail, Places):
            place = self.since if history and self.since else self.cursor
            peer.trail.stand_at(subscription.room, place)
        return [each for each in told if each.author != peer.id]

    def joined(self, missed: int) -> events.Joined:
        """The answer to who has joined, and is about to be sent so many that it has missed."""
        return events.Joined(
            self.subscription.room,
            str(self.cursor),
            UNSET if self.since is None else self.history is not None,
            UNSET if self.since is None else missed,
            UNSET if self.values is None else self.values,
        )
