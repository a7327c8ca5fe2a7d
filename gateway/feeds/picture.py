"""This module owns what the feeds together show now: a fleet of vehicles, and stations."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.feeds.gbfs import STATION_INFORMATION, STATION_STATUS, VEHICLE_FEEDS, Document, Entity
from gateway.feeds.stations import stations_of

Fleet = Literal["vehicles", "stations"]

# Behind one address may stand several servers, and some serve yesterday's minute. A clock that was
# set right goes back further, and is believed.
OLDER_COPY_SECONDS = 600.0


class View(msgspec.Struct, frozen=True):
    """What is seen of one fleet; of `held` keys nothing is known but that they are there."""

    seen: dict[str, Entity]
    held: frozenset[str]


def fleet_of(feed: str) -> Fleet:
    return "vehicles" if feed in VEHICLE_FEEDS else "stations"


class Picture:
    """The newest usable reading of every feed; a broken reading never gets here."""

    def __init__(self) -> None:
        self._documents: dict[str, Document] = {}

    def take(self, document: Document) -> bool:
        """Take in a reading; False when it is an older copy of what is already known."""
        known = self._documents.get(document.feed)
        if known is not None and _is_older_copy(document, known):
            return False
        self._documents[document.feed] = document
        return True

    def view_of(self, fleet: Fleet) -> View | None:
        """What is seen of a fleet; None when none of its feeds was ever readable."""
        if fleet == "vehicles":
            found = [self._documents[feed] for feed in VEHICLE_FEEDS if feed in self._documents]
            return View(found[0].entities, found[0].held) if found else None
        status = self._documents.get(STATION_STATUS)
        if status is None:
            return None
        information = self._documents.get(STATION_INFORMATION)
        standing = {} if information is None else information.entities
        return View(stations_of(status.entities, standing), status.held)


def _is_older_copy(document: Document, known: Document) -> bool:
    if document.updated_seconds is None or known.updated_seconds is None:
        return False
    return 0 < known.updated_seconds - document.updated_seconds <= OLDER_COPY_SECONDS
