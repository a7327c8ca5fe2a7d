"""This module owns what counts as news: the changes between what was told and what is seen now.

Of a healthy fleet most entries differ from one reading to the next in nothing but the time of their
last report; telling these would multiply the traffic of every viewer by ten and say nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from gateway.feeds.gbfs import Entity, JsonObject
from gateway.rooms.distance import meters_between

# Positions of a parked bike wander by some metres from one satellite fix to the next.
MOVED_METERS: Final = 10.0

_NO_NEWS: Final = frozenset({"last_reported", "rental_uris"})
_PLACE: Final = frozenset({"lat", "lon"})


class Change(msgspec.Struct, frozen=True):
    """One thing to tell: how an entity is now, or (`gone`) that it has left."""

    entity: Entity
    gone: bool = False


def difference(
    before: Mapping[str, Entity], after: Mapping[str, Entity], held: Collection[str] = ()
) -> list[Change]:
    """What to tell to whoever knows `before`; departures first, so that a new name finds room.

    Keys in `held` are neither seen nor gone.
    """
    left = [
        Change(entity, gone=True)
        for key, entity in before.items()
        if key not in after and key not in held
    ]
    news = [
        Change(entity)
        for key, entity in after.items()
        if key not in before or is_news(before[key], entity)
    ]
    return left + news


def applied(before: Mapping[str, Entity], changes: Collection[Change]) -> dict[str, Entity]:
    """What somebody knows who knew `before` and was told `changes`."""
    known = dict(before)
    for change in changes:
        if change.gone:
            known.pop(change.entity.key, None)
        else:
            known[change.entity.key] = change.entity
    return known


def is_news(before: Entity, after: Entity) -> bool:
    """Whether the entity moved, or anything but its place and the time of its report changed.

    Compared is with what was told, not with the last reading: a slow drift is told in the end. A
    field that is null counts as absent, and 0 and 1 as false and true: feeds mix them.
    """
    old, new = before.fields, after.fields
    names = (old.keys() | new.keys()) - _NO_NEWS
    if any(old.get(name) != new.get(name) for name in names - _PLACE):
        return True
    return any(old.get(name) != new.get(name) for name in _PLACE) and _moved(old, new)


def _moved(old: JsonObject, new: JsonObject) -> bool:
    places = (old.get("lat"), old.get("lon"), new.get("lat"), new.get("lon"))
    match places:
        case (int() | float(), int() | float(), int() | float(), int() | float()):
            return meters_between(*places) >= MOVED_METERS
    return True
