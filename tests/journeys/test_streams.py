"""Server-Sent Events over real workers: nothing lost, nothing twice, whoever dies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from pathlib import Path

import aiohttp
import pytest

from gateway.identity import KeySet, Role, sign_token
from tests.conftest import StartGateway
from tests.toolbox import event_stream
from tests.toolbox.documents import indented_block
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.map_page import map_page
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.redis_server import RedisServer

pytestmark = pytest.mark.journey

ROOM = "city:paris"
PATH = f"/api/rooms/{ROOM}/events"
_RETRY_SECONDS = 0.1
SECRET = "a-secret-of-more-than-thirty-two-bytes-for-tests-alone"
# Two readers in one page: one that comes back by itself, and the one of the document, which comes
# back with a ticket each time. What they are told stands in `told`.
PAGE = """(() => {
    globalThis.told = { alone: [], ticket: [] };
    globalThis.openings = { alone: 0, ticket: 0 };
    globalThis.resets = 0;
    const token = TOKEN;
    const heard = (reader) => (name, data) => {
        if (name === 'room-joined') openings[reader] += 1;
        if (name === 'room-reset') resets += 1;
        if (name === 'bike-updated') told[reader].push(Number(data.bike_id));
    };
    const alone = new EventSource('/api/rooms/city:paris/events');
    for (const name of ['room-joined', 'room-reset', 'bike-updated'])
        alone.addEventListener(name, (event) => heard('alone')(name, JSON.parse(event.data)));
    const show = heard('ticket');
    DOCUMENT
})()"""


class Reader:
    """Reads a room, comes back to the next worker whenever it is cut off, and keeps the record."""

    def __init__(self, session: aiohttp.ClientSession, workers: list[GatewayProcess]) -> None:
        self._session = session
        self._workers = itertools.cycle(workers)
        self.last_id = ""
        self.cursors: list[str] = []
        self.numbers: list[int] = []
        self.others: list[str] = []
        self.openings = 0

    async def read_forever(self) -> None:
        for worker in self._workers:
            with contextlib.suppress(EOFError, aiohttp.ClientError, OSError):
                stream = await event_stream.opened(
                    self._session, f"{worker.url}{PATH}", self.last_id
                )
                self.openings += 1
                await self._read(stream)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _read(self, stream: event_stream.EventStream) -> None:
        try:
            while True:
                event = await stream.next("room-joined")
                if event.name == "tick":
                    self.numbers.append(event.data)
                    self.cursors.append(event.last_id)
                else:
                    self.others.append(event.name)
        finally:
            self.last_id = stream.last_id
            stream.response.close()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.numbers) < count:  # noqa: ASYNC110 - a test looks until it is so
                await asyncio.sleep(0.02)


class Publisher:
    """Publishes numbers, each until it is acknowledged, and keeps the cursors."""

    def __init__(self, session: aiohttp.ClientSession, worker: GatewayProcess) -> None:
        self._session = session
        self.worker = worker
        self.cursors: list[str] = []

    async def publish(self, count: int) -> None:
        for _ in range(count):
            number = len(self.cursors)
            body = {"event": "tick", "data": number, "idempotencyKey": str(number)}
            async with self._session.post(f"{self.worker.url}{PATH}", json=body) as response:
                response.raise_for_status()
                self.cursors.append((await response.json())["data"]["cursor"])
            await asyncio.sleep(0.002)


async def test_streams_lose_nothing_when_workers_die_and_when_they_leave(
    start_gateway: StartGateway, redis_server: RedisServer
) -> None:
    one, other = [
        await asyncio.to_thread(start_gateway, REDIS_URL=redis_server.url) for _ in range(2)
    ]
    async with aiohttp.ClientSession() as session:
        publisher = Publisher(session, other)
        readers = [Reader(session, workers) for workers in ([one, other], [other, one], [one])]
        tasks = [asyncio.create_task(reader.read_forever()) for reader in readers]
        async with asyncio.timeout(20):
            while not all(reader.openings for reader in readers):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)

        publishing = asyncio.create_task(publisher.publish(300))
        await readers[0].until(50)
        await asyncio.to_thread(one.kill)  # without a word, in the middle of it all
        await publishing
        await asyncio.to_thread(one.start)
        await readers[2].until(300)

        publisher.worker = one
        publishing = asyncio.create_task(publisher.publish(300))
        await readers[1].until(350)
        await asyncio.to_thread(other.stop)  # politely
        await publishing
        await asyncio.to_thread(other.start)
        for reader in readers:
            await reader.until(600)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    for reader in readers:
        assert reader.numbers == list(range(600))
        assert reader.cursors == publisher.cursors
        assert set(reader.others) <= {"goodbye"}
        assert reader.openings >= 2


@pytest.mark.browser
async def test_a_page_goes_on_where_it_was_when_its_worker_is_started_again(
    start_gateway: StartGateway, redis_server: RedisServer, tmp_path: Path
) -> None:
    settings = {"REDIS_URL": redis_server.url, "PACELINE_JWT_SECRET": SECRET}
    one, other = [await asyncio.to_thread(start_gateway, **settings) for _ in range(2)]
    document = REPOSITORY / "docs" / "how-to" / "read-a-room-over-http.md"
    script = PAGE.replace("DOCUMENT", indented_block(document, "let since;"))
    async with aiohttp.ClientSession() as session:
        with map_page(tmp_path, f"{one.url}/ops") as page:
            await page.ready()
            await page.evaluate(script.replace("TOKEN", json.dumps(_token())))
            await page.until("openings.alone && openings.ticket")
            await _move_bikes(session, other, range(10))
            await page.until("told.alone.length >= 10 && told.ticket.length >= 10")

            await asyncio.to_thread(one.kill)
            await _move_bikes(session, other, range(10, 20))
            await asyncio.to_thread(one.start)
            await page.until("openings.alone > 1 && openings.ticket > 1")
            await _move_bikes(session, other, range(20, 30))
            await page.until("told.alone.length >= 30 && told.ticket.length >= 30")

            told = await page.evaluate("told")
            assert told == {"alone": list(range(30)), "ticket": list(range(30))}
            assert await page.evaluate("resets") == 0


def _token() -> str:
    keys, now_seconds = KeySet.of([SECRET]), time.time()
    return sign_token(
        keys, subject="ada", role=Role.RIDER, now_seconds=now_seconds, lifetime_seconds=600
    )


async def _move_bikes(
    session: aiohttp.ClientSession, worker: GatewayProcess, numbers: range
) -> None:
    """Have each of these bikes report once."""
    for number in numbers:
        data = {"bike_id": str(number), "lat": 48.85, "lon": 2.35}
        body = {"event": "bike-update", "data": data}
        async with session.post(f"{worker.url}{PATH}", json=body) as response:
            response.raise_for_status()
