"""Publishers that never got their answer, and workers whose clock is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from pathlib import Path

import pytest

from tests.journeys.ledger.publishers import Backend, News, session_for_many
from tests.journeys.ledger.stage import on_stage
from tests.toolbox import programs
from tests.toolbox.fleet import BACKEND, SETTINGS, workers_of
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.redis_server import RedisServer

pytestmark = pytest.mark.journey

HOUR_SECONDS = 3600
TIMES = 5
PUBLICATIONS = 20


async def _send_and_hang_up(worker: GatewayProcess, news: News) -> None:
    """A whole request, and nobody who would read the answer."""
    body = json.dumps({"event": news.event, "data": news.data}).encode()
    head = (
        f"POST /api/rooms/{news.room}/events HTTP/1.1\r\nHost: {worker.host}:{worker.port}\r\n"
        f"Authorization: Bearer {BACKEND}\r\nIdempotency-Key: {news.id}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection(worker.host, worker.port)
    writer.write(head.encode() + body)
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    writer.transport.abort() if news.id.endswith("0") else writer.close()


async def test_a_publication_that_is_sent_again_and_again_is_one(
    tmp_path: Path, durable_redis: RedisServer
) -> None:
    workers = workers_of(tmp_path, 3, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 15, workers) as stage, session_for_many() as session:
        for number in range(PUBLICATIONS):
            room, id_ = stage.dice.choice(stage.rooms), f"doubtful {number}"
            news = News(id_, room, "note", {"roomId": room, "id": id_})
            stage.book.note("doubtful", "pub_invoke", room=room, id=id_)
            for _ in range(TIMES):
                await _send_and_hang_up(stage.a_worker(), news)
            for worker in workers:
                asker = Backend("doubtful", stage.book, session, worker.url)
                assert await asker.publish(news)
    verdict = stage.verdict
    places: dict[str, set[str]] = {}
    for record in stage.records:
        if record.kind == "pub_ok" and record.who == "doubtful":
            places.setdefault(record.id, set()).add(record.cursor)

    assert verdict.anomalies == []
    assert len(places) == PUBLICATIONS
    assert all(len(cursors) == 1 for cursors in places.values()), "one answer, whoever is asked"


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_worker_whose_clock_is_wrong(
    tmp_path: Path, durable_redis: RedisServer, hours: int
) -> None:
    elsewhen = {
        "LD_PRELOAD": str(programs.faketime()),
        "FAKETIME": f"{hours:+}h",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "REDIS_URL": durable_redis.url,
    }
    wrong = GatewayProcess(tmp_path, **SETTINGS | elsewhen)
    (right,) = workers_of(tmp_path, 1, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 26, [wrong, right]) as stage:
        await asyncio.sleep(4)
    verdict = stage.verdict
    end = next(record.at for record in stage.records if record.kind == "end")

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert set(verdict.tries) == {"ok"}
    assert [r for r in stage.records if r.kind == "down" and r.at < end] == []
    assert abs(_clock_of(wrong) - _clock_of(right)) > HOUR_SECONDS / 2, "or nothing was wrong"


def _clock_of(worker: GatewayProcess) -> float:
    """What time it was, by itself, when it began to listen."""
    written = json.loads(worker.log.splitlines()[0])["timestamp"]
    return dt.datetime.fromisoformat(written).timestamp()
