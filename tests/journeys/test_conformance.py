"""What the two protocol documents ask for, and what the stock Python server is known to do instead.

Each test runs against our server and against the stock one. Where the stock one is expected to fail
it must: if it no longer does, a reason for our own engine is gone, and that is worth knowing.
Heartbeats are long, so that "is closed" never means "did not answer a ping".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from tests.conformance.examination import (
    PATH,
    Subject,
    both_pass,
    both_running,
    opened,
    stock_fails,
)
from tests.conformance.subject import PING_INTERVAL_SECONDS
from tests.toolbox.raw_client import RawPoller, RawSocket, request

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Subject]]:
    with both_running(tmp_path_factory.mktemp("conformance")) as subjects:
        yield subjects


@pytest.fixture
def subject(subjects: dict[str, Subject], request: pytest.FixtureRequest) -> Subject:
    flavour: str = request.param
    return subjects[flavour]


# ---- Engine.IO: handshake


@both_pass
async def test_the_handshake_says_who_one_is_and_what_one_may(subject: Subject) -> None:
    answer = await request(subject.port, "GET", f"{PATH}?EIO=4&transport=polling")
    opening = json.loads(answer.body[1:])

    assert (answer.status, answer.body[:1]) == (200, b"0")
    assert set(opening) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
    assert opening["upgrades"] == ["websocket"]


@stock_fails("it cuts the interval to whole seconds")
async def test_the_handshake_tells_the_ping_interval_as_it_is(subject: Subject) -> None:
    answer = await request(subject.port, "GET", f"{PATH}?EIO=4&transport=polling")

    assert json.loads(answer.body[1:])["pingInterval"] == PING_INTERVAL_SECONDS * 1000


@stock_fails("it takes polling for granted")
async def test_a_request_must_name_its_transport(subject: Subject) -> None:
    assert (await request(subject.port, "GET", f"{PATH}?EIO=4")).status == 400


@stock_fails("aiohttp answers for it, with 405")
async def test_a_method_that_is_not_of_the_protocol_is_a_bad_request(subject: Subject) -> None:
    assert (await request(subject.port, "PUT", f"{PATH}?EIO=4&transport=polling")).status == 400


@both_pass
@pytest.mark.parametrize("query", ["EIO=abc&transport=polling", "EIO=4&transport=abc"])
async def test_an_unknown_version_or_transport_is_a_bad_request(
    subject: Subject, query: str
) -> None:
    assert (await request(subject.port, "GET", f"{PATH}?{query}")).status == 400


# ---- Engine.IO: HTTP long-polling


@stock_fails("it answers OK")
async def test_a_post_is_answered_ok(subject: Subject) -> None:
    poller = await RawPoller.open(subject.port)
    answer = await poller.post(b"40")

    assert (answer.status, answer.body) == (200, b"ok")


@stock_fails("it answers 200, and the session lives on")
async def test_a_payload_that_cannot_be_read_ends_the_session(subject: Subject) -> None:
    poller = await RawPoller.open(subject.port)

    assert (await poller.post(b"abc")).status == 400
    assert (await poller.get()).status == 400


@stock_fails("it lets both wait")
async def test_a_second_poll_ends_the_session_and_the_first_hears_of_it(subject: Subject) -> None:
    poller = await RawPoller.open(subject.port)
    async with asyncio.timeout(subject.soon_seconds), asyncio.TaskGroup() as group:
        first = group.create_task(poller.get())
        await asyncio.sleep(0.1)
        second = await poller.get()

    assert second.status == 400
    assert (first.result().status, first.result().body) == (200, b"1")


@stock_fails("it answers the poll with 400")
async def test_a_close_packet_ends_the_poll_that_waits_with_a_noop(subject: Subject) -> None:
    poller = await RawPoller.open(subject.port)
    async with asyncio.timeout(subject.soon_seconds), asyncio.TaskGroup() as group:
        poll = group.create_task(poller.get())
        await asyncio.sleep(0.1)
        closing = await poller.post(b"1")

    assert closing.status == 200
    assert (poll.result().status, poll.result().body) == (200, b"6")
    assert (await poller.get()).status == 400


# ---- Engine.IO: WebSocket and upgrade


@stock_fails("it waits for the client to hang up")
async def test_a_close_packet_ends_the_websocket(subject: Subject) -> None:
    async with opened(subject) as peer:
        peer.say("1")
        await peer.end(subject.soon_seconds)


async def upgraded(subject: Subject) -> tuple[RawPoller, RawSocket]:
    poller = await RawPoller.open(subject.port)
    poll = asyncio.create_task(poller.get())
    peer = await RawSocket.open(subject.port, PATH, f"&sid={poller.sid}")
    peer.say("2probe")
    assert await peer.hear(subject.soon_seconds) == "3probe"
    assert (await poll).body == b"6"
    peer.say("5")
    return poller, peer


@stock_fails("the noop that ends the poll comes over the WebSocket once more")
async def test_after_an_upgrade_the_first_packet_is_the_one_that_was_meant(
    subject: Subject,
) -> None:
    _, peer = await upgraded(subject)
    peer.say("40")
    first = await peer.hear(subject.soon_seconds)
    peer.close()

    assert first[:2] == "40", first


@both_pass
async def test_after_an_upgrade_polling_is_over(subject: Subject) -> None:
    poller, peer = await upgraded(subject)
    await asyncio.sleep(0.1)
    answer = await poller.get()
    peer.close()

    assert answer.status == 400


@stock_fails("it refuses the request instead of accepting and closing")
async def test_a_second_websocket_for_a_session_is_closed_and_the_first_lives(
    subject: Subject,
) -> None:
    poller, first = await upgraded(subject)
    try:
        second = await RawSocket.open(subject.port, PATH, f"&sid={poller.sid}")
    except ConnectionRefusedError as refused:
        raise AssertionError(refused) from None
    await second.end(subject.soon_seconds)
    first.say("40")
    answer = await first.hear(subject.soon_seconds)
    first.close()
    second.close()

    assert answer[:2] == "40"


@both_pass
async def test_what_is_sent_during_an_upgrade_arrives_once_and_in_order(subject: Subject) -> None:
    poller = await RawPoller.open(subject.port)
    await poller.post(b"40")
    while b"welcome" not in (await poller.get()).body:
        pass
    peer = await RawSocket.open(subject.port, PATH, f"&sid={poller.sid}")
    poll = asyncio.create_task(poller.get())
    peer.say("2probe")
    assert await peer.hear(subject.soon_seconds) == "3probe"
    fetched = (await poll).body
    assert fetched == b"6"
    posted = [poller.post(f'42{number}["echo",{number}]'.encode()) for number in range(3)]
    for post in posted:
        await post
    peer.say("5", '429["echo",9]')
    heard = [await peer.hear(subject.soon_seconds) for _ in range(4)]
    peer.close()

    answers = [text for text in heard if text != "6"]
    assert answers[:3] == ["430[0]", "431[1]", "432[2]"]


async def test_whatever_was_sent_here_left_no_traceback_in_our_log(
    subjects: dict[str, Subject],
) -> None:
    """The last one: it looks back on all the others."""
    assert "Traceback" not in subjects["ours"].log
