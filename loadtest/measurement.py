"""This module owns what a run leaves behind: numbers of one server in one round, and of all."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Final, Literal

import msgspec

from loadtest.histogram import Histogram, Summary
from loadtest.scenarios import Scenario

# Beyond this share of its core the load itself may be what limits the throughput.
BUSY_SHARE: Final = 0.85
# Beyond this share of the window spent waiting for a core, the machine was not quiet.
WAITED_SHARE: Final = 0.1


class Check(msgspec.Struct, frozen=True):
    """A promise that was looked at."""

    name: str
    passed: bool
    detail: str


class Sample(msgspec.Struct, frozen=True):
    """The server at one moment of a round."""

    at_seconds: float
    cpu_seconds: float
    resident_bytes: int


class Durations(msgspec.Struct, frozen=True):
    """A histogram that travels between processes and into the report."""

    summary: Summary
    buckets: dict[int, int]
    largest_ns: int

    @classmethod
    def of(cls, histogram: Histogram) -> Durations:
        return cls(histogram.summary(), histogram.sparse(), histogram.largest)


class Measurement(msgspec.Struct, kw_only=True):
    """One server in one round. Times are of the measured window alone."""

    peer: str = ""
    round_number: int = 0
    seconds: float
    units: int
    """How many of the scenario's unit were done: what the CPU seconds are divided by."""
    publications: int = 0
    deliveries: int = 0
    expected_deliveries: int = 0
    closed: int = 0
    refusals: dict[str, int] = {}
    others: dict[str, int] = {}
    server_user_seconds: float = 0.0
    server_system_seconds: float = 0.0
    server_waited_seconds: float = 0.0
    """For its core, which other programs of the machine had."""
    swarm_cpu_seconds: float = 0.0
    swarm_waited_seconds: float = 0.0
    memory_before_bytes: int = 0
    memory_after_bytes: int = 0
    latency: Durations | None = None
    ack_latency: Durations | None = None
    figures: dict[str, float] = {}
    """What only this scenario knows, by a name that ends in its unit."""
    checks: list[Check] = []
    samples: list[Sample] = []

    @property
    def server_cpu_seconds(self) -> float:
        return self.server_user_seconds + self.server_system_seconds

    @property
    def cpu_us_per_unit(self) -> float:
        return self.server_cpu_seconds / self.units * 1e6 if self.units else 0.0

    @property
    def units_per_second(self) -> float:
        return self.units / self.seconds if self.seconds else 0.0

    @property
    def swarm_share(self) -> float:
        """Of one core, the share that the load itself took."""
        return self.swarm_cpu_seconds / self.seconds if self.seconds else 0.0

    @property
    def waited_share(self) -> float:
        """Of the window, the larger share that the server or the load waited for its core."""
        waited = max(self.server_waited_seconds, self.swarm_waited_seconds)
        return waited / self.seconds if self.seconds else 0.0

    @property
    def server_share(self) -> float:
        return self.server_cpu_seconds / self.seconds if self.seconds else 0.0


class Metric(msgspec.Struct, frozen=True):
    """A number of a measurement that servers are compared by; less is better for all of them."""

    key: str
    label: str
    unit: str
    read: Callable[[Measurement], float]


def _latency_of(share: Literal["p50_ms", "p99_ms"]) -> Callable[[Measurement], float]:
    return lambda measured: getattr(measured.latency.summary, share) if measured.latency else 0.0


def _figure_of(key: str) -> Callable[[Measurement], float]:
    return lambda measured: measured.figures.get(key, 0.0)


METRICS: Final = (
    Metric("cpu", "CPU per {unit}", "us", lambda measured: measured.cpu_us_per_unit),
    Metric("p50", "latency, half of them below", "ms", _latency_of("p50_ms")),
    Metric("p99", "latency, 99 % below", "ms", _latency_of("p99_ms")),
    Metric("memory", "memory per connection", "KB", _figure_of("memory_kb_per_connection")),
    Metric("growth", "memory that the stalled reader cost", "KB", _figure_of("memory_growth_kb")),
    Metric(
        "idle", "of a core, a worker without members", "%", _figure_of("idle_workers_core_percent")
    ),
    Metric("stall", "longest stall of the server", "ms", _figure_of("longest_stall_ms")),
)


class Result(msgspec.Struct):
    """A scenario in a campaign: every round of every server.

    The first server is the one the others are held against.
    """

    scenario: Scenario
    peers: list[str]
    measurements: list[Measurement]
    failures: dict[str, str]
    """By server: why it could not be measured, or not in every round."""

    def of(self, peer: str) -> list[Measurement]:
        return [measured for measured in self.measurements if measured.peer == peer]

    def median_of(self, peer: str, metric: Metric) -> float:
        return median_or_zero([metric.read(measured) for measured in self.of(peer)])

    def ratios_of(self, peer: str, metric: Metric) -> list[float]:
        """How many times the first server's number this one's is, round by round."""
        ours = {measured.round_number: metric.read(measured) for measured in self.of(self.peers[0])}
        theirs = {measured.round_number: metric.read(measured) for measured in self.of(peer)}
        return [
            theirs[number] / value
            for number, value in ours.items()
            if value > 0 and theirs.get(number, 0) > 0
        ]

    def remarks(self) -> list[str]:
        """What a reader has to know before believing the numbers."""
        remarks = [f"{peer}: {reason}" for peer, reason in self.failures.items()]
        for peer in self.peers:
            shares = [measured.swarm_share for measured in self.of(peer)]
            if shares and max(shares) > BUSY_SHARE:
                remarks.append(
                    f"{peer}: the load used {max(shares):.0%} of its core, and may limit the rate"
                )
            waited = [measured.waited_share for measured in self.of(peer)]
            if waited and max(waited) > WAITED_SHARE:
                remarks.append(
                    f"{peer}: {max(waited):.0%} of the time other programs of this machine had the "
                    "core: rates and latencies do not hold, and costs vary more"
                )
            closed = sum(measured.closed for measured in self.of(peer))
            if closed:
                remarks.append(f"{peer}: closed {closed} connections during the run")
            missing = sum(
                measured.figures.get("missing_deliveries_count", 0) for measured in self.of(peer)
            )
            if missing > 0:
                remarks.append(f"{peer}: {missing:.0f} deliveries never came")
            for code, count in _sum_of([measured.refusals for measured in self.of(peer)]).items():
                remarks.append(f"{peer}: refused {count} publications with {code}")
        return remarks


def _sum_of(counts: list[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in counts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return total


def median_or_zero(values: list[float]) -> float:
    return median(values) if values else 0.0
