import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from gateway.web.archive import PATH, Archive

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "city.pmtiles"
    file.write_bytes(b"PMTiles\x03" + bytes(range(200)))
    return file


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, file: Path) -> Client:
    app = web.Application()
    app.add_routes(Archive(file).routes())
    return await aiohttp_client(app)


async def test_a_range_is_answered_with_that_part_and_the_whole_length(client: Client) -> None:
    answer = await client.get(PATH, headers={"Range": "bytes=7-9"})

    assert answer.status == 206
    assert await answer.read() == b"\x03\x00\x01"
    assert answer.headers["Content-Range"] == "bytes 7-9/208"
    assert answer.headers["Content-Type"] == "application/vnd.pmtiles"


async def test_a_range_behind_the_end_is_refused(client: Client) -> None:
    assert (await client.get(PATH, headers={"Range": "bytes=300-310"})).status == 416


async def test_another_file_has_another_tag_and_none_is_not_found(
    client: Client, file: Path
) -> None:
    first = await client.get(PATH, headers={"Range": "bytes=0-6"})
    await asyncio.to_thread(file.write_bytes, b"PMTiles\x03")
    second = await client.get(PATH, headers={"Range": "bytes=0-6"})
    await asyncio.to_thread(file.unlink)

    assert first.headers["ETag"] != second.headers["ETag"]
    assert (await client.get(PATH)).status == 404
