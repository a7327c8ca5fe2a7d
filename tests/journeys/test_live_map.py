"""The live map, in a real browser against a real gateway: what it shows is what the room holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.journeys.map_scenes import (
    COUNT,
    FLEET,
    PARKED,
    RIDING,
    OpenMap,
    opener_in,
    parked_fleet,
    pixels_of,
    publish,
    riding,
    shown_as,
)
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.relay import Relay, relay_to

pytestmark = [pytest.mark.journey, pytest.mark.browser]

KINDS = """
[[room]]
pattern = "short:*"
history_length = 3
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "rooms.toml").write_text(KINDS)
    process = GatewayProcess(folder, PACELINE_CONFIG=str(folder / "rooms.toml"))
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def relay(gateway: GatewayProcess) -> AsyncIterator[Relay]:
    async with relay_to(gateway.port) as relay:
        yield relay


@pytest.fixture
def open_map(tmp_path: Path) -> OpenMap:
    return opener_in(tmp_path)


# ---- what it shows


async def test_a_whole_fleet_is_painted_from_the_snapshot(
    gateway: GatewayProcess, open_map: OpenMap
) -> None:
    await publish(gateway.url, "city:fleet", parked_fleet(FLEET))
    async with open_map(gateway.url, "city:fleet") as page:
        await page.until(f"({COUNT})('parked') === {FLEET}")
        await page.until("paceline.map.getZoom() > 11.8")
        painted = await pixels_of(page, PARKED)
        status = await page.evaluate("document.querySelector('#connection-text').textContent")

    assert status == "Live"
    # a marker is some 20 pixels of its colour, and some lie on others
    assert painted > 8 * FLEET


async def test_from_afar_bikes_are_clusters(gateway: GatewayProcess, open_map: OpenMap) -> None:
    await publish(gateway.url, "city:afar", parked_fleet(FLEET))
    async with open_map(gateway.url, "city:afar") as page:
        await page.until(f"({COUNT})('parked') === {FLEET}")
        await page.evaluate("void paceline.map.jumpTo({ zoom: 9 })")
        total = await page.until(
            "paceline.map.queryRenderedFeatures({ layers: ['clusters'] })"
            ".reduce((sum, { properties }) => sum + (properties.point_count ?? 1), 0)"
        )

        assert await pixels_of(page, PARKED) == 0
    assert total == FLEET


async def test_a_bike_glides_from_one_report_to_the_next(
    gateway: GatewayProcess, open_map: OpenMap
) -> None:
    room = "city:glide"
    await publish(gateway.url, room, [riding(0, 48.86, 2.34)])
    places: list[float] = []
    async with open_map(gateway.url, room) as page:
        await page.until("paceline.room.bikes.size === 1")
        await page.evaluate("void paceline.map.jumpTo({ zoom: 16 })")
        before = await pixels_of(page, RIDING)
        for second in range(1, 5):
            await publish(gateway.url, room, [riding(0, 48.86 + second * 1e-4, 2.34)])
            for _ in range(4):
                places.append((await page.evaluate("paceline.shown('bike-0')"))["y"])
                await asyncio.sleep(0.2)

    assert before > 60, "it is painted"
    assert len(set(places)) > 10, "between reports too it is somewhere else each time"
    # north is up: y grows smaller, and never jumps back by more than the little it was ahead
    assert places[-1] < places[0]
    assert max(later - earlier for earlier, later in pairwise(places)) < 2e-8


async def test_a_tap_on_a_cluster_comes_nearer_until_it_comes_apart(
    gateway: GatewayProcess, open_map: OpenMap
) -> None:
    await publish(gateway.url, "city:tap", parked_fleet(200))
    async with open_map(gateway.url, "city:tap") as page:
        await page.until(f"({COUNT})('parked') === 200")
        await page.evaluate("void paceline.map.jumpTo({ zoom: 8 })")
        at = await page.until(
            "(([cluster]) => cluster && Object.values("
            "paceline.map.project(cluster.geometry.coordinates)))"
            "(paceline.map.queryRenderedFeatures({ layers: ['clusters'] }))"
        )
        await page.do(tap=at)
        await page.until("paceline.map.getZoom() > 8.5 && !paceline.map.isMoving()")


async def test_trails_are_drawn_on_demand_of_all_bikes_or_of_the_selected_one(
    gateway: GatewayProcess, open_map: OpenMap
) -> None:
    room = "city:trails"
    trails = "paceline.map.queryRenderedFeatures({ layers: ['trails'] }).length"
    async with open_map(gateway.url, room) as page:
        await page.until("paceline.room.state === 'live'")
        for step in range(5):
            ride = [riding(bike, 48.86 + bike * 2e-3 + step * 2e-4, 2.34) for bike in range(3)]
            await publish(gateway.url, room, ride)
        await page.until("paceline.room.bikes.size === 3")
        await page.evaluate("void paceline.map.jumpTo({ zoom: 14, center: [2.34, 48.862] })")
        before = await page.evaluate(trails)
        await page.select("bike-1")
        await page.until(f"[1, 2].includes({trails})")  # a line may go over two tiles
        await page.do(press="Escape")
        await page.until(f"{trails} === 0")
        await page.do(click="#trails")
        await page.until(f"{trails} >= 3")
        pressed = await page.evaluate("document.querySelector('#trails').ariaPressed")

    assert (before, pressed) == (0, "true")


