"""This module owns the bodies about workers over HTTP."""

from __future__ import annotations

import msgspec


class WorkerView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A live worker. Workers with the same `hostId` share a host; `isLeaving`: it is draining."""

    worker_id: str
    host_id: str
    process_id: int
    started_at_ms: int
    version: str
    is_leaving: bool


class Draining(msgspec.Struct, frozen=True, rename="camel"):
    """A worker that was told to leave."""

    worker_id: str
