import gzip
import os
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.feeds.source import FetchFailed, FileSource, HttpSource, reason_of, shown, source_of
from tests.gateway.feeds.feed_server import FeedServer
from tests.toolbox.ports import free_port


async def test_a_document_that_was_kept_is_not_sent_again(
    feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    feed_server.serve("f.json", {"a": 1})
    source = HttpSource(session, feed_server.url("f.json"))

    first = await source.fetch()
    assert first is not None
    assert first.body == b'{"a": 1}'
    source.keep(first)
    assert await source.fetch() is None
    assert feed_server.statuses == [200, 304]


async def test_a_document_that_was_of_no_use_is_asked_for_in_full_again(
    feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    feed_server.serve("f.json", b"broken")
    source = HttpSource(session, feed_server.url("f.json"))

    assert await source.fetch() is not None
    assert await source.fetch() is not None
    assert feed_server.statuses == [200, 200]


async def test_a_changed_document_is_sent(
    feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    feed_server.serve("f.json", {"a": 1})
    source = HttpSource(session, feed_server.url("f.json"))
    first = await source.fetch()
    assert first is not None
    source.keep(first)
    feed_server.serve("f.json", {"a": 2})

    second = await source.fetch()
    assert second is not None
    assert second.body == b'{"a": 2}'


async def test_an_answer_that_claims_no_change_to_nothing_is_a_failure(
    feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    feed_server.fail("f.json", 304)

    with pytest.raises(FetchFailed, match="304"):
        await HttpSource(session, feed_server.url("f.json")).fetch()


@pytest.mark.parametrize("status", [204, 401, 404, 429, 500, 503])
async def test_any_other_status_is_a_failure_with_its_number(
    feed_server: FeedServer, session: aiohttp.ClientSession, status: int
) -> None:
    feed_server.fail("f.json", status, {"Retry-After": "7"})

    with pytest.raises(FetchFailed, match=str(status)) as failed:
        await HttpSource(session, feed_server.url("f.json")).fetch()
    assert failed.value.retry_after_seconds == 7


async def test_a_body_that_breaks_off_is_a_failure(
    feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    feed_server.truncate("f.json")

    with pytest.raises(FetchFailed, match="broke off"):
        await HttpSource(session, feed_server.url("f.json")).fetch()


async def test_a_server_that_never_answers_is_given_up(
    feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    feed_server.hang("f.json")
    timeout = aiohttp.ClientTimeout(total=0.05)

    with pytest.raises(FetchFailed, match="timed out"):
        await HttpSource(session, feed_server.url("f.json"), timeout=timeout).fetch()


async def test_an_unreachable_server_is_a_failure_that_names_it(
    session: aiohttp.ClientSession,
) -> None:
    port = free_port()

    with pytest.raises(FetchFailed, match=f"cannot connect to 127.0.0.1:{port}"):
        await HttpSource(session, f"http://127.0.0.1:{port}/f.json?key=secret").fetch()


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://a b/", "http://x:99999/"])
async def test_a_senseless_url_is_a_failure_that_does_not_quote_it(
    session: aiohttp.ClientSession, url: str
) -> None:
    with pytest.raises(FetchFailed) as failed:
        await HttpSource(session, url + "?key=secret").fetch()
    assert "secret" not in str(failed.value)


async def test_an_endless_body_is_cut_off_at_the_limit(
    feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    feed_server.serve("f.json", b"x" * 200_000)

    with pytest.raises(FetchFailed, match="larger than 100000"):
        await HttpSource(session, feed_server.url("f.json"), limit_bytes=100_000).fetch()


async def test_a_small_archive_that_unfolds_into_a_large_body_is_cut_off_too(
    feed_server: FeedServer, session: aiohttp.ClientSession
) -> None:
    archive = gzip.compress(b"x" * 5_000_000)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=archive, headers={"Content-Encoding": "gzip"})

    feed_server.answers["f.json"] = answer
    assert len(archive) < 10_000
    with pytest.raises(FetchFailed, match="larger than 1000000"):
        await HttpSource(session, feed_server.url("f.json"), limit_bytes=1_000_000).fetch()


async def test_a_file_is_read_again_only_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(b"one")
    source = FileSource(path)

    first = await source.fetch()
    assert first is not None
    source.keep(first)
    assert await source.fetch() is None
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    second = await source.fetch()
    assert second is not None
    assert second.body == b"two"


async def test_a_file_that_is_missing_or_no_file_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="No such file"):
        await FileSource(tmp_path / "missing.json").fetch()
    with pytest.raises(FetchFailed, match="directory"):
        await FileSource(tmp_path).fetch()


async def test_a_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(b"x" * 11)

    assert await FileSource(path, limit_bytes=11).fetch() is not None
    with pytest.raises(FetchFailed, match="larger than 10"):
        await FileSource(path, limit_bytes=10).fetch()


async def test_addresses_lead_to_files_or_over_http(session: aiohttp.ClientSession) -> None:
    assert isinstance(source_of(session, "https://example.com/gbfs.json"), HttpSource)
    assert isinstance(source_of(session, "feeds/gbfs.json"), FileSource)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("https://user:secret@example.com/gbfs.json?key=secret#x", "https://example.com/gbfs.json"),
        ("http://[::1", "(unreadable URL)"),
        ("feeds/gbfs.json", "feeds/gbfs.json"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, text: str) -> None:
    assert shown(address) == text


def test_a_failure_of_an_unknown_kind_is_named_by_its_kind_alone() -> None:
    assert reason_of(aiohttp.InvalidURL("http://x?key=secret")) == "InvalidURL"
