"""This module owns what is published: events, their keys, and the requests that carry them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

BIKE_UPDATE: Final = "bike-update"

# Below the gateway's own limits, which are 1,000 events and 1 MiB.
_BATCH_LIMIT_EVENTS: Final = 500
_BATCH_LIMIT_BYTES: Final = 900 * 1024


def new_key() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Event:
    """One event for a room; under the same `key` it is taken once, however often it is sent.

    `data` is whatever JSON can hold. The gateway remembers a key for five minutes.
    """

    name: str
    data: Any
    key: str = field(default_factory=new_key)

    def encoded(self) -> bytes:
        """The event as the gateway reads it; raises `ValueError` for what JSON cannot hold."""
        body = {"event": self.name, "data": self.data, "idempotencyKey": self.key}
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an event stands in its room's history."""

    room: str
    cursor: str


def batches_of(bodies: Sequence[bytes], places: Sequence[int]) -> Iterator[list[int]]:
    """Cut places of `bodies` into runs that fit one request; what is too large stands alone."""
    batch: list[int] = []
    size_bytes = 0
    for place in places:
        more_bytes = len(bodies[place]) + 1
        is_full = len(batch) == _BATCH_LIMIT_EVENTS or size_bytes + more_bytes > _BATCH_LIMIT_BYTES
        if batch and is_full:
            yield batch
            batch, size_bytes = [], 0
        batch.append(place)
        size_bytes += more_bytes
    if batch:
        yield batch
