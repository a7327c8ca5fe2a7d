"""What was published in a run, from records alone: ids, the slots they have, and what is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from protocol.cursor import Cursor
from tests.journeys.ledger.records import Record

REMOVAL: Final = "remove "  # how the id of a removal begins; the rest is the id of the bike
BIKE: Final = "bike "


class Anomaly(NamedTuple):
    """One broken promise; `at` is when somebody could have known."""

    kind: str
    at: float
    sentence: str


class Slot(NamedTuple):
    """A place in a room's history."""

    room: str
    epoch: str
    offset: int


@dataclass(slots=True)
class Published:
    """One publication, as its publisher knows it."""

    id: str
    room: str
    invoked_at: float
    acknowledged_at: float | None = None
    is_refused: bool = False


@dataclass
class Publications:
    """All of them, and who is where."""

    by_id: dict[str, Published] = field(default_factory=dict)
    slots: dict[Slot, tuple[str, int]] = field(default_factory=dict)  # id, proof
    acknowledged: dict[Slot, Published] = field(default_factory=dict)
    _slots_of: defaultdict[str, set[Slot]] = field(default_factory=lambda: defaultdict(set))
    _last_epochs: dict[str, str] = field(default_factory=dict)
    _last_offsets: dict[tuple[str, str], int] = field(default_factory=dict)
    _bikes: dict[Slot, set[str]] = field(default_factory=dict)
    _forks: defaultdict[tuple[str, str], list[Anomaly]] = field(
        default_factory=lambda: defaultdict(list)
    )
    anomalies: list[Anomaly] = field(default_factory=list)

    @classmethod
    def of(
        cls, records: Iterable[Record], may_fork: Callable[[float], bool] = lambda _: False
    ) -> Publications:
        """Read all that concerns publications, what members received included.

        Where a fault gives it reason to, a history may fork, if proofs tell the branches apart and
        the epoch ends with that: then every member is told, or that is an anomaly of its own.
        """
        publications = cls()
        for record in records:
            publications._take(record)
        for (room, epoch), found in list(publications._forks.items()):
            is_over = publications.last_epoch(room) != epoch
            if not (is_over and all(may_fork(each.at) for each in found)):
                publications.anomalies += found
                del publications._forks[room, epoch]
        publications.anomalies += publications._repeated()
        publications.anomalies += publications._against_time()
        return publications

    def _take(self, record: Record) -> None:
        match record.kind:
            case "pub_invoke":
                published = Published(record.id, record.room, record.at)
                self.by_id.setdefault(record.id, published)
            case "pub_ok":
                self._acknowledge(record)
            case "pub_superseded":
                self._note("superseded", record, "was taken for old news, and it was new")
            case "pub_refused":
                self.by_id[record.id].is_refused = True
            case "recv":
                self._receive(record)

    def _acknowledge(self, record: Record) -> None:
        slot = self._place(record)
        published = self.by_id[record.id]
        if published.acknowledged_at is None:
            published.acknowledged_at = record.at
        self.acknowledged[slot] = published
        self._last_epochs[slot.room] = slot.epoch
        key = slot.room, slot.epoch
        self._last_offsets[key] = max(slot.offset, self._last_offsets.get(key, 0))

    def _receive(self, record: Record) -> None:
        published = self.by_id.get(record.id)
        if published is None or published.room != record.room:
            self._note("phantom", record, "was never published there")
        elif published.is_refused:
            self._note("aborted read", record, "had been refused for good")
        self._place(record)

    def _place(self, record: Record) -> Slot:
        cursor = Cursor.parse(record.cursor)
        slot = Slot(record.room, cursor.epoch, cursor.offset)
        held = self.slots.setdefault(slot, (record.id, cursor.proof))
        if held != (record.id, cursor.proof):
            fact = f"is at {record.cursor}, where {held[0]} is"
            anomaly = self._anomaly("divergence", record, fact)
            is_fork = record.id != held[0] and cursor.proof != held[1]
            where = self._forks[slot.room, slot.epoch] if is_fork else self.anomalies
            where.append(anomaly)
        self._slots_of[record.id].add(slot)
        return slot

    def _note(self, kind: str, record: Record, fact: str) -> None:
        self.anomalies.append(self._anomaly(kind, record, fact))

    @staticmethod
    def _anomaly(kind: str, record: Record, fact: str) -> Anomaly:
        sentence = f"{record.id!r} in {record.room}, says {record.who}, {fact}"
        return Anomaly(kind, record.at, sentence)

    def _repeated(self) -> Iterator[Anomaly]:
        """One publication in two slots. In two epochs it may be: the first may have been lost."""
        for id_, slots in self._slots_of.items():
            if len({slot.epoch for slot in slots}) < len(slots):
                at = self.by_id[id_].invoked_at if id_ in self.by_id else 0.0
                yield Anomaly("duplicate append", at, f"{id_!r} is in {sorted(slots)}")

    def _against_time(self) -> Iterator[Anomaly]:
        """What was acknowledged before something else was begun comes before it."""
        latest: dict[tuple[str, str], Published] = {}  # of those in lower slots, the last begun
        for slot in sorted(self.acknowledged):
            if (slot.room, slot.epoch) in self._forks:
                continue  # two histories have no order
            published = self.acknowledged[slot]
            begun = latest.get((slot.room, slot.epoch))
            assert published.acknowledged_at is not None
            if begun is not None and published.acknowledged_at < begun.invoked_at:
                sentence = f"{begun.id!r} is before {published.id!r} in {slot.room}"
                yield Anomaly("realtime order", begun.invoked_at, sentence)
            if begun is None or published.invoked_at > begun.invoked_at:
                latest[slot.room, slot.epoch] = published

    # ---- what readings are compared with

    def last_epoch(self, room: str) -> str | None:
        """The epoch of the room's last acknowledgement."""
        return self._last_epochs.get(room)

    def last_offset(self, room: str, epoch: str) -> int:
        """The highest offset that was acknowledged there."""
        return self._last_offsets.get((room, epoch), 0)

    def is_past(self, slot: Slot, at: float, seconds: float) -> bool:
        """Whether what is in a slot was published longer ago than that."""
        found = self.slots.get(slot)
        published = None if found is None else self.by_id.get(found[0])
        return published is not None and at - published.invoked_at > seconds

    def bikes_at(self, slot: Slot) -> set[str]:
        """Bikes that an epoch is known to have brought, and not taken, up to a slot."""
        if slot not in self._bikes:
            bikes: set[str] = set()
            for offset in range(1, slot.offset + 1):
                id_ = self.slots.get(slot._replace(offset=offset), ("", 0))[0]
                if id_.startswith(BIKE):
                    bikes.add(id_)
                elif id_.startswith(REMOVAL):
                    bikes.discard(id_.removeprefix(REMOVAL))
            self._bikes[slot] = bikes
        return self._bikes[slot]

    def was_removed(self, bike: str, slot: Slot) -> bool:
        """Whether the bike had been taken away before, in this epoch."""
        removals = self._slots_of.get(REMOVAL + bike, set())
        return any(s.epoch == slot.epoch and s.offset <= slot.offset for s in removals)