async def test_bikes_that_have_gone_silent_look_so(
    gateway: GatewayProcess, open_map: OpenMap
) -> None:
    room = "city:silent"
    fleet = [riding(0, 48.86, 2.34), riding(1, 48.861, 2.34, 60), riding(2, 48.862, 2.34, 3600)]
    parked = riding(3, 48.863, 2.34, 1800, vehicle_state="available")
    await publish(gateway.url, room, [*fleet, parked])
    async with open_map(gateway.url, room) as page:
        await page.until(f"({COUNT})('stale') === 1")
        counts = [await shown_as(page, kind) for kind in ("riding", "parked", "stale", "lost")]
        await page.evaluate("void paceline.map.jumpTo({ zoom: 17, center: [2.34, 48.86] })")
        fresh = await pixels_of(page, RIDING)
        await page.evaluate("void paceline.map.jumpTo({ zoom: 17, center: [2.34, 48.8615] })")
        stale = await pixels_of(page, RIDING)
        await page.select("bike-1")
        note = await page.evaluate("document.querySelector('.note').textContent")

    assert counts == [3, 1, 1, 1], "half an hour is nothing for a parked bike"
    assert stale < fresh / 2, "stale ones are hollow"
    assert note == "riding, not heard of lately"


async def test_a_card_says_what_is_known_of_a_bike_and_of_a_station(
    gateway: GatewayProcess, open_map: OpenMap
) -> None:
    room = "city:cards"
    bike = riding(7, 48.86, 2.34, speed=5, heading=90, current_fuel_percent=0.42, bell={"ding": 1})
    station = {"station_id": "s1", "name": "Quay", "lat": 48.861, "lon": 2.341}
    counts = {"num_vehicles_available": 4, "num_docks_available": 8}
    await publish(gateway.url, room, [bike, station | counts])
    async with open_map(gateway.url, room) as page:
        await page.select("bike-7")
        of_bike = await page.evaluate("document.querySelector('#card').innerText")
        fields = await page.evaluate("document.querySelector('#card table').textContent")
        await page.select("s1")
        of_station = await page.evaluate("document.querySelector('#card').innerText")
        await page.do(press="Escape")
        is_closed = await page.evaluate("document.querySelector('#card').hidden")

    for text in ("18 km/h", "east", "42 %", "riding"):
        assert text in of_bike
    assert 'bell{"ding":1}' in fields
    for text in ("Quay", "4", "8", "open"):
        assert text in of_station
    assert is_closed


# ---- in step


async def test_after_the_network_was_cut_nothing_is_missing(
    gateway: GatewayProcess, relay: Relay, open_map: OpenMap
) -> None:
    room = "city:cut"
    await publish(gateway.url, room, [riding(0, 48.86, 2.34, number=0)])
    async with open_map(relay.url, room, may_complain=True) as page:
        await page.until("paceline.room.state === 'live'")
        await page.evaluate(
            "globalThis.heard = []; globalThis.states = [];"
            "paceline.room.subscribe((change) => heard.push(change.value?.number));"
            "paceline.room.on('state', (state) => states.push(state)); null"
        )
        for number in range(1, 121):
            if number in {30, 80}:
                relay.is_up = False
                relay.cut()
                await page.until(
                    "document.querySelector('#connection-text').textContent === 'Recovering'"
                )
            if number in {60, 100}:
                relay.is_up = True
            update = riding(number % 5, 48.86 + number * 1e-5, 2.34, number=number)
            await publish(gateway.url, room, [update])
        await page.until("heard.includes(120)")
        heard = await page.evaluate("heard")
        states = await page.evaluate("states")
        status = await page.evaluate("document.querySelector('#connection-text').textContent")
        toast = await page.evaluate("document.querySelector('#toast').textContent")

    assert heard == list(range(1, 121)), "the publisher's record, once and in order"
    assert set(states) == {"recovering", "live"}
    assert status == "Live"
    assert "missed" in toast


async def test_after_too_long_a_cut_it_says_that_it_began_anew(
    gateway: GatewayProcess, relay: Relay, open_map: OpenMap
) -> None:
    room = "short:cut"
    await publish(gateway.url, room, [riding(0, 48.86, 2.34), riding(1, 48.86, 2.35)])
    async with open_map(relay.url, room, may_complain=True) as page:
        await page.until("paceline.room.bikes.size === 2")
        relay.is_up = False
        relay.cut()
        await page.until("paceline.room.state === 'recovering'")
        await publish(gateway.url, room, [{"bike_id": "bike-1", "op": "remove"}])
        await publish(gateway.url, room, [riding(0, 48.86 + n * 1e-5, 2.34) for n in range(9)])
        relay.is_up = True
        await page.until(
            "document.querySelector('#connection-text').textContent === 'Snapshot again'"
        )
        await page.until("document.querySelector('#connection-text').textContent === 'Live'")
        bikes = await page.evaluate("[...paceline.room.bikes.keys()]")

    assert bikes == ["bike-0"]
