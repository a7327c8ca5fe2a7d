import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
import structlog

from gateway.feeds import bridge as bridge_module
from gateway.feeds.bridge import Bridge
from gateway.feeds.options import BridgeOptions
from gateway.feeds.progress import Step
from tests.gateway.feeds import system
from tests.gateway.feeds.feed_server import FeedServer
from tests.gateway.feeds.recording_gateway import RecordingGateway, error_response

MakeBridge = Callable[..., Bridge]


@asynccontextmanager
async def following(bridge: Bridge) -> AsyncIterator[None]:
    task = asyncio.create_task(bridge.follow_forever())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is on the other side
            await asyncio.sleep(0.005)


async def test_following_reads_again_and_again_with_etags(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    documents = system.feeds(bikes=5, stations=0)
    address = feed_server.serve_system(documents)
    feed_server.serve("free_bike_status.json", documents["free_bike_status"])

    async with following(make_bridge(address, interval_seconds=0.01)):
        await until(lambda: feed_server.statuses.count(304) >= 3)
        documents["free_bike_status"]["data"]["bikes"].pop()
        feed_server.serve("free_bike_status.json", documents["free_bike_status"])
        await until(lambda: len(gateway.removed) == 1)

    assert len(gateway.updates) == 6


async def test_following_outlives_broken_and_hanging_feeds(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    documents = system.feeds(bikes=5, stations=5)
    address = feed_server.serve_system(documents)
    feed_server.fail("station_status.json", 500)
    feed_server.hang("station_information.json")

    with structlog.testing.capture_logs() as lines:
        async with following(make_bridge(address, interval_seconds=0.01)):
            await until(lambda: feed_server.asked("station_status.json") >= 3)
            feed_server.serve("free_bike_status.json", system.document("bikes", [system.bike(9)]))
            await until(lambda: len(gateway.removed) == 5)

    failures = [line for line in lines if line["log_level"] == "warning"]
    assert [(line["feed"], line["reason"]) for line in failures] == [
        ("station_status", "HTTP status 500")
    ]


async def test_following_begins_when_the_address_answers_and_survives_a_gateway_that_is_away(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    gateway.answers.append(error_response(403, "FORBIDDEN"))
    feed_server.fail("gbfs.json", 503)
    bridge = make_bridge(feed_server.url("gbfs.json"), interval_seconds=0.01)

    async with following(bridge):
        await until(lambda: feed_server.asked("gbfs.json") >= 1)
        feed_server.serve_system(system.feeds(bikes=3, stations=0))
        await until(lambda: len(gateway.bikes) == 3 and bridge.result().troubles == ())


async def test_names_that_never_come_are_waited_for_a_while_and_once(
    gateway: RecordingGateway,
    feed_server: FeedServer,
    make_bridge: MakeBridge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bridge_module, "PLACES_WAIT_SECONDS", 0.05)
    documents = system.feeds(bikes=0, stations=2)
    address = feed_server.serve_system(documents)
    feed_server.hang("station_information.json")

    async with following(make_bridge(address, interval_seconds=0.01)):
        await until(lambda: len(gateway.updates) == 2)

    assert gateway.updates == documents["station_status"]["data"]["stations"]


class FragileProgress:
    """Shows nothing, and breaks over one feed."""

    def __init__(self, feed: str) -> None:
        self.feed = feed
        self.broke = 0

    def show(self, step: Step) -> None:
        if step.feed == self.feed:
            self.broke += 1
            raise ZeroDivisionError


async def test_a_bug_over_one_feed_does_not_end_the_others(
    gateway: RecordingGateway,
    feed_server: FeedServer,
    session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bridge_module, "LONGEST_SECONDS", 0.01)
    progress = FragileProgress("free_bike_status")
    address = feed_server.serve_system(system.feeds(bikes=1, stations=1))
    options = BridgeOptions(
        room="r", address=address, gateway_url=gateway.url, interval_seconds=0.01
    )

    with structlog.testing.capture_logs() as lines:
        async with following(Bridge(options, session, progress)):
            await until(lambda: progress.broke >= 2)
            seen = feed_server.asked("station_status.json")
            await until(lambda: feed_server.asked("station_status.json") > seen)

    errors = [line for line in lines if line["log_level"] == "error"]
    assert {line["feed"] for line in errors} == {"free_bike_status"}
    assert all(line["exc_info"] for line in errors)


async def test_feeds_that_move_are_followed_to_their_new_address(
    gateway: RecordingGateway,
    feed_server: FeedServer,
    make_bridge: MakeBridge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bridge_module, "LONGEST_SECONDS", 0.02)
    address = feed_server.serve_system(system.feeds(bikes=3, stations=0))

    async with following(make_bridge(address, interval_seconds=0.01)):
        await until(lambda: len(gateway.bikes) == 3)
        feed_server.serve("v3/bikes", system.document("bikes", [system.bike(n) for n in range(2)]))
        moved = {"free_bike_status": feed_server.url("v3/bikes")}
        feed_server.serve("gbfs.json", system.discovery(moved))
        await until(lambda: len(gateway.bikes) == 2)
        asked = feed_server.asked("free_bike_status.json")
        await until(lambda: feed_server.asked("v3/bikes") >= 5)
        assert feed_server.asked("free_bike_status.json") == asked

    assert len(gateway.updates) == 4
