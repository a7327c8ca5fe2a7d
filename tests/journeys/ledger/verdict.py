"""The judge of a run: it sees records alone, and knows nothing of how the gateway works."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.journeys.ledger.publications import Anomaly, Publications
from tests.journeys.ledger.readings import Reach, Reading, Reset
from tests.journeys.ledger.records import Record

KINDS: Final = (
    "phantom",
    "aborted read",
    "superseded",
    "divergence",
    "duplicate append",
    "realtime order",
    "duplicate",
    "nonmonotonic",
    "silent gap",
    "silent epoch change",
    "lost tail",
    "wrong snapshot",
    "unsubscribed delivery",
    "client not recovered",
    "unexplained reset",
    "wrong presence",
)


class Fault(NamedTuple):
    """When something was broken, and what may come of it."""

    name: str
    began_at: float
    ended_at: float
    may_reset: bool

    def explains(self, at: float, grace_seconds: float) -> bool:
        """Whether a discontinuity at that time may come of it."""
        return self.may_reset and self.began_at <= at <= self.ended_at + grace_seconds


@dataclass
class Verdict:
    """What came of a run."""

    anomalies: list[Anomaly]
    resets: list[Reset]
    faults: list[Fault]
    acknowledged: int
    received: int
    tries: Counter[str]  # attempts to publish, by how they ended
    slowest_try_seconds: float
    # Acknowledged publications of an epoch that ended, which no member ever received.
    unseen: int
    # By the fault's place in `faults`: how long after its end everybody had something newer.
    recovery_seconds: dict[int, float] = field(default_factory=dict)
    lag_seconds: float = 0.0
    busy_seconds: float = 0.0

    def by_kind(self) -> dict[str, int]:
        counts = Counter(anomaly.kind for anomaly in self.anomalies)
        return {kind: counts[kind] for kind in KINDS}

    def recovery_of(self, name: str) -> float:
        """The longest recovery from a fault of that name; raises `ValueError` if there was none."""
        return max(
            seconds
            for index, seconds in self.recovery_seconds.items()
            if self.faults[index].name == name
        )


def judge(
    records: Sequence[Record], reach: Reach | None = None, grace_seconds: float = 10.0
) -> Verdict:
    """Judge the records of a run, which are in order of time.

    A discontinuity that no fault explains within `grace_seconds` of its end is an anomaly.
    """
    faults = list(_faults_in(records))

    def is_explained(at: float) -> bool:
        return any(fault.explains(at, grace_seconds) for fault in faults)

    publications = Publications.of(records, is_explained)
    readings = _readings_of(records, publications, reach or Reach())
    anomalies = [*publications.anomalies, *(a for each in readings for a in each.anomalies)]
    anomalies += _wrong_presence(records)
    resets = sorted(reset for reading in readings for reset in reading.resets)
    for reset in resets:
        if not reset.is_late and not is_explained(reset.at):
            sentence = f"{reset.who} in {reset.room}: {reset.reason}"
            anomalies.append(Anomaly("unexplained reset", reset.at, sentence))
    seen = set().union(*(reading.received for reading in readings))
    tries = [record for record in records if record.kind == "pub_try"]
    return Verdict(
        sorted(anomalies, key=lambda anomaly: anomaly.at),
        resets,
        faults,
        len(publications.acknowledged),
        sum(record.kind == "recv" for record in records),
        Counter(record.reason for record in tries),
        longest_of(records, "pub_try"),
        sum(slot not in seen for slot in publications.acknowledged),
        _recoveries(records, publications, faults),
        longest_of(records, "lag"),
        longest_of(records, "busy"),
    )


def longest_of(
    records: Sequence[Record], kind: str, reason: str | None = None, since: float = 0.0
) -> float:
    """The most seconds in records of a kind, and of a reason if one is given; 0 without any."""
    found = (
        record.seconds
        for record in records
        if record.kind == kind and record.at >= since and reason in {None, record.reason}
    )
    return max(found, default=0.0)


def _readings_of(
    records: Sequence[Record], publications: Publications, reach: Reach
) -> list[Reading]:
    """One for each member and room; the end of a connection is the end of all its readings."""
    ends_at = next((record.at for record in records if record.kind == "end"), float("inf"))
    readings: dict[tuple[str, str], Reading] = {}
    of_member: defaultdict[str, list[Reading]] = defaultdict(list)
    for record in records:
        if record.kind == "down" and record.at < ends_at:
            for reading in of_member[record.who]:
                reading.walk([record])
        if record.kind not in {"join_invoke", "join_ok", "recv", "reset", "leave"}:
            continue
        key = record.who, record.room
        if key not in readings:
            readings[key] = Reading(publications, record.who, record.room, reach)
            of_member[record.who].append(readings[key])
        readings[key].walk([record])
    left = {(r.who, r.room) for r in records if r.kind == "leave"}
    for key, reading in readings.items():
        if key not in left:
            reading.finish(ends_at)
    return list(readings.values())


def _wrong_presence(records: Sequence[Record]) -> Iterator[Anomaly]:
    """Compares who is said to be in a room with the members that are connected and want to be."""
    peers: dict[str, str] = {}  # by member
    wanted: defaultdict[str, set[str]] = defaultdict(set)  # members by room
    for record in records:
        match record.kind:
            case "up":
                peers[record.who] = record.id
            case "down":
                peers.pop(record.who, None)
            case "join_invoke":
                wanted[record.room].add(record.who)
            case "leave":
                wanted[record.room].discard(record.who)
            case "presence":
                present = {peers[who] for who in wanted[record.room] if who in peers}
                told = set(record.peers or ())
                if told != present:
                    ghosts, missing = len(told - present), len(present - told)
                    sentence = f"{record.room}: {ghosts} ghosts, {missing} missing"
                    yield Anomaly("wrong presence", record.at, sentence)


def _faults_in(records: Sequence[Record]) -> Iterator[Fault]:
    begun: dict[str, Record] = {}
    for record in records:
        if record.kind == "fault_start":
            begun[record.reason] = record
        elif record.kind == "fault_stop":
            start = begun.pop(record.reason)
            yield Fault(record.reason, start.at, record.at, start.may_reset)
    for start in begun.values():
        yield Fault(start.reason, start.at, float("inf"), start.may_reset)


def _recoveries(
    records: Sequence[Record], publications: Publications, faults: Sequence[Fault]
) -> dict[int, float]:
    """How long it took until every member had something of every room that was begun later.

    Only what comes before the next fault counts: that one may hold up what the first did not. For
    the same reason a fault that ends while another one goes on has no recovery of its own.
    """
    times = [record.at for record in records]
    found: dict[int, float] = {}
    for index, fault in enumerate(faults):
        if any(f.began_at <= fault.ended_at < f.ended_at for f in faults):
            continue
        until = min((f.began_at for f in faults if f.began_at > fault.ended_at), default=1e12)
        first: dict[tuple[str, str], float] = {}
        for record in records[bisect_right(times, fault.ended_at) : bisect_left(times, until)]:
            published = publications.by_id.get(record.id) if record.kind == "recv" else None
            if published is not None and published.invoked_at > fault.ended_at:
                first.setdefault((record.who, record.room), record.at - fault.ended_at)
        if first:
            found[index] = max(first.values())
    return found
