"""This module owns THE table of scenarios: what is asked, and in which unit its cost is told.

A scenario is data. How it is driven is its course (`loadtest/courses/`), what it sends is its
payload (`payloads.py`). The last column group is the short version that `bench` runs.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from loadtest import payloads

Course = Literal["flow", "connect", "idle", "drop", "stalled", "storm", "reads"]


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. Counts are of connections unless the name says otherwise."""

    name: str
    title: str
    unit: str
    course: Course = "flow"
    rooms: int = 1
    members: int
    """Members in all rooms together; of each room the first `publishers_per_room` publish."""
    publishers_per_room: int = 1
    in_flight: int = 0
    """Publications that each publisher keeps unacknowledged (a closed loop); 0: paced instead."""
    publications_per_second: float = 0.0
    burst: int = 1
    """Paced publications that leave together, as a frame of a race feed does."""
    payload: str = "bikes"
    fleet: int = 100
    """Bikes (or stations) that one room's publications are about."""
    sample_every: int = 1
    """Of so many deliveries to a member one is looked into for its latency. A power of two."""
    churn_per_second: float = 0.0
    workers: int = 1
    """Processes that share one Redis and one core; the members of each room sit on all of them."""
    idle_workers: int = 0
    """Of these workers the last ones have no member at all."""
    watchers: int = 0
    """Members that look into every delivery for the checks of the scenario."""
    checks: tuple[str, ...] = ()
    warm_up_seconds: float = 1.0
    seconds: float = 10.0
    short_seconds: float = 4.0
    short_share: float = 1.0
    """The share of the members that the short version keeps."""

    @property
    def can_be_counted(self) -> bool:
        """Whether the deliveries that have to come follow from the acknowledged publications."""
        return self.payload != "dirty" and not self.churn_per_second

    @property
    def has_rate(self) -> bool:
        """Whether units per second say anything: idling and dropping have no speed."""
        return self.course not in {"idle", "drop"}

    def shortened(self) -> Scenario:
        members = max(self.rooms, int(self.members * self.short_share))
        return msgspec.structs.replace(self, members=members, seconds=self.short_seconds)


# Repeats carry the time of what they repeat: no latency can be read off them.
_NEVER: Final = 1 << 60

