import argparse
import asyncio
import contextlib
from collections.abc import Callable

import aiohttp
import pytest

from gateway.feeds.demo.city import City
from gateway.feeds.demo.show import (
    DemoOptions,
    DemoOptionsInvalid,
    add_arguments,
    options_from,
    removals_of,
    run_demo,
    show_forever,
)
from gateway.feeds.publisher import Publisher
from tests.gateway.feeds.recording_gateway import RecordingGateway

BIKES = 12
STATIONS = 26


def options(*arguments: str, **environ: str) -> DemoOptions:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return options_from(parser.parse_args(arguments), environ)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - the recording gateway tells nobody
            await asyncio.sleep(0.01)


def test_nothing_has_to_be_said() -> None:
    assert options() == DemoOptions()
    assert options().room == "city:demo"


def test_the_environment_names_the_gateway_and_the_token() -> None:
    found = options("--bikes", "5", PACELINE_URL="https://live.example", PACELINE_TOKEN="t\n")

    assert (found.gateway_url, found.token, found.bikes) == ("https://live.example", "t", 5)
    assert "t" not in repr(found).split()


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(DemoOptionsInvalid) as raised:
        options("--room", "", "--url", "ftp://x", "--bikes", "0", PACELINE_TOKEN="\u20ac")

    assert len(str(raised.value).splitlines()) == 4


async def test_the_city_is_published_and_goes_on(
    gateway: RecordingGateway, session: aiohttp.ClientSession
) -> None:
    city = City(BIKES, seed=1)
    showing = asyncio.create_task(show_forever(city, Publisher(session, gateway.url, "city:demo")))
    await until(lambda: len(gateway.requests) > 1)
    showing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await showing

    names = {update.get("station_id") or update.get("bike_id") for update in gateway.updates}
    assert {station.id for station in city.stations} <= names
    assert any(update.get("vehicle_state") == "on_trip" for update in gateway.updates)
    assert {request.room for request in gateway.requests} == {"city:demo"}


async def test_whoever_stops_it_finds_the_room_as_it_was(gateway: RecordingGateway) -> None:
    demo = asyncio.create_task(run_demo(DemoOptions(gateway_url=gateway.url, bikes=BIKES)))
    await until(lambda: len(gateway.requests) > 0)
    assert gateway.bikes
    demo.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await demo

    assert gateway.bikes == {}


def test_all_of_the_city_can_be_taken_away() -> None:
    assert len(list(removals_of(City(BIKES, seed=1)))) == BIKES + STATIONS
