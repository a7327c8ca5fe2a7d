"""This module owns the numbers: counted in place, and shown to Prometheus by one table.

Counting costs an addition: `metrics.deliveries_fast += members`. A new number is a field of
`Metrics` and a row of `_TABLE`.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from typing import NamedTuple

from msgspec import UNSET, UnsetType
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway.histogram import Histogram
from protocol.paces import PACES
from protocol.refusals import Goodbye, Refusal

_OTHER = "other"
_OUTCOMES = ("accepted", "repeated", "duplicate", "stale", "unavailable")
_RESULTS_OF_JOINS: dict[bool | UnsetType, str] = {
    UNSET: "joined",
    True: "recovered",
    False: "reset",
}
_JOIN_RESULTS = (*_RESULTS_OF_JOINS.values(), "refused", "failed")
_RECOVERY_RESULTS = (
    "recovered",
    "unknown",
    "invalid",
    "forbidden",
    "discontinued",
    "abandoned",
    "unavailable",
)
_INGESTED = ("published", "parked", "unavailable")
_SOURCES_OF_USERS = ("memory", "shared", "store")
_WAYS_TO_HAND_OVER = ("given", "taken", "asked", "carried")
_QUOTA_QUESTIONS = ("answered", "failed")
_OUTCOMES_OF_JOBS = ("done", "failed", "dead", "lost")
_REASONS_TO_TURN_AWAY = ("full", "overfull", "late", "stalled")
_LANES = ("fast", "slow")
# From a room on the same worker to a phone in a tunnel.
_BOUNDS_US = (
    *(250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000),
    *(1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000),
)


def _version() -> str:
    try:
        return metadata.version("paceline")
    except metadata.PackageNotFoundError:  # run from its sources, installed nowhere
        return "unknown"


_VERSION = _version()


class LabelledCount(dict[str, int]):
    """Counts by label. The labels are known beforehand, so no stranger can make it grow."""

    def __init__(self, labels: Iterable[str]) -> None:
        super().__init__(dict.fromkeys((*labels, _OTHER), 0))

    def add(self, label: str, amount: int = 1) -> None:
        """Count under `label`, or under "other" when it is none of the known ones."""
        self[label if label in self else _OTHER] += amount


@dataclasses.dataclass(slots=True)
class Metrics:
    """The numbers of one worker, from its start on."""

    publications: LabelledCount = dataclasses.field(
        default_factory=lambda: LabelledCount(_OUTCOMES)
    )
    joins: LabelledCount = dataclasses.field(default_factory=lambda: LabelledCount(_JOIN_RESULTS))
    recoveries: LabelledCount = dataclasses.field(
        default_factory=lambda: LabelledCount(_RECOVERY_RESULTS)
    )
    refusals: LabelledCount = dataclasses.field(
        default_factory=lambda: LabelledCount(refusal.code for refusal in Refusal)
    )
    goodbyes: LabelledCount = dataclasses.field(
        default_factory=lambda: LabelledCount(str(goodbye.code) for goodbye in Goodbye)
    )
    turned_away: LabelledCount = dataclasses.field(
        default_factory=lambda: LabelledCount(_REASONS_TO_TURN_AWAY)
    )
    handovers: LabelledCount = dataclasses.field(
        default_factory=lambda: LabelledCount(_WAYS_TO_HAND_OVER)
    )
    ingested: LabelledCount = dataclasses.field(default_factory=lambda: LabelledCount(_INGESTED))
    jobs: LabelledCount = dataclasses.field(
        default_factory=lambda: LabelledCount(_OUTCOMES_OF_JOBS)
    )
    # From a publication's acceptance, on whichever worker, to its write to a peer's socket.
    delivery_seconds: dict[str, Histogram] = dataclasses.field(
        default_factory=lambda: {lane: Histogram(_BOUNDS_US) for lane in _LANES}
    )
    limited: LabelledCount = dataclasses.field(default_factory=lambda: LabelledCount(PACES))
    quota_questions: LabelledCount = dataclasses.field(
        default_factory=lambda: LabelledCount(_QUOTA_QUESTIONS)
    )
    user_reads: LabelledCount = dataclasses.field(
        default_factory=lambda: LabelledCount(_SOURCES_OF_USERS)
    )
    user_read_seconds: dict[str, Histogram] = dataclasses.field(
        default_factory=lambda: {source: Histogram(_BOUNDS_US) for source in _SOURCES_OF_USERS[1:]}
    )
    deliveries_fast: int = 0
    deliveries_slow: int = 0
    deliveries_streams: int = 0
    bytes_sent: int = 0
    log_lines_dropped: int = 0
    worker: str | None = None  # which of several this is; a label of every number then
    # What somebody else knows anyway is asked for when it is wanted, not counted twice.
    _gauges: dict[str, Callable[[], float | Mapping[str, float]]] = dataclasses.field(
        default_factory=dict
    )

    def note_publication(self, outcome: str) -> None:
        """Count what became of a publication: accepted, repeated, duplicate or stale."""
        self.publications[outcome] += 1

    def note_join(self, result: str) -> None:
        """Count how a join ended: joined, recovered, reset, refused or failed."""
        self.joins.add(result)

    def note_joined(self, recovered: bool | UnsetType) -> None:  # noqa: FBT001 - what the answer says
        """Count a join by its answer, which says whether a gap could be closed if there was one."""
        self.joins[_RESULTS_OF_JOINS[recovered]] += 1

    def note_recovery(self, result: str) -> None:
        """Count what became of a peer that came back with its `pid`."""
        self.recoveries.add(result)

    def note_refusal(self, refusal: Refusal) -> None:
        self.refusals.add(refusal.code)

    def note_goodbye(self, goodbye: Goodbye) -> None:
        self.goodbyes.add(str(goodbye.code))

    def note_dropped_log_line(self) -> None:
        """What `logs.configure` calls."""
        self.log_lines_dropped += 1

    def gauge(self, name: str, read: Callable[[], float | Mapping[str, float]]) -> None:
        """Show `read()` as `paceline_<name>`; raises KeyError for a name that has no sentence.

        It gives numbers by label where `GAUGE_LABELS` has one. A name that ends with "_total" is of
        a counter that somebody else keeps.
        """
        if name not in GAUGES:
            raise KeyError(name)
        self._gauges[name] = read


class _Row(NamedTuple):
    """A counter as Prometheus sees it; `read` gives a number, or numbers by label."""

    name: str
    sentence: str
    read: Callable[[Metrics], int | Mapping[str, int]]
    label: str = ""


_TABLE = (
    _Row(
        "paceline_publications_total",
        "Publications by what became of them.",
        lambda metrics: metrics.publications,
        "outcome",
    ),
    _Row(
        "paceline_deliveries_total",
        "Publications handed to peers, by lane.",
        lambda metrics: {
            "fast": metrics.deliveries_fast,
            "slow": metrics.deliveries_slow,
            "stream": metrics.deliveries_streams,
        },
        "lane",
    ),
    _Row(
        "paceline_joins_total",
        "Joins by how they ended; recovered and reset brought a cursor.",
        lambda metrics: metrics.joins,
        "result",
    ),
    _Row(
        "paceline_recoveries_total",
        "Peers that came back for their session, by what became of them.",
        lambda metrics: metrics.recoveries,
        "result",
    ),
    _Row(
        "paceline_refusals_total",
        "Requests answered with a no, by code.",
        lambda metrics: metrics.refusals,
        "code",
    ),
    _Row(
        "paceline_goodbyes_total",
        "Peers sent off, by code.",
        lambda metrics: metrics.goodbyes,
        "code",
    ),
    _Row(
        "paceline_turned_away_total",
        "Connections that were not let in, or kept the gateway waiting for too long, by reason.",
        lambda metrics: metrics.turned_away,
        "reason",
    ),
    _Row(
        "paceline_handovers_total",
        "Requests for sessions of other workers, and those that came from other workers, by way.",
        lambda metrics: metrics.handovers,
        "way",
    ),
    _Row(
        "paceline_ingested_total",
        "Entries of the ingest stream by what became of them; unavailable ones are tried again.",
        lambda metrics: metrics.ingested,
        "outcome",
    ),
    _Row(
        "paceline_user_reads_total",
        "Users that were asked for by their ids, by where they were found.",
        lambda metrics: metrics.user_reads,
        "source",
    ),
    _Row(
        "paceline_rate_limited_total",
        "Requests over HTTP that came too fast, by class.",
        lambda metrics: metrics.limited,
        "class",
    ),
    _Row(
        "paceline_quota_questions_total",
        "Questions to Redis about rate limits, by what became of them.",
        lambda metrics: metrics.quota_questions,
        "result",
    ),
    _Row(
        "paceline_jobs_total",
        "Attempts at jobs by what became of them; failed ones are tried again.",
        lambda metrics: metrics.jobs,
        "outcome",
    ),
    _Row(
        "paceline_sent_bytes_total",
        "Bytes written to peers.",
        lambda metrics: metrics.bytes_sent,
    ),
    _Row(
        "paceline_log_lines_dropped_total",
        "Log lines that could not be written.",
        lambda metrics: metrics.log_lines_dropped,
    ),
)
GAUGES = {
    "connections": "Open Engine.IO connections.",
    "peers": "Connected peers.",
    "streams": "Open streams of Server-Sent Events; they are among the peers.",
    "rooms": "Rooms that this worker has members in.",
    "tasks": "Tasks of the event loop: requests being answered, work that waits, and our own.",
    "loop_lag_seconds": "How late the event loop woke, at most, since this was read before.",
    "loop_busy_seconds": "How much of that was its own work, at most: processor time.",
    "ingest_backlog": "Entries of the ingest stream that are not settled yet.",
    "jobs_waiting": "Jobs that wait or are being done, on all runners, a few seconds ago.",
    "jobs_dead": "Jobs that were given up, a few seconds ago.",
    "jobs_oldest_due_seconds": "How long the oldest job that nobody has begun has been due.",
    "webhook_events_dropped_total": "Events of rooms that no webhook will hear of.",
    "account_cache_hits_total": "Questions about accounts that memory answered.",
    "account_cache_misses_total": "Questions about accounts that went to the store.",
    "ready": "1 when /readyz says that traffic should come, else 0.",
    "check_passed": "1 for each check of /readyz that passes, else 0.",
    "redis_up": "1 for each Redis master that is heard, else 0.",
}
GAUGE_LABELS = {"check_passed": "check", "redis_up": "shard"}


class _Exposition(Collector):
    """The table as prometheus-client wants it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        for row in _TABLE:
            yield _counter(row, row.read(self._metrics))
        yield _histogram(
            "paceline_delivery_seconds",
            "From the acceptance of a publication to its write to a peer's socket, by lane.",
            "lane",
            self._metrics.delivery_seconds,
        )
        yield _histogram(
            "paceline_user_read_seconds",
            "How long it took to find users that were not in memory, by where they were found.",
            "source",
            self._metrics.user_read_seconds,
        )
        for name, read in self._metrics._gauges.items():  # noqa: SLF001 - both are of this module
            yield _gauge(name, read())
        yield _build_info()


