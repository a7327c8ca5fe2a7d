"""Judges what members saw, from records alone: it knows nothing of how the gateway works.

In: for each room a log of what publishers were told was accepted, and for each member and room the
list of what its client saw, in the order in which it saw it. Out: a sentence for every promise
that these records break. A reading stands at a place of the log; from there every publication by
somebody else has to come exactly once and in order, until a discontinuity is announced. A reading
that may be merged can have several updates of one bike in one, at the place of the oldest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from protocol.cursor import Cursor

Value: TypeAlias = "dict[str, object]"

# ---- what publishers saw


@dataclass(frozen=True)
class Accepted:
    """A publication that was acknowledged with `cursor`; `text` is the argument of its event.

    One without entity changes no last value, and is merged with nothing.
    """

    cursor: str
    name: str
    text: str
    author: str | None = None
    has_entity: bool = True


# ---- what a member saw


@dataclass(frozen=True)
class Joined:
    """The answer to a join, and what the join had asked for."""

    peer_id: str
    cursor: str
    since: str | None = None
    recovered: bool | None = None
    missed: int | None = None
    snapshot: str | None = None
    asked_snapshot: bool = False


@dataclass(frozen=True)
class Told:
    """An event of the room; `cursor` is where it says that its reader stands."""

    name: str
    text: str
    cursor: str | None = None


@dataclass(frozen=True)
class Reset:
    """The announcement that continuity is lost."""


@dataclass(frozen=True)
class Ended:
    """The member left, or lost its connection."""


Entry = Joined | Told | Reset | Ended


class Log:
    """What was accepted in one room, by epoch and offset."""

    def __init__(self, accepted: Iterable[Accepted]) -> None:
        self.epochs: dict[str, dict[int, Accepted]] = {}
        self.mistakes: list[str] = []
        for each in accepted:
            cursor = Cursor.parse(each.cursor)
            of_epoch = self.epochs.setdefault(cursor.epoch, {})
            if cursor.offset in of_epoch:
                self.mistakes.append(f"two publications were accepted at {each.cursor}")
            of_epoch[cursor.offset] = each
        for epoch, of_epoch in self.epochs.items():
            if sorted(of_epoch) != list(range(1, len(of_epoch) + 1)):
                self.mistakes.append(f"the offsets of epoch {epoch} have holes")

    def end(self, epoch: str) -> int:
        return max(self.epochs.get(epoch, {}), default=0)

    def behind(self, place: Place, until: int | None = None) -> list[tuple[int, Accepted]]:
        """What comes after a place, with its offsets."""
        of_epoch = self.epochs.get(place.epoch, {})
        last = self.end(place.epoch) if until is None else until
        return [
            (offset, of_epoch[offset])
            for offset in range(place.offset + 1, last + 1)
            if offset in of_epoch
        ]

    def state(self, place: Place) -> list[Value]:
        """The last values at a place: RFC 7396 at the top level, by bike."""
        bikes: dict[object, Value] = {}
        for _, each in self.behind(Place(place.epoch, 0), place.offset):
            body = json.loads(each.text)
            if each.name == "bike-removed":
                bikes.pop(body["bikeId"], None)
            elif each.name == "bike-updated" and each.has_entity:
                both = {**bikes.get(body["bike_id"], {}), **body}
                bikes[body["bike_id"]] = {k: v for k, v in both.items() if v is not None}
        return sorted(bikes.values(), key=repr)


@dataclass
class Place:
    """Behind the publication at `offset`."""

    epoch: str
    offset: int

    @classmethod
    def of(cls, cursor: str) -> Place:
        parsed = Cursor.parse(cursor)
        return cls(parsed.epoch, parsed.offset)

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"


@dataclass
class _Reading:
    """One member's reading, walked entry by entry."""

    log: Log
    history_length: int | None
    may_be_merged: bool = False
    mistakes: list[str] = field(default_factory=list)
    peer_id: str = ""
    place: Place | None = None  # None: not in the room
    is_lost: bool = False  # a discontinuity was announced, the next event may be any later one
    owed: tuple[Place, int] | None = None  # the place that so many more events must lead to
    merged: set[int] = field(default_factory=set)  # offsets that have come as part of older ones

    def walk(self, entry: Entry) -> None:
        match entry:
            case Joined():
                self._join(entry)
            case Told():
                self._tell(entry)
            case Reset():
                if self.place is None:
                    self.mistakes.append("a reset came to somebody who was not in the room")
                self.is_lost, self.owed = True, None
            case Ended():
                self.place, self.owed = None, None

    def finish(self) -> None:
        """Everything has been delivered: whoever is in the room stands at its end."""
        if self.place is None or self.is_lost:
            return
        missing = self._others_behind(self.place)
        if missing:
            count, (offset, _) = len(missing), missing[0]
            self.mistakes.append(f"{count} publications from offset {offset} on never came")
        if self.place.epoch in self.log.epochs and self.place.epoch != [*self.log.epochs][-1]:
            self.mistakes.append("the room went on in another epoch, and nobody said so")

    def _others_behind(self, place: Place, until: int | None = None) -> list[tuple[int, Accepted]]:
        return [
            (offset, each)
            for offset, each in self.log.behind(place, until)
            if each.author != self.peer_id and offset not in self.merged
        ]

    # ---- joins

    def _join(self, joined: Joined) -> None:
        place = Place.of(joined.cursor)
        is_question = joined.since is None and not joined.asked_snapshot
        if self.place is not None and is_question and joined.peer_id == self.peer_id:
            self._check_answer(place)
            return
        self.peer_id, self.is_lost, self.owed = joined.peer_id, False, None
        self.merged.clear()
        self.place = place
        if joined.since is not None:
            self._resume(joined, Place.of(joined.since), place)
        if joined.snapshot is not None:
            values = sorted(json.loads(joined.snapshot), key=repr)
            if values != self.log.state(place):
                self.mistakes.append(f"the snapshot at {place} is not the state there")
        elif joined.asked_snapshot and not joined.recovered:
            self.mistakes.append("a snapshot was asked for and neither it nor the past was given")

    def _resume(self, joined: Joined, since: Place, place: Place) -> None:
        if joined.recovered:
            if since.epoch != place.epoch:
                self.mistakes.append(f"recovered from {since} to another epoch: {place}")
            self.place = since
            self.owed = (place, joined.missed or 0)
            self._check_debt()
        elif since.epoch == place.epoch and self.history_length is not None:
            behind = place.offset - since.offset
            if 0 <= behind <= self.history_length:
                self.mistakes.append(f"not recovered from {since}, which is only {behind} behind")

    def _check_answer(self, answered: Place) -> None:
        """Where the gateway says the member stands must not be beyond what it was told."""
        if self.is_lost or self.place is None:
            return
        if answered.epoch != self.place.epoch:
            self.mistakes.append(f"the place changed from {self.place} to {answered} silently")
        elif self._others_behind(self.place, answered.offset):
            self.mistakes.append(f"the answer {answered} is beyond {self.place}")

    # ---- events

    def _tell(self, told: Told) -> None:
        if self.place is None:
            self.mistakes.append(f"{told} came to somebody who was not in the room")
        elif self.is_lost:
            self._find(told, self.place)
        else:
            self._expect(told, self.place)

    def _expect(self, told: Told, place: Place) -> None:
        due = self._others_behind(place)
        if due and self._is_of(told, due):
            offset, accepted = due[0]
            self.place = Place(place.epoch, offset)
            if told.cursor not in {None, accepted.cursor}:
                self.mistakes.append(f"{told} does not stand at {accepted.cursor}")
            self._pay()
            return
        expected = due[0][1] if due else "nothing"
        self.mistakes.append(f"at {place} came {told}, expected was {expected}")
        self._find(told, place)

    def _is_of(self, told: Told, due: list[tuple[int, Accepted]]) -> bool:
        """Whether this is the publication that is due, or it and newer ones of its bike in one."""
        first = due[0][1]
        if (first.name, first.text) == (told.name, told.text):
            return True
        if not self.may_be_merged or not first.has_entity or told.name != "bike-updated":
            return False
        offsets = _merged_into(told, due)
        self.merged.update(offsets)
        self.owed = None if offsets else self.owed  # they are fewer now than was announced
        return bool(offsets)

    def _find(self, told: Told, place: Place) -> None:
        """Go on behind wherever this is: later in the same epoch, or in another one."""
        self.is_lost = False
        for epoch, of_epoch in self.log.epochs.items():
            for offset, each in of_epoch.items():
                is_ahead = epoch != place.epoch or offset > place.offset
                if is_ahead and (each.name, each.text) == (told.name, told.text):
                    self.place = Place(epoch, offset)
                    return
        self.mistakes.append(f"{told} is nowhere behind {place}")

    def _pay(self) -> None:
        if self.owed is not None:
            self.owed = (self.owed[0], self.owed[1] - 1)
            self._check_debt()

    def _check_debt(self) -> None:
        """When the announced number of missed events has come, the member stands at the cursor."""
        if self.owed is None or self.owed[1] > 0:
            return
        place, self.owed = self.owed[0], None
        assert self.place is not None
        if self.place.epoch == place.epoch and self._others_behind(self.place, place.offset):
            self.mistakes.append(f"all that was missed has come, but {place} is not reached")


