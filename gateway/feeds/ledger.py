"""This module owns what a room has been told about one fleet, and the wording of the next news.

The gateway takes an update as a patch (an absent field stays as it was) and lets the later
observation win, by the time that each carries. Wording news therefore needs a memory of what was
said: a field that vanished from the feed must be cleared, and a bike that is back after an absence
must not look older than its own farewell, though it has not reported since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from gateway.feeds.difference import Change, applied, difference
from gateway.feeds.gbfs import VEHICLE_IDS, Entity, JsonObject

# The gateway forgets a removal after minutes, and a rotated identity never returns.
DEPARTED_LIMIT: Final = 100_000


class News(msgspec.Struct, frozen=True):
    """A change, and the bike-update that tells it; `time_ms` is the own time that it carries."""

    change: Change
    wording: JsonObject
    time_ms: int | None


class _Said(msgspec.Struct, frozen=True):
    names: frozenset[str]
    time_ms: int | None


class Ledger:
    """What was told and settled. `owed` looks, `settle` notes; nothing else changes it."""

    def __init__(self) -> None:
        self._told: dict[str, Entity] = {}
        self._said: dict[str, _Said] = {}
        self._departed_ms: dict[str, int] = {}
        self._is_doubtful = False

    def __len__(self) -> int:
        return len(self._told)

    def owed(self, seen: Mapping[str, Entity], held: Collection[str] = ()) -> list[News]:
        """What the room must still be told so that it shows what is `seen`."""
        changes = difference(self._told, seen, held)
        if self._is_doubtful:
            departures = [change for change in changes if change.gone]
            changes = departures + [Change(entity) for entity in seen.values()]
        return [self._worded(change) for change in changes]

    def doubt(self) -> None:
        """The room may have forgotten: until all of it is settled, everything is owed again."""
        self._is_doubtful = True

    def settle(self, news: Collection[News], *, is_all: bool) -> None:
        """Note what the room now knows; `is_all` when nothing that was owed is left over."""
        self._told = applied(self._told, [item.change for item in news])
        for item in news:
            self._note(item)
        _drop_oldest(self._departed_ms, DEPARTED_LIMIT)
        self._is_doubtful = self._is_doubtful and not is_all

    def _note(self, item: News) -> None:
        key = item.change.entity.key
        self._departed_ms.pop(key, None)
        if not item.change.gone:
            names = (name for name, value in item.wording.items() if value is not None)
            self._said[key] = _Said(frozenset(names), item.time_ms)
            return
        self._said.pop(key, None)
        if item.time_ms is not None:
            self._departed_ms[key] = item.time_ms

    def _worded(self, change: Change) -> News:
        return self._farewell(change) if change.gone else self._greeting(change)

    def _greeting(self, change: Change) -> News:
        """The object as the feed has it, plus nulls and a time where the room needs them."""
        entity = change.entity
        wording = dict(entity.fields)
        time_ms = entity.time_ms
        earliest_ms = self._earliest_ms(entity.key)
        if time_ms is not None and time_ms < earliest_ms:
            wording["timestamp"] = time_ms = earliest_ms
        said = self._said.get(entity.key)
        for name in sorted(said.names - wording.keys()) if said else ():
            wording[name] = None
        return News(change, wording, time_ms)

    def _farewell(self, change: Change) -> News:
        """Dated like the last news: any later report of the same bike is then news again."""
        fields = change.entity.fields
        names: Iterable[str] = [name for name in VEHICLE_IDS if fields.get(name) is not None]
        wording: JsonObject = {name: fields[name] for name in names or ("station_id",)}
        wording["op"] = "remove"
        said = self._said.get(change.entity.key)
        time_ms = said.time_ms if said else None
        if time_ms is not None:
            wording["timestamp"] = time_ms
        return News(change, wording, time_ms)

    def _earliest_ms(self, key: str) -> int:
        """The earliest own time that the gateway does not take for old news."""
        if key in self._departed_ms:
            return self._departed_ms[key] + 1
        said = self._said.get(key)
        return said.time_ms if said and said.time_ms is not None else 0


def _drop_oldest(entries: dict[str, int], limit: int) -> None:
    while len(entries) > limit:
        del entries[next(iter(entries))]
