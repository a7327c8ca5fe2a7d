import json
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from gateway.feeds.discovery import Discovery, Feed, chosen, discover
from gateway.feeds.envelope import FeedMalformed
from gateway.feeds.source import FetchFailed, source_of
from tests.gateway.feeds import system
from tests.gateway.feeds.feed_server import FeedServer

SMALL = system.feeds(bikes=2, stations=2)


async def names_at(address: str | Path, session: aiohttp.ClientSession) -> list[str]:
    found = await discover(str(address), partial(source_of, session))
    return [feed.name for feed in found.feeds]


ALL = ["free_bike_status", "station_information", "station_status"]


async def test_a_discovery_document_on_the_web_leads_to_its_feeds(
    feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    addresses = {"free_bike_status": "en/free_bike_status", "system_alerts": "https://example.com/"}
    feed_server.serve("gbfs", system.discovery(addresses))

    found = await discover(feed_server.url("gbfs"), partial(source_of, session))
    feed = Feed("free_bike_status", feed_server.url("en/free_bike_status"))
    assert found == Discovery((feed,), 60.0)


async def test_a_discovery_document_on_the_web_has_no_say_about_files(
    feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    feed_server.serve("gbfs", system.discovery({"free_bike_status": "file:///etc/passwd"}))

    with pytest.raises(FeedMalformed):
        await names_at(feed_server.url("gbfs"), session)


@pytest.mark.parametrize("nonsense", ["http://[::1", "//[", "http://a]b/"])
async def test_an_address_that_is_none_takes_no_other_with_it(
    feed_server: FeedServer, session: aiohttp.ClientSession, nonsense: str
) -> None:
    addresses = {"free_bike_status": "bikes", "station_status": nonsense}
    feed_server.serve("gbfs", system.discovery(addresses))

    assert await names_at(feed_server.url("gbfs"), session) == ["free_bike_status"]
    feed_server.serve("gbfs", system.discovery({"free_bike_status": nonsense}))
    with pytest.raises(FeedMalformed):
        await names_at(feed_server.url("gbfs"), session)


async def test_one_feed_on_the_web_is_known_by_its_shape(
    feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    feed_server.serve("vehicles", SMALL["free_bike_status"])

    assert await names_at(feed_server.url("vehicles?key=1"), session) == ["free_bike_status"]


async def test_a_folder_is_its_feed_files(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    system.write(tmp_path, SMALL)

    found = await discover(str(tmp_path), partial(source_of, session))
    assert [feed.name for feed in found.feeds] == ALL
    assert all(feed.address.startswith(str(tmp_path)) for feed in found.feeds)


async def test_a_folder_needs_no_discovery_document(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    system.write(tmp_path, SMALL)
    (tmp_path / "gbfs.json").unlink()

    assert await names_at(tmp_path, session) == ALL


async def test_a_saved_discovery_document_stands_for_the_files_beside_it(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    system.write(tmp_path, SMALL)

    found = await discover(str(tmp_path / "gbfs.json"), partial(source_of, session))
    assert [feed.name for feed in found.feeds] == ALL
    assert all(feed.address.startswith(str(tmp_path)) for feed in found.feeds)


async def test_a_saved_discovery_document_alone_leads_to_the_web(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    listed = {"station_status": "https://example.com/s", "free_bike_status": "file:///etc/passwd"}
    (tmp_path / "gbfs.json").write_text(json.dumps(system.discovery(listed)))

    found = await discover(str(tmp_path / "gbfs.json"), partial(source_of, session))
    assert found.feeds == (Feed("station_status", "https://example.com/s"),)


async def test_one_file_is_one_feed(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    system.write(tmp_path, SMALL)

    assert await names_at(tmp_path / "station_status.json", session) == ["station_status"]


async def test_nothing_that_moves_is_said_so(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    system.write(tmp_path, {"station_information": SMALL["station_information"]})

    for address in (tmp_path, tmp_path / "station_information.json"):
        with pytest.raises(FeedMalformed, match="no vehicle_status"):
            await names_at(address, session)


async def test_an_address_that_is_nowhere_is_a_failure(
    tmp_path: Path, feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    with pytest.raises(FetchFailed, match="No such file"):
        await names_at(tmp_path / "gbfs.json", session)
    with pytest.raises(FetchFailed, match="404"):
        await names_at(feed_server.url("gbfs.json"), session)


def test_vehicles_listed_under_both_names_are_read_once() -> None:
    both = {"free_bike_status": "old", "vehicle_status": "new", "gbfs": "self"}

    assert chosen(both) == (Feed("vehicle_status", "new"),)
