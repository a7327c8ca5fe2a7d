"""This module owns how connected peers learn that their tokens do not hold any more."""

from __future__ import annotations

from collections.abc import Callable, Container

from gateway.identity import Identity
from gateway.rooms.membership import Membership, Peer
from protocol.refusals import Goodbye

Dismiss = Callable[[Peer, Goodbye], None]


class Verdicts:
    """One worker's peers, by whom they are. Only those of the subjects are asked about."""

    def __init__(self, membership: Membership, dismiss: Dismiss) -> None:
        self._membership = membership
        self._dismiss = dismiss

    def subjects(self) -> set[str]:
        """Everybody who is connected here."""
        return {peer.identity.subject for peer in self._membership.peers.values()}

    def judge(
        self, subjects: Container[str], goodbye_of: Callable[[Identity], Goodbye | None]
    ) -> list[str]:
        """Send those peers of the subjects off who are given a goodbye; return their ids."""
        found = [
            (peer, goodbye)
            for peer in self._membership.peers.values()
            if peer.identity.subject in subjects
            and (goodbye := goodbye_of(peer.identity)) is not None
        ]
        for peer, goodbye in found:
            self._dismiss(peer, goodbye)
        return [peer.id for peer, _ in found]
