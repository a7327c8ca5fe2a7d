"""The live map in people's hands: riders, phones, keyboards, screen readers, large fleets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.journeys.map_scenes import (
    COUNT,
    RIDING,
    OpenMap,
    opener_in,
    pixels_of,
    publish,
    riding,
)
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.map_page import map_page
from tests.toolbox.raw_socket import RawSocket, connected
from tests.toolbox.strict_gateway import RIDER, strict_gateway

pytestmark = [pytest.mark.journey, pytest.mark.browser]

LARGE_FLEET = 5_000
MEASURED_SECONDS = 6
FRAMES_WANTED = 30
PARTS_OF_A_SECOND = 10
LAND = (0xF6, 0xF4, 0xEF)
# One pixel, which a tile may be: the map stretches it.
RED = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
PHONE: dict[str, Any] = {"width": 390, "height": 844, "touch": True}
STATION = {
    "station_id": "s1",
    "lat": 48.861,
    "lon": 2.342,
    "num_vehicles_available": 3,
    "num_docks_available": 9,
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("gateway"))
    process.start()
    yield process
    process.kill()


@pytest.fixture
def open_map(tmp_path: Path) -> OpenMap:
    return opener_in(tmp_path)


async def event_about(member: RawSocket, bike_id: str) -> tuple[str, dict[str, Any]]:
    """The next event about a bike that a member of the room hears."""
    while True:
        name, body = json.loads(await member.event())
        if bike_id in {body.get("bike_id"), body.get("bikeId")}:
            return name, body


async def test_a_rider_publishes_where_the_browser_is_and_leaves_no_trace(
    gateway: GatewayProcess, open_map: OpenMap
) -> None:
    room = "city:rider"
    async with connected(gateway.url) as member, open_map(gateway.url, room) as page:
        await member.ask("join-room", json.dumps(room))
        await page.do(place={"latitude": 48.8566, "longitude": 2.3522, "accuracy": 8})
        await page.do(click="#ride")
        rider = await page.evaluate("document.querySelector('#rider-id').value")
        first = await event_about(member, rider)
        await page.do(place={"latitude": 48.857, "longitude": 2.353, "accuracy": 5})
        second = await event_about(member, rider)
        await page.until(f"paceline.room.bikes.get('{rider}')?.lat === 48.857")
        await page.until("!document.querySelector('#card').hidden")
        await page.do(click="#rider-stop")
        last = await event_about(member, rider)
        await page.until("paceline.room.bikes.size === 0")

    assert (first[0], first[1]["lat"], first[1]["lon"]) == ("bike-updated", 48.8566, 2.3522)
    assert first[1]["horizontal_accuracy"] == 8
    assert (second[1]["lat"], second[1]["lon"]) == (48.857, 2.353)
    assert last == ("bike-removed", {"roomId": room, "bikeId": rider, "reason": "removed"})


async def test_the_bikes_are_back_when_the_graphics_card_has_forgotten_everything(
    gateway: GatewayProcess, open_map: OpenMap
) -> None:
    room = "city:forgotten"
    await publish(gateway.url, room, [riding(n, 48.86 + n * 0.002, 2.34) for n in range(5)])
    async with open_map(gateway.url, room, may_complain=True) as page:
        await page.until(f"({COUNT})('riding') === 5")
        canvas = "paceline.map.getCanvas()"
        context = f"{canvas}.getContext('webgl2').getExtension('WEBGL_lose_context')"
        await page.evaluate(f"void (window.card = {context}, card.loseContext())")
        await page.until("!paceline.map.style")
        await asyncio.sleep(1.2)  # two slow drawings, with nothing to draw on
        await page.evaluate("card.restoreContext()")
        await page.until("!!paceline.map.style?.getLayer('bikes')")
        errors = [said for said in page.complaints if "Custom layer" not in said]

    assert errors == []


async def test_a_phone_shows_it_all_and_a_tap_opens_the_card(
    gateway: GatewayProcess, open_map: OpenMap
) -> None:
    room = "city:phone"
    await publish(gateway.url, room, [riding(n, 48.86 + n * 0.002, 2.34) for n in range(5)])
    async with open_map(gateway.url, room, **PHONE) as page:
        await page.until(f"({COUNT})('riding') === 5")
        outside = await page.evaluate(
            "[...document.querySelectorAll('#top, #side, .tool')].filter((node) => {"
            " const { left, right, top, bottom, width } = node.getBoundingClientRect();"
            " const fits = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;"
            " return width > 0 && !fits; }).map(({ id }) => id)"
        )
        small = await page.evaluate(
            "[...document.querySelectorAll('.tool')].filter((node) => {"
            " const { width, height } = node.getBoundingClientRect();"
            " return width > 0 && (width < 44 || height < 44); }).map(({ id }) => id)"
        )
        scrolls = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        at = await page.evaluate(
            "(() => { const { lng, lat } = { lng: 2.34, lat: 48.864 };"
            " const { x, y } = paceline.map.project([lng, lat]); return [x, y]; })()"
        )
        await page.do(tap=at)
        await page.until("!document.querySelector('#card').hidden")
        card = await page.evaluate(
            "(({ left, right, bottom }) => [left, right - innerWidth, bottom - innerHeight])"
            "(document.querySelector('#card').getBoundingClientRect())"
        )
        title = await page.text("#card h2")

    assert (outside, small, scrolls) == ([], [], False)
    assert title == "bike bike-2"
    assert card == [0, 0, 0], "a sheet at the bottom, as wide as the phone"


async def test_everything_can_be_done_with_the_keyboard(
    gateway: GatewayProcess, open_map: OpenMap
) -> None:
    room = "city:keyboard"
    await publish(gateway.url, room, [riding(1, 48.86, 2.34), STATION])
    async with open_map(gateway.url, room) as page:
        await page.until("paceline.room.bikes.size === 1")
        await page.do(press="Tab")
        first = await page.evaluate("document.activeElement.className")
        await page.do(press="Enter")
        await page.until("document.querySelectorAll('#rows button').length === 2")
        for _ in range(12):
            await page.do(press="Tab")
            if await page.evaluate("document.activeElement.closest('#rows') !== null"):
                break
        chosen = await page.evaluate("document.activeElement.dataset.id")
        await page.do(press="Enter")
        opened = await page.text("#card h2")
        await page.do(press="Escape")
        is_closed = await page.evaluate("document.querySelector('#card').hidden")

    assert first == "skip", "the first stop leads past the map"
    assert chosen in opened
    assert is_closed


@pytest.mark.parametrize("look", [{}, {"dark": True}, PHONE], ids=["light", "dark", "phone"])
async def test_no_serious_fault_of_accessibility_is_found(
    gateway: GatewayProcess, open_map: OpenMap, look: dict[str, Any]
) -> None:
    room = "city:everybody"
    await publish(gateway.url, room, [riding(1, 48.86, 2.34, speed=4), STATION])
    async with open_map(gateway.url, room, **look) as page:
        await page.until("paceline.room.bikes.size === 1")
        at_first = await page.do(axe=True)
        await page.select("bike-1")
        await page.evaluate("void (document.querySelector('#card details').open = true)")
        await page.until("document.querySelector('#card td')")
        opened = await page.do(axe=True)

    assert [each for each in at_first if each["impact"] in {"serious", "critical"}] == []
    assert [each for each in opened if each["impact"] in {"serious", "critical"}] == []


async def test_dark_and_light_can_be_switched_and_are_remembered(
    gateway: GatewayProcess, open_map: OpenMap
) -> None:
    room = "city:dark"
    await publish(gateway.url, room, [riding(1, 48.86, 2.34)])
    async with open_map(gateway.url, room, dark=True) as page:
        await page.until("paceline.room.bikes.size === 1")
        dark = await page.evaluate("document.documentElement.dataset.theme")
        blue_in_the_dark = await pixels_of(page, RIDING)
        await page.do(click="#theme")
        light = await page.evaluate("document.documentElement.dataset.theme")
        blue_in_the_light = await pixels_of(page, RIDING)
        kept = await page.evaluate("localStorage.getItem('paceline.theme')")

    assert (dark, light, kept) == ("dark", "light", "light")
    assert blue_in_the_dark == 0
    assert blue_in_the_light > 0


async def test_where_a_token_is_needed_it_is_asked_for(tmp_path: Path, open_map: OpenMap) -> None:
    strict = strict_gateway(tmp_path)
    strict.start()
    try:
        async with open_map(strict.url, "city:paris") as page:
            await page.until("document.querySelector('#token').open")
            status = await page.text("#connection-text")
            await page.do(fill="#token-input", text=RIDER)
            await page.do(press="Enter")
            await page.until("paceline.room.state === 'live'")
            where = await page.evaluate("location.href")
    finally:
        strict.kill()

    assert status == "Not let in"
    assert RIDER not in where


async def test_an_operator_s_tiles_lie_under_the_bikes_and_are_all_that_is_asked_for(
    tmp_path: Path,
) -> None:
    asked: list[str] = []

    async def tile(request: web.Request) -> web.Response:
        asked.append(request.path)
        headers = {"Access-Control-Allow-Origin": "*"}
        return web.Response(body=RED, content_type="image/png", headers=headers)

    app = web.Application()
    app.router.add_get("/{z}/{x}/{y}.png", tile)
    async with TestServer(app) as tiles:
        host = tiles.make_url("/").authority
        url = str(tiles.make_url("/{z}/{x}/{y}.png")).replace("%7B", "{").replace("%7D", "}")
        gateway = GatewayProcess(
            tmp_path, PACELINE_MAP_TILES_URL=url, PACELINE_MAP_ATTRIBUTION="Tiles: somebody"
        )
        gateway.start()
        try:
            await publish(gateway.url, "city:tiles", [riding(1, 48.86, 2.34)])
            with map_page(tmp_path, f"{gateway.url}/#city:tiles") as page:
                await page.ready()
                await page.until("paceline.room.bikes.size === 1 && paceline.map.areTilesLoaded()")
                land = await pixels_of(page, LAND)
                attribution = await page.text("#attribution")
                hosts, complaints = page.hosts, page.complaints
        finally:
            gateway.kill()

    assert asked, "tiles were fetched"
    assert land == 0, "and lie above the plain land"
    assert attribution == "Tiles: somebody"
    assert hosts == {f"127.0.0.1:{gateway.port}", host}
    assert complaints == []


async def test_a_large_fleet_leaves_the_page_time_for_thirty_frames_a_second(
    gateway: GatewayProcess, open_map: OpenMap, record_property: Callable[[str, object], None]
) -> None:
    """5,000 bikes, a report of each every second.

    How many frames come of it depends on what draws them: here that is a processor shared with
    everything else. What the page itself takes does not depend on that, and is what is asserted:
    what it takes for the reports, and for thirty frames.
    """
    room = "city:large"
    async with open_map(gateway.url, room) as page:
        publishing = asyncio.create_task(_ride_forever(gateway.url, room))
        try:
            await page.until(f"({COUNT})('riding') === {LARGE_FLEET}")
            await page.until("Number.parseInt(document.querySelector('#rate').textContent) > 1500")
            measured = await page.do(measure=MEASURED_SECONDS)
        finally:
            publishing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await publishing
    for name, value in measured.items():
        record_property(name, value)

    assert measured["framesPerSecond"] > 1, "it went on drawing"
    assert measured["busyShare"] < 0.6, measured
    for_frames_share = FRAMES_WANTED * measured["frameMs"] / 1000
    assert measured["busyShare"] + for_frames_share < 0.8, measured


async def _ride_forever(url: str, room: str) -> None:
    """Each bike reports every second, a tenth of them at a time."""
    second = 0
    while True:
        second += 1
        for part in range(PARTS_OF_A_SECOND):
            pause = asyncio.create_task(asyncio.sleep(1 / PARTS_OF_A_SECOND))
            numbers = range(part, LARGE_FLEET, PARTS_OF_A_SECOND)
            await publish(url, room, [_report(number, second) for number in numbers])
            await pause


def _report(number: int, second: int) -> dict[str, Any]:
    lat, lon = 48.83 + (number // 100) * 1.2e-3, 2.28 + (number % 100) * 1.2e-3
    return riding(number, lat + second * 4e-5, lon, speed=4.4, heading=0)
