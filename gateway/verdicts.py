"""This module owns how connected peers learn that their tokens do not hold any more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container
from typing import Any, Protocol

from gateway.identity import Identity
from gateway.rooms.membership import Membership
from protocol.refusals import Goodbye


class Bearer(Protocol):
    """Somebody connected, with what their token has proved."""

    id: str
    identity: Identity


Present = Callable[[], Collection[Bearer]]
Dismiss = Callable[[Any, Goodbye], None]  # one of those who are present


class Verdicts:
    """Everybody on one worker, by whom they are. Only those of the subjects are asked about."""

    def __init__(self, membership: Membership, dismiss: Dismiss) -> None:
        self._circles: list[tuple[Present, Dismiss]] = [(membership.peers.values, dismiss)]

    def include(self, present: Present, dismiss: Dismiss) -> None:
        """Judge others as well, who are not peers of the main namespace."""
        self._circles.append((present, dismiss))

    def subjects(self) -> set[str]:
        """Everybody who is connected here."""
        return {each.identity.subject for present, _ in self._circles for each in present()}

    def judge(
        self, subjects: Container[str], goodbye_of: Callable[[Identity], Goodbye | None]
    ) -> list[str]:
        """Send those of the subjects off who are given a goodbye; return their ids."""
        found = [
            (each, goodbye, dismiss)
            for present, dismiss in self._circles
            for each in present()
            if each.identity.subject in subjects
            and (goodbye := goodbye_of(each.identity)) is not None
        ]
        for each, goodbye, dismiss in found:
            dismiss(each, goodbye)
        return [each.id for each, _, _ in found]