_ROWS: Final = (
    Scenario(
        name="fanout",
        title="Fan-out, saturated: 10 rooms of 100, 10 publishers with 4 in flight",
        unit="delivery", rooms=10, members=1000, in_flight=4, sample_every=16,
    ),
    Scenario(
        name="pairs",
        title="One to one, saturated: 200 pairs with 2 in flight",
        unit="message", rooms=200, members=400, in_flight=2, sample_every=4,
    ),
    Scenario(
        name="steady",
        title="Fan-out, unsaturated: 10 rooms of 100, 100 publications a second in all",
        unit="delivery", rooms=10, members=1000, publications_per_second=100,
    ),
    Scenario(
        name="big-room",
        title="One room of 5,000, 10 publications a second",
        unit="delivery", members=5000, publications_per_second=10, sample_every=4, short_share=0.4,
    ),
    Scenario(
        name="connect",
        title="5,000 clients come with a token",
        unit="connection", course="connect", members=5000, short_share=0.3,
    ),
    Scenario(
        name="idle",
        title="10,000 idle connections",
        unit="idle connection", course="idle", members=10_000, seconds=5, short_share=0.2,
        short_seconds=2,
    ),
    Scenario(
        name="drop",
        title="8,000 members drop at once; a canary asks every 5 ms",
        unit="disconnect", course="drop", rooms=80, members=8000, seconds=6, short_share=0.25,
    ),
    Scenario(
        name="stalled-reader",
        title="A room of 5,000 bikes at 1 Hz, 10 readers, and one that stops reading",
        unit="delivery", course="stalled", members=12, publications_per_second=5000, burst=50,
        fleet=5000,
        sample_every=16, warm_up_seconds=3, seconds=60, short_seconds=15,
        checks=("newest-of-every-bike", "every-removal", "others-unharmed"),
    ),
    Scenario(
        name="reconnect-storm",
        title="5,000 members of a room with 1,400 stations come back within 10 s",
        unit="return", course="storm", members=5000, payload="stations", fleet=1400, seconds=10,
        short_share=0.2,
        short_seconds=4,
    ),
    Scenario(
        name="fanout-workers",
        title="Fan-out, saturated, two workers: 10 rooms of 100, 10 publishers with 4 in flight",
        unit="delivery", rooms=10, members=1000, in_flight=4, sample_every=16, workers=2,
    ),
    Scenario(
        name="pairs-workers",
        title="One to one, saturated, two workers: 200 pairs with 2 in flight",
        unit="message", rooms=200, members=400, in_flight=2, sample_every=4, workers=2,
    ),
    Scenario(
        name="steady-workers",
        title="Fan-out, unsaturated, two workers: 10 rooms of 100, 100 publications a second",
        unit="delivery", rooms=10, members=1000, publications_per_second=100, workers=2,
    ),
    Scenario(
        name="elsewhere",
        title="A worker without members, while another one has 5,000 publications a second",
        unit="delivery", rooms=50, members=100, publications_per_second=5000, burst=10,
        sample_every=16, workers=2, idle_workers=1,
    ),
    Scenario(
        name="reads",
        title="Reads of a user over HTTP, saturated: 200 connections, each with its own token",
        unit="answer", course="reads", members=200, warm_up_seconds=2,
    ),
    Scenario(
        name="S0",
        title="Community share: 80 bikes, an update a minute each, 30 viewers",
        unit="delivery", members=31, publications_per_second=80 / 60, fleet=80, seconds=15,
        short_seconds=6,
    ),
    Scenario(
        name="S1",
        title="Docked city: 1,400 stations, 10 changes a second, 5,000 viewers",
        unit="delivery", members=5001, publications_per_second=10, payload="stations", fleet=1400,
        sample_every=4,
        short_share=0.2,
    ),
    Scenario(
        name="S3",
        title="Dockless operations: 10,000 vehicles, 305 updates a second, 200 viewers",
        unit="delivery", members=201, publications_per_second=305, fleet=10_000, sample_every=4,
    ),
    Scenario(
        name="S4",
        title="Delivery: 2,000 riders in rooms of their own, 400 updates a second; rooms change",
        unit="message", rooms=2000, members=4000, publications_per_second=400, fleet=1,
        churn_per_second=1.1,
        checks=("p95-below-200-ms",),
    ),
    Scenario(
        name="S5",
        title="Stage race: 180 riders at 1 Hz in one burst, 1,000 viewers",
        unit="delivery", members=1001, publications_per_second=180, burst=180, fleet=180,
        sample_every=16,
        short_share=0.3,
    ),
    Scenario(
        name="S8",
        title="Dirty input: repeats, steps back in time, negative speeds; 100 viewers",
        unit="delivery", members=101, publications_per_second=360, payload="dirty",
        fleet=180, sample_every=_NEVER, watchers=3,
        checks=("monotone-per-bike", "repeats-dropped", "no-connection-lost"),
    ),
    Scenario(
        name="S9",
        title="Open payloads of 1 to 8 kB without identity: 100 rooms, 1,000 members",
        unit="delivery", rooms=100, members=1000, publications_per_second=200, payload="items",
        watchers=100,
        checks=("verbatim", "not-to-its-author"),
    ),
)  # fmt: skip

TABLE: Final = {row.name: row for row in _ROWS}

# What `make bench` runs, in the short version.
BENCH: Final = (
    "fanout",
    "pairs",
    "steady",
    "big-room",
    "connect",
    "idle",
    "drop",
    "stalled-reader",
)

PAYLOADS: Final = {
    "bikes": payloads.bikes,
    "stations": payloads.stations,
    "items": lambda _fleet: payloads.shop_items(),
    "dirty": payloads.dirty_race,
}
