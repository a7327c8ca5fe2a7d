"""This module owns a station as people see it: status and information together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.feeds.gbfs import Entity

# Enough to draw a station that one has never heard of. Outlines of whole squares, postal addresses
# and rental links stay in the feed: every joining member would pay for them.
WHAT_STANDS: Final = ("name", "lat", "lon", "capacity")


def stations_of(
    status: Mapping[str, Entity], information: Mapping[str, Entity]
) -> dict[str, Entity]:
    """Every station with a status, together with what is known about it.

    Information is published later than status and may lack a new station; it is told without a
    place then, and again when the place is known. Where both say something, status wins.
    """
    return {key: _joined(station, information.get(key)) for key, station in status.items()}


def _joined(status: Entity, information: Entity | None) -> Entity:
    if information is None:
        return status
    known = information.fields
    standing = {name: known[name] for name in WHAT_STANDS if name in known}
    return msgspec.structs.replace(status, fields={**standing, **status.fields})