def _counter(row: _Row, value: int | Mapping[str, int]) -> CounterMetricFamily:
    if isinstance(value, int):
        return CounterMetricFamily(row.name, row.sentence, value=value)
    family = CounterMetricFamily(row.name, row.sentence, labels=[row.label])
    for label, count in value.items():
        # "other" appears only once something was counted there: it asks to be looked into.
        if count or label != _OTHER:
            family.add_metric([label], count)
    return family


def _gauge(name: str, value: float | Mapping[str, float]) -> Metric:
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    if not isinstance(value, Mapping):
        return kind(f"paceline_{name}", GAUGES[name], value=value)
    family = kind(f"paceline_{name}", GAUGES[name], labels=[GAUGE_LABELS[name]])
    for label, number in value.items():
        family.add_metric([label], number)
    return family


def _build_info() -> GaugeMetricFamily:
    sentence = "Always 1; its labels say what runs here."
    family = GaugeMetricFamily("paceline_build_info", sentence, labels=["version", "python"])
    family.add_metric([_VERSION, platform.python_version()], 1)
    return family


def _histogram(
    name: str, sentence: str, label: str, histograms: Mapping[str, Histogram]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, sentence, labels=[label])
    for value, histogram in histograms.items():
        family.add_metric([value], histogram.buckets(), histogram.sum_seconds)
    return family


class _OfOneWorker(CollectorRegistry):
    """Labels every number with the worker that it is of: a scrape may reach any of them."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._labels = {"worker": worker}

    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            family.samples = [
                sample._replace(labels={**self._labels, **sample.labels})
                for sample in family.samples
            ]
            yield family


def render(metrics: Metrics) -> str:
    """The text of `/metrics`, with the process's own numbers (memory, CPU time, open files)."""
    worker = metrics.worker
    registry = CollectorRegistry() if worker is None else _OfOneWorker(worker)
    registry.register(_Exposition(metrics))
    ProcessCollector(registry=registry)
    return generate_latest(registry).decode()
