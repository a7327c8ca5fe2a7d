"""An operator's streets under the live map, from one PMTiles file: here, or at another address."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.conftest import StartGateway
from tests.journeys.map_scenes import opener_in, pixels_of, publish, riding
from tests.toolbox.map_page import map_page
from tests.toolbox.pmtiles import raster_archive, vector_archive

pytestmark = [pytest.mark.journey, pytest.mark.browser]

LAND, WATER, DARK_WATER = (0xF6, 0xF4, 0xEF), (0xDB, 0xE5, 0xEA), (0x0E, 0x15, 0x1B)
MOST_OF_IT = 500_000  # pixels, of 1280 by 800
# One red pixel, which a tile may be: the map stretches it.
RED = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
SHOWN = (
    "paceline.room.bikes.size === 1 && paceline.map.getSource('streets') && paceline.map.loaded()"
)


async def test_a_vector_file_of_the_gateway_s_own_lies_under_the_bikes_in_both_themes(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    file = tmp_path / "city.pmtiles"
    file.write_bytes(
        vector_archive(["water", "unheard-of", "places"], "<b>Streets</b> by somebody")
    )
    gateway = start_gateway(PACELINE_MAP_PMTILES=str(file))
    room = "city:streets"
    await publish(gateway.url, room, [riding(1, 48.86, 2.34)])
    async with opener_in(tmp_path)(gateway.url, room) as page:
        await page.until(SHOWN)
        await page.evaluate("void paceline.map.jumpTo({ zoom: 1, center: [0, 0] })")
        await page.until(
            "paceline.map.queryRenderedFeatures({ layers: ['streets-7-places'] }).length"
        )
        light = [await pixels_of(page, color) for color in (LAND, WATER)]
        attribution = await page.until(
            "document.querySelector('#attribution').textContent.includes('Streets')"
            " && document.querySelector('#attribution').textContent"
        )
        await page.do(click="#theme")
        dark = [await pixels_of(page, color) for color in (WATER, DARK_WATER)]

    assert light[0] < 1_000, "no plain land is left to see, but the rims of letters"
    assert light[1] > MOST_OF_IT
    assert attribution == "Streets by somebody"
    assert dark[0] < 1_000
    assert dark[1] > MOST_OF_IT


async def test_a_raster_file_elsewhere_is_read_in_ranges_and_is_all_that_is_asked_for(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    file = tmp_path / "city.pmtiles"
    file.write_bytes(raster_archive(RED))
    asked: list[str] = []

    async def archive(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Range", "all of it"))
        return web.FileResponse(file, headers={"Access-Control-Allow-Origin": "*"})

    async def allow(_: web.Request) -> web.Response:
        headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "range"}
        return web.Response(headers=headers)

    app = web.Application()
    app.router.add_get("/city.pmtiles", archive)
    app.router.add_route("OPTIONS", "/city.pmtiles", allow)
    async with TestServer(app) as elsewhere:
        url = elsewhere.make_url("/city.pmtiles")
        gateway = start_gateway(PACELINE_MAP_PMTILES=str(url))
        await publish(gateway.url, "city:raster", [riding(1, 48.86, 2.34)])
        with map_page(tmp_path, f"{gateway.url}/#city:raster") as page:
            await page.ready()
            await page.until(SHOWN)
            land = await pixels_of(page, LAND)
            hosts, complaints = page.hosts, page.complaints

    assert land == 0
    assert asked
    assert all(each.startswith("bytes=") for each in asked)
    assert hosts == {f"127.0.0.1:{gateway.port}", url.authority}
    assert complaints == []


async def test_a_file_that_cannot_be_read_leaves_the_map_as_it_is(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    file = tmp_path / "city.pmtiles"
    file.write_bytes(vector_archive(["water"]))
    gateway = start_gateway(PACELINE_MAP_PMTILES=str(file))
    file.unlink()
    await publish(gateway.url, "city:torn", [riding(1, 48.86, 2.34)])
    async with opener_in(tmp_path)(gateway.url, "city:torn", may_complain=True) as page:
        await page.until("paceline.room.bikes.size === 1")
        toast = await page.until("document.querySelector('#toast').textContent")

    assert "streets cannot be read" in toast
