"""This module owns what the operations page is told: of each worker, of rooms, of partings.

The namespace is `/ops`. Its event `report` carries an `Overview`, once a second; `look` is answered
with a `RoomLook`. Rates and counts are those since the report before.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from protocol.events import Member, RoomId

# What a worker says of itself; of a silent one: it has left when it was draining before, is gone
# when it was not, and is unheard when nobody could be heard.
State = Literal["accepting", "draining", "left", "gone", "unheard"]


class BrokerPulse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How one worker and its broker stand with each other."""

    kind: Literal["embedded", "redis"]
    is_well: bool
    silent_seconds: float | None = None  # since a beat came back last; of the worst server
    waiting: int = 0  # commands that are not answered yet


class Latency(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """From publishing to delivery, in milliseconds; of which share of deliveries says the name."""

    p50_ms: float
    p99_ms: float


class RoomLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A room that is large or busy. Small parts of it on further workers may not be counted."""

    room_id: str
    members: int
    per_second: float  # publications


class GoodbyeLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Somebody who was sent off."""

    at_ms: int
    code: int
    reason: str
    subject: str


class WorkerLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One worker. `busy_share` is of one processor; its loop woke `lag_seconds` late, at most."""

    worker_id: str
    host: str
    slot: int
    process_id: int
    version: str
    started_at_ms: int
    state: State
    heard_ms_ago: int
    connections: int
    peers: int
    rooms: int
    fast_peers: int
    slow_peers: int
    publishes_per_second: float
    fast_per_second: float
    slow_per_second: float
    bytes_per_second: float
    busy_share: float
    lag_seconds: float
    memory_bytes: int | None
    broker: BrokerPulse
    is_store_well: bool
    latency: Latency | None


class Overview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All workers, as one of them knows of them."""

    at_ms: int
    told_by: str  # the worker that the page is connected to
    workers: list[WorkerLine]
    latency: Latency | None  # over all of them
    rooms: list[RoomLine]
    refusals: dict[str, int]
    turned_away: dict[str, int]
    goodbyes: list[GoodbyeLine]  # the newest first


class LookRequest(msgspec.Struct, frozen=True, rename="camel"):
    """Which room, and what of it is known already."""

    room_id: RoomId
    since: Annotated[str, Meta(max_length=200)] | None = None


class Heard(msgspec.Struct, frozen=True, rename="camel"):
    """A publication, as its readers got it."""

    event: str
    data: Any


class RoomLook(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A room, looked into without being in it.

    `values` are the last values of some of its bikes, out of `value_count`; left out when `since`
    was continued: `heard` is then what was published after it, the newest last.
    """

    room_id: str
    cursor: str
    members: list[Member]
    member_count: int
    values: list[Any] | None
    value_count: int | None
    heard: list[Heard]
