"""This module owns what the tests of the live map publish, and how they look at what is drawn."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any, Protocol

import aiohttp

from tests.toolbox.map_page import MapPage, map_page

Update = dict[str, Any]

FLEET = 1_244
BATCH = 500
# How many pixels of the canvas have a colour, give or take a little: what is really drawn.
PIXELS_OF = """(color) => new Promise((resolve) => {
  const { map } = paceline;
  map.once('render', () => {
    const gl = map.getCanvas().getContext('webgl2');
    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
    const pixels = new Uint8Array(width * height * 4);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    let count = 0;
    for (let at = 0; at < pixels.length; at += 4) {
      if (color.every((part, index) => Math.abs(pixels[at + index] - part) < 6)) count += 1;
    }
    resolve(count);
  });
  map.triggerRepaint();
})"""
PARKED, RIDING = (0x14, 0x86, 0x6D), (0x16, 0x68, 0xB8)
# What the page says it shows of one kind.
COUNT = """(kind) => {
  const number = document.querySelector(`#counts [data-kind=${kind}] b`);
  return Number(number?.textContent.replace(',', ''));
}"""


class OpenMap(Protocol):
    """Opens the map of a room; judges on leaving."""

    def __call__(
        self,
        url: str,
        room: str,
        *,
        may_complain: bool = False,
        **options: Any,  # noqa: ANN401 - those of `map-page.mjs`
    ) -> contextlib.AbstractAsyncContextManager[MapPage]: ...


def opener_in(folder: Path) -> OpenMap:
    """On leaving the map, nobody but the gateway was asked, and nothing has complained."""

    @contextlib.asynccontextmanager
    async def open_map(
        url: str,
        room: str,
        *,
        may_complain: bool = False,
        **options: Any,  # noqa: ANN401 - the same
    ) -> AsyncIterator[MapPage]:
        with map_page(folder, f"{url}/#{room}", **options) as page:
            yield await page.ready()
            assert page.hosts == {url.removeprefix("http://")}, "nobody else was asked"
            assert may_complain or page.complaints == [], page.complaints

    return open_map


async def publish(url: str, room: str, updates: list[Update]) -> None:
    async with aiohttp.ClientSession() as session:
        for start in range(0, len(updates), BATCH):
            batch = updates[start : start + BATCH]
            items = [{"event": "bike-update", "data": update} for update in batch]
            async with session.post(f"{url}/api/rooms/{room}/events", json=items) as answer:
                assert answer.status == 200, await answer.text()


def parked_fleet(count: int, seed: int = 1) -> list[Update]:
    """Bikes as an operator's feed has them, booleans as 0 and 1 included."""
    dice = Random(seed)  # noqa: S311 - it has to repeat itself
    return [
        {
            "bike_id": f"bike-{number}",
            "lat": round(41.88 + dice.uniform(-0.05, 0.05), 6),
            "lon": round(-87.63 + dice.uniform(-0.05, 0.05), 6),
            "is_reserved": 0,
            "is_disabled": 0,
            "current_range_meters": dice.randrange(60_000),
        }
        for number in range(count)
    ]


def riding(bike: int, lat: float, lon: float, ago_seconds: float = 0, **more: object) -> Update:
    at_ms = round((time.time() - ago_seconds) * 1000)
    place = {"bike_id": f"bike-{bike}", "lat": lat, "lon": lon, "timestamp": at_ms}
    return place | {"vehicle_state": "on_trip"} | more


async def pixels_of(page: MapPage, color: tuple[int, int, int]) -> int:
    count = await page.evaluate(f"({PIXELS_OF})({json.dumps(color)})")
    assert isinstance(count, int)
    return count


async def shown_as(page: MapPage, kind: str) -> int:
    return int(await page.evaluate(f"({COUNT})({json.dumps(kind)})") or 0)