def _merged_into(told: Told, due: list[tuple[int, Accepted]]) -> list[int]:
    """The offsets that were merged into the first one; none when nothing explains what came."""
    both: Value = {}
    wanted = json.loads(told.text)
    offsets: list[int] = []
    for offset, each in due:
        body = json.loads(each.text)
        bike = body.get("bikeId", body.get("bike_id"))
        if not each.has_entity or bike != wanted.get("bike_id"):
            continue
        if each.name != "bike-updated":
            return []
        both |= body  # both are patches, so what is null stays null
        offsets.append(offset)
        if both == wanted:
            return offsets[1:]
    return []


def mistakes_of(
    accepted: Iterable[Accepted],
    readings: Sequence[Sequence[Entry]],
    *,
    history_length: int | None = None,
    may_be_merged: bool = False,
) -> list[str]:
    """Every broken promise, in words; none when all is well.

    `accepted` is in the order of acceptance as far as epochs go. With `history_length` a member
    that was back in time must have been recovered. `may_be_merged` says that these members may have
    been too slow to be told every update.
    """
    log = Log(accepted)
    mistakes = list(log.mistakes)
    for number, entries in enumerate(readings):
        reading = _Reading(log, history_length, may_be_merged)
        for entry in entries:
            reading.walk(entry)
        reading.finish()
        mistakes += [f"reading {number}: {mistake}" for mistake in reading.mistakes]
    return mistakes
