"""Workers over a real Redis, for what only a broker in Redis can suffer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from gateway.broker.contract import BrokerUnavailable, Interrupted
from gateway.broker.redis.broker import RedisBroker
from gateway.rooms.publication import Draft, Publication, Receipt
from gateway.settings import RoomKind
from gateway.settings.redis_url import address_of
from tests.gateway.broker.worker import Worker
from tests.gateway.rooms.drafts import ROOM

PREFIX: Final = "test"
# Until a restarted server, or another master, is found and every room is read again.
HEAL_SECONDS: Final = 5.0


def worker_over(url: str, kind: RoomKind = RoomKind(), **options: Any) -> Worker:  # noqa: ANN401, B008
    """One that has not been started."""
    return Worker(RedisBroker(address_of(url), lambda _: kind, prefix=PREFIX, **options))


@contextlib.asynccontextmanager
async def workers_over(
    url: str,
    count: int,
    kind: RoomKind = RoomKind(),  # noqa: B008
    **options: Any,  # noqa: ANN401
) -> AsyncIterator[list[Worker]]:
    """Several, started; stopped in the end."""
    workers = [worker_over(url, kind, **options) for _ in range(count)]
    try:
        for worker in workers:
            await worker.broker.start(worker.deliver)
        yield workers
    finally:
        await asyncio.gather(*(worker.broker.stop() for worker in workers))


async def accepted(worker: Worker, draft: Draft) -> Receipt:
    """Publish until Redis takes it; the draft has an idempotency key, or is refused for sure."""
    async with asyncio.timeout(HEAL_SECONDS + 5.0):
        while True:
            try:
                return await worker.publish(draft)
            except BrokerUnavailable:
                await asyncio.sleep(0.05)


async def healthy(worker: Worker) -> None:
    """Return when its ping is answered."""
    async with asyncio.timeout(HEAL_SECONDS + 5.0):
        while True:
            with contextlib.suppress(BrokerUnavailable):
                return await worker.broker.ping()
            await asyncio.sleep(0.02)


async def unhealthy(worker: Worker) -> None:
    """Return when its ping is not answered."""
    with contextlib.suppress(BrokerUnavailable):
        while True:
            await worker.broker.ping()
            await asyncio.sleep(0.02)


def story(worker: Worker, room: str = ROOM) -> list[str]:
    """What a room was told, in short: payloads of events, and "!" for an interruption."""
    return [
        "!" if isinstance(each, Interrupted) else text_of(each)
        for each in worker.deliveries
        if each.room == room
    ]


def text_of(publication: Publication) -> str:
    """The JSON that an event carries, without quotes."""
    return publication.payload.decode().strip('"')
