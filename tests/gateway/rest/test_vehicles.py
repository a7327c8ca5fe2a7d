"""The public's document of a room, made by one worker and shown by all, over every backend."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.broker.contract import Broker, BrokerUnavailable, Snapshot
from gateway.broker.lockers import Lockers
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.broker.memory_lockers import MemoryLockers
from gateway.broker.redis.broker import RedisBroker
from gateway.broker.redis.lockers import RedisLockers
from gateway.rest import vehicles
from gateway.rest.vehicles import PublicVehicles
from gateway.settings import RoomKind, Settings
from gateway.settings.redis_url import address_of
from protocol.refusals import Refusal, Refused
from tests.gateway.broker.worker import Worker as Publisher
from tests.gateway.rooms.drafts import update

ROOM = "city:paris"
DOCUMENT, NAMES, TURN = (f"gbfs-{part}:{ROOM}" for part in ("document", "names", "turn"))
SETTINGS = Settings(room_kinds=(RoomKind(pattern="city:*", public=True),))
WORKERS = 3


class Worker:
    """One worker, as far as the public is concerned."""

    def __init__(self, broker: Broker, lockers: Lockers) -> None:
        self.broker = broker
        self.lockers = lockers
        self.vehicles = PublicVehicles(SETTINGS, broker, lockers)

    async def read(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((await self.vehicles.document(ROOM)).body)
        return document

    async def names(self) -> list[str]:
        return [vehicle["vehicle_id"] for vehicle in (await self.read())["data"]["vehicles"]]

    async def publish(self, *keys: str, **fields: object) -> None:
        waiting = {"lat": 48, "lon": 2, "vehicle_state": "available"}
        for key in keys:
            await Publisher(self.broker).publish(update(key, waiting | fields, room=ROOM))


@contextlib.asynccontextmanager
async def memory(_: pytest.FixtureRequest) -> AsyncIterator[list[Worker]]:
    rooms, lockers = MemoryRooms(SETTINGS.kind_of), MemoryLockers(time.monotonic)
    yield [Worker(MemoryBroker(rooms), lockers) for _ in range(WORKERS)]


@contextlib.asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[list[Worker]]:
    address, prefix = address_of(request.getfixturevalue("redis_url")), secrets.token_hex(4)
    brokers = [RedisBroker(address, SETTINGS.kind_of, prefix=prefix) for _ in range(WORKERS)]
    yield [Worker(broker, RedisLockers(broker.redis, prefix)) for broker in brokers]


@pytest.fixture(params=[memory, redis])
async def workers(request: pytest.FixtureRequest) -> AsyncIterator[list[Worker]]:
    async with request.param(request) as workers:
        for worker in workers:
            await worker.broker.start(lambda _deliveries: None)
        yield workers
        for worker in workers:
            await worker.broker.stop()


async def later(workers: list[Worker]) -> None:
    """The document is not good any more, anywhere."""
    await workers[0].lockers.take(DOCUMENT)
    for worker in workers:
        worker.vehicles = PublicVehicles(SETTINGS, worker.broker, worker.lockers)


async def test_all_workers_show_the_same_names_at_once_and_later(workers: list[Worker]) -> None:
    await workers[0].publish("1", "2", "3")
    documents = await asyncio.gather(*(worker.read() for worker in workers * 5))
    assert all(document == documents[0] for document in documents)
    names = await workers[0].names()
    assert len(set(names)) == 3
    assert not set(names) & {"1", "2", "3"}
    await later(workers)
    await workers[0].publish("2", vehicle_state="on_trip")
    left, *others = await asyncio.gather(*(worker.names() for worker in workers))
    assert all(other == left for other in others)
    assert len(left) == 2
    assert set(left) < set(names)
    await later(workers)
    await workers[1].publish("2")
    back = await workers[2].names()
    assert len(set(back) & set(names)) == 2
    assert len(back) == 3


async def test_a_document_is_made_anew_when_its_time_is_over_and_not_before(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, _ = workers
    await here.publish("1")
    document = await here.read()
    await here.publish("2")
    assert await here.read() == document
    assert await there.read() == document
    await later(workers)
    monkeypatch.setattr(vehicles, "TTL_SECONDS", 0.05)
    first, second = await here.names()
    assert document["data"]["vehicles"][0]["vehicle_id"] in {first, second}
    await there.publish("3")
    async with asyncio.timeout(15):
        while len(names := await here.names()) == 2:  # noqa: ASYNC110 - time passes, nobody tells
            await asyncio.sleep(0.01)
    assert set(names) > {first, second}
    assert set(await there.names()) == set(names)


async def test_a_room_is_not_begun_by_strangers_nor_remembered(workers: list[Worker]) -> None:
    assert (await workers[0].read())["data"] == {"vehicles": []}
    assert await workers[0].broker.has_begun(ROOM) is False
    await workers[0].publish("1", vehicle_state="on_trip")  # and nobody has to wait to see it
    assert (await workers[1].read())["data"] == {"vehicles": []}
    for key in (DOCUMENT, NAMES, TURN):
        assert await workers[0].lockers.look(key) is None


async def test_names_are_forgotten_with_the_last_vehicle(workers: list[Worker]) -> None:
    await workers[0].publish("1")
    names = await workers[0].names()
    await later(workers)
    await workers[0].publish("1", vehicle_state="on_trip")
    assert await workers[1].names() == []
    assert await workers[0].lockers.look(NAMES) is None
    await later(workers)
    await workers[0].publish("1")
    assert await workers[1].names() != names


async def test_a_worker_that_dies_in_its_turn_holds_nobody_up_for_long(
    workers: list[Worker],
) -> None:
    await workers[0].publish("1")
    assert await workers[0].lockers.put_first(TURN, b"", 0.2)
    async with asyncio.timeout(15):
        first, second = await asyncio.gather(workers[1].names(), workers[2].names())
    assert first == second
    assert len(first) == 1


async def test_other_rooms_are_not_for_the_public(workers: list[Worker]) -> None:
    with pytest.raises(Refused) as refused:
        await workers[0].vehicles.document("ride:1")
    assert refused.value.refusal is Refusal.FORBIDDEN


async def test_a_failure_is_told_to_all_who_wait_and_ends_the_turn() -> None:
    class Away(MemoryBroker):
        is_away = True

        async def snapshot(self, room: str) -> Snapshot:
            if self.is_away:
                raise BrokerUnavailable
            return await super().snapshot(room)

    broker = Away(MemoryRooms(SETTINGS.kind_of))
    worker = Worker(broker, MemoryLockers(time.monotonic))
    await worker.publish("1")
    failed = await asyncio.gather(worker.names(), worker.names(), return_exceptions=True)
    assert [type(failure) for failure in failed] == [BrokerUnavailable] * 2
    broker.is_away = False
    async with asyncio.timeout(1):  # a turn lasts longer
        assert len(await worker.names()) == 1
