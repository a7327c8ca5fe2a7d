from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from gateway.web.pages import PageConfig, Pages, origin_of

Client = TestClient[web.Request, web.Application]


async def client_of(aiohttp_client: AiohttpClient, pages: Pages) -> Client:
    app = web.Application()
    app.add_routes(pages.routes())
    return await aiohttp_client(app)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "built" / "assets").mkdir(parents=True)
    (tmp_path / "built" / "index.html").write_text("<p>page")
    (tmp_path / "built" / "ops.html").write_text("<p>operations")
    (tmp_path / "built" / "icon.svg").write_text("<svg/>")
    (tmp_path / "built" / "assets" / "main-1.js").write_text("1")
    (tmp_path / "secret.json").write_text("{}")
    return tmp_path / "built"


async def test_the_page_and_its_files_are_served(
    aiohttp_client: AiohttpClient, built: Path
) -> None:
    client = await client_of(aiohttp_client, Pages(PageConfig(), built))

    for path, text in (("/", "<p>page"), ("/icon.svg", "<svg/>"), ("/assets/main-1.js", "1")):
        answer = await client.get(path)
        assert (answer.status, await answer.text()) == (200, text)


@pytest.mark.parametrize(
    "path", ["/assets/none.js", "/assets/..%2F..%2Fsecret.json", "/secret.json"]
)
async def test_nothing_else_is_served(
    aiohttp_client: AiohttpClient, built: Path, path: str
) -> None:
    client = await client_of(aiohttp_client, Pages(PageConfig(), built))

    assert (await client.get(path)).status == 404


async def test_a_page_that_was_not_built_says_how_to_get_it(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    client = await client_of(aiohttp_client, Pages(PageConfig(), tmp_path / "nothing"))

    answer = await client.get("/")

    assert answer.status == 503
    assert "make run" in await answer.text()


async def test_the_page_may_do_nothing_that_it_does_not_have_to(
    aiohttp_client: AiohttpClient, built: Path
) -> None:
    client = await client_of(aiohttp_client, Pages(PageConfig(), built))

    headers = (await client.get("/")).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["worker-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"


async def test_an_operator_s_tiles_are_told_and_allowed(
    aiohttp_client: AiohttpClient, built: Path
) -> None:
    url = "https://tiles.example:8443/{z}/{x}/{y}.png?key=1"
    config = PageConfig(room="city:paris", tiles_url=url, attribution="© Somebody")
    client = await client_of(aiohttp_client, Pages(config, built))

    told = await (await client.get("/map.json")).json()
    policy = (await client.get("/")).headers["Content-Security-Policy"]

    assert told == {"data": {"room": "city:paris", "tilesUrl": url, "attribution": "© Somebody"}}
    assert "connect-src 'self' https://tiles.example:8443;" in policy


async def test_streets_from_elsewhere_are_allowed_and_one_s_own_need_not_be(
    aiohttp_client: AiohttpClient, built: Path
) -> None:
    tiles = "https://tiles.example/{z}/{x}/{y}.png"
    for streets, allowed in (
        ("map.pmtiles", "connect-src 'self' https://tiles.example;"),
        ("https://a.example/c.pmtiles", "'self' https://a.example https://tiles.example;"),
        ("https://tiles.example/c.pmtiles", "connect-src 'self' https://tiles.example;"),
    ):
        pages = Pages(PageConfig(tiles_url=tiles, pmtiles_url=streets), built)
        client = await client_of(aiohttp_client, pages)

        assert allowed in (await client.get("/")).headers["Content-Security-Policy"]
        assert (await (await client.get("/map.json")).json())["data"]["pmtilesUrl"] == streets


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin_of("https://{s}.tiles.example/{z}/{x}/{y}.png") == "https://s.tiles.example"
    assert origin_of("http://127.0.0.1:8081/{z}/{x}/{y}") == "http://127.0.0.1:8081"


async def test_the_operations_page_loads_nothing_but_itself(
    aiohttp_client: AiohttpClient, built: Path
) -> None:
    config = PageConfig(tiles_url="https://tiles.example/{z}/{x}/{y}.png")
    client = await client_of(aiohttp_client, Pages(config, built))

    answer = await client.get("/ops")
    policy = answer.headers["Content-Security-Policy"]

    assert (answer.status, await answer.text()) == (200, "<p>operations")
    assert "default-src 'none'" in policy
    assert "tiles.example" not in policy
    assert "unsafe" not in policy
    assert "geolocation=()" in answer.headers["Permissions-Policy"]


async def test_an_operations_page_that_was_not_built_says_so(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    client = await client_of(aiohttp_client, Pages(PageConfig(), tmp_path / "nothing"))

    assert (await client.get("/ops")).status == 503
