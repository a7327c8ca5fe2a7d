"""What one member was told of one room, from its records alone, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from protocol.cursor import Cursor
from tests.journeys.ledger.publications import Anomaly, Publications, Slot
from tests.journeys.ledger.records import Record


class Reset(NamedTuple):
    """Somebody was told that continuity is lost; `is_late` when it came back too late for more."""

    at: float
    who: str
    room: str
    reason: str
    is_late: bool = False


@dataclass(frozen=True)
class Reach:
    """What a room's history reaches back to."""

    length: int = 1000
    seconds: float = 120.0


@dataclass
class Reading:
    """Walked record by record; every publication of a room comes to every member of it."""

    publications: Publications
    who: str
    room: str
    reach: Reach
    place: Slot | None = None
    is_in: bool = False
    is_lost: bool = False  # a discontinuity was announced: what comes next may be any later one
    received: set[Slot] = field(default_factory=set)
    resets: list[Reset] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)

    def walk(self, records: Iterable[Record]) -> None:
        for record in records:
            match record.kind:
                case "join_ok":
                    self._join(record)
                case "recv":
                    self._receive(record)
                case "reset":
                    self._reset(record)
                case "leave" | "down":
                    self.is_in = False

    def finish(self, at: float) -> None:
        """All has been quiet for long enough, and a last publication has been sent to the room."""
        epoch = self.publications.last_epoch(self.room)
        if not self.is_in or self.place is None:
            self._note("client not recovered", at, "is not in the room at the end")
        elif epoch is None:
            return
        elif self.place.epoch != epoch:
            self._note("silent epoch change", at, f"is at {self.place}, the room is in {epoch}")
        elif (last := self.publications.last_offset(self.room, epoch)) > self.place.offset:
            self._note("lost tail", at, f"is at {self.place}, acknowledged was up to {last}")

    def _note(self, kind: str, at: float, sentence: str) -> None:
        self.anomalies.append(Anomaly(kind, at, f"{self.who} in {self.room}: {sentence}"))

    def _slot(self, cursor: str) -> Slot:
        parsed = Cursor.parse(cursor)
        return Slot(self.room, parsed.epoch, parsed.offset)

    # ---- joins

    def _join(self, record: Record) -> None:
        answered = self._slot(record.cursor)
        if record.since is not None and record.recovered:
            self._recover(record, self._slot(record.since), answered)
        elif record.since is not None:
            since = self._slot(record.since)
            is_late = self._is_out_of_reach(since, answered, record.at)
            self.resets.append(Reset(record.at, self.who, self.room, "not recovered", is_late))
            self._stand_anew(record, answered)
        else:
            self._stand_anew(record, answered)
        self.is_in, self.is_lost = True, False
        if record.bikes is not None:
            self._check_snapshot(record, answered)

    def _recover(self, record: Record, since: Slot, answered: Slot) -> None:
        if answered.epoch != since.epoch:
            self._note("silent epoch change", record.at, f"recovered from {since} to {answered}")
        # what came while the join was under way may be counted too, and follows as well
        elif answered.offset - since.offset > (record.missed or 0):
            self._note(
                "silent gap", record.at, f"told of {record.missed} from {since} to {answered}"
            )
        if self.place is not None and self.place.epoch == since.epoch and self.place > since:
            # what it had received behind its own cursor would come again, by its own fault
            self._note("client not recovered", record.at, f"asked since {since} at {self.place}")
        self.place = since

    def _stand_anew(self, record: Record, answered: Slot) -> None:
        before = self.place
        if before is not None and before.epoch == answered.epoch and answered < before:
            self._note("nonmonotonic", record.at, f"joined at {answered}, had been at {before}")
        self.place = answered

    def _is_out_of_reach(self, since: Slot, answered: Slot, at: float) -> bool:
        if since.epoch != answered.epoch:
            return False
        if answered.offset - since.offset > self.reach.length:
            return True
        return self.publications.is_past(
            since._replace(offset=since.offset + 1), at, self.reach.seconds
        )

    def _check_snapshot(self, record: Record, answered: Slot) -> None:
        assert record.bikes is not None
        has = set(record.bikes)
        if missing := self.publications.bikes_at(answered) - has:
            sentence = f"the snapshot at {answered} lacks {sorted(missing)[:3]}"
            self._note("wrong snapshot", record.at, sentence)
        for bike in has:
            if bike not in self.publications.by_id:
                self._note("phantom", record.at, f"the snapshot at {answered} has {bike!r}")
            elif self.publications.was_removed(bike, answered):
                self._note("wrong snapshot", record.at, f"{bike!r} is gone at {answered}")

    # ---- events

    def _reset(self, record: Record) -> None:
        self.resets.append(Reset(record.at, self.who, self.room, record.reason))
        self.is_lost = True

    def _receive(self, record: Record) -> None:
        slot = self._slot(record.cursor)
        if not self.is_in or self.place is None:
            self._note("unsubscribed delivery", record.at, f"{record.id!r} came to nobody")
        else:
            self._follow_on(record, slot, self.place)
        self.received.add(slot)
        self.place, self.is_lost = slot, False

    def _follow_on(self, record: Record, slot: Slot, place: Slot) -> None:
        if slot in self.received:
            self._note("duplicate", record.at, f"{record.id!r} came again, at {slot}")
        elif slot.epoch != place.epoch:
            if not self.is_lost:
                self._note("silent epoch change", record.at, f"from {place} to {slot}")
        elif slot.offset <= place.offset:
            self._note("nonmonotonic", record.at, f"from {place} to {slot}")
        elif slot.offset > place.offset + 1 and not self.is_lost:
            self._note("silent gap", record.at, f"from {place} to {slot}")
