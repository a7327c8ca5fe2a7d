import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator

import pytest

from gateway.sockets.engine import Engine, EngineLimits
from tests.conformance.server import serving
from tests.gateway.sockets.recording_transport import connection_of
from tests.toolbox.raw_client import (
    BINARY,
    TEXT,
    Frame,
    RawPoller,
    RawSocket,
    masked_frame,
    read_answer,
    request,
)

PATH = "/engine.io/"
LIMIT_BYTES = 5000


@pytest.fixture
def engine() -> Engine:
    limits = EngineLimits(
        message_bytes=LIMIT_BYTES, body_timeout_seconds=0.3, upgrade_timeout_seconds=0.3
    )
    engine = Engine(ping_interval=20, ping_timeout=10, limits=limits, origins=["https://app"])

    async def echo(sid: str, data: str | bytes) -> None:
        await engine.send(sid, data)

    engine.on("message", echo)
    return engine


@pytest.fixture
async def port(engine: Engine) -> AsyncIterator[int]:
    async with serving(engine.attach) as port:
        yield port
        await engine.shutdown()


async def test_a_session_on_polling_says_and_hears(port: int) -> None:
    poller = await RawPoller.open(port, PATH)
    answer = await poller.post("4ü\x1ebAQID".encode())
    heard = b""
    while heard.count(b"\x1e") + bool(heard) < 2:
        heard += (b"\x1e" if heard else b"") + (await poller.get()).body

    assert (answer.status, answer.body) == (200, b"ok")
    assert heard == "4ü\x1ebAQID".encode()


async def test_a_session_on_a_websocket_says_and_hears(port: int) -> None:
    peer = await RawSocket.open(port, PATH)
    opening = await peer.hear()
    peer.write(masked_frame("4ü") + masked_frame(b"\x01\x02", BINARY))

    assert json.loads(opening[1:])["pingInterval"] == 20_000
    assert await peer.frame() == Frame(TEXT, "4ü".encode())
    assert await peer.frame() == Frame(BINARY, b"\x01\x02")
    peer.close()


@pytest.mark.parametrize(
    ("method", "query", "status", "code"),
    [
        ("GET", "EIO=4", 400, 0),
        ("GET", "EIO=4&transport=pigeon", 400, 0),
        ("GET", "transport=polling", 400, 5),
        ("GET", "EIO=3&transport=polling", 400, 5),
        ("GET", "EIO=4&transport=polling&j=0", 400, 3),
        ("POST", "EIO=4&transport=polling", 400, 2),
        ("PUT", "EIO=4&transport=polling", 400, 2),
        ("DELETE", "EIO=4&transport=polling", 400, 2),
        ("HEAD", "EIO=4&transport=polling", 400, None),
        ("GET", "EIO=4&transport=websocket", 400, 3),
        ("GET", "EIO=4&transport=polling&sid=nobody", 400, 1),
        ("POST", "EIO=4&transport=polling&sid=../../etc/passwd", 400, 1),
        ("GET", "EIO=4&transport=polling&sid=%0d%0aSet-Cookie:%20a=b", 400, 1),
        ("GET", "EIO=4&transport=websocket&sid=nobody", 400, 1),
    ],
)
async def test_a_wrong_request_is_answered_like_the_reference_server_does(  # noqa: PLR0913, PLR0917 - a row of the table
    port: int, engine: Engine, method: str, query: str, status: int, code: int | None
) -> None:
    answer = await request(port, method, f"{PATH}?{query}")

    assert answer.status == status
    if code is not None:
        assert json.loads(answer.body)["code"] == code
    assert "set-cookie" not in answer.headers
    assert engine.sockets == {}


async def test_a_foreign_page_gets_nothing_on_either_transport(port: int, engine: Engine) -> None:
    evil = {"Origin": "https://evil"}
    polling = await request(port, "GET", f"{PATH}?EIO=4&transport=polling", headers=evil)
    preflight = await request(port, "OPTIONS", PATH, headers=evil)
    with pytest.raises(ConnectionRefusedError, match="403"):
        await RawSocket.open(port, PATH, Origin="https://evil")

    assert (polling.status, preflight.status) == (403, 403)
    assert "access-control-allow-origin" not in polling.headers | preflight.headers
    assert engine.sockets == {}


async def test_an_allowed_page_may_read_every_answer(port: int) -> None:
    own = {"Origin": "https://app"}
    for method, target, status in [
        ("OPTIONS", PATH, 200),
        ("GET", f"{PATH}?EIO=4&transport=polling", 200),
        ("GET", f"{PATH}?EIO=4&transport=polling&sid=nobody", 400),
    ]:
        answer = await request(port, method, target, headers=own)

        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == "https://app"
        assert answer.headers["vary"] == "Origin"
    (await RawSocket.open(port, PATH, Origin="https://app")).close()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"abc", {}, 400),
        (b"4\xff", {}, 400),
        (b"b===", {}, 400),
        (b"4a\x1e", {}, 400),
        (b"d=4a", {}, 400),
        (b"", {}, 400),
        (b"x" * (LIMIT_BYTES + 1), {}, 413),
        (b"", {"Content-Length": "100000000"}, 413),
        (b"", {"Content_Length": "100000000"}, 413),
        (b"ffff\r\n" + b"4" * 65_535 + b"\r\n0\r\n\r\n", {"Transfer_Encoding": "chunked"}, 413),
        (b"4a", {"Content_Type": "application/octet-stream"}, 400),
    ],
)
async def test_a_body_that_is_no_payload_ends_the_session(
    port: int, engine: Engine, body: bytes, headers: dict[str, str], status: int
) -> None:
    poller = await RawPoller.open(port, PATH)
    answer = await poller.post(body, **headers)

    assert answer.status == status
    assert engine.sockets == {}


async def test_a_body_that_drips_is_not_waited_for(port: int, engine: Engine) -> None:
    poller = await RawPoller.open(port, PATH)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {poller.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n4"
    writer.write(head.encode())
    answer = await read_answer(reader)
    writer.transport.abort()

    assert answer.status == 400
    assert engine.sockets == {}


async def test_two_polls_at_once_end_the_session_and_say_so_to_the_first(port: int) -> None:
    poller = await RawPoller.open(port, PATH)
    first = asyncio.create_task(poller.get())
    await asyncio.sleep(0.05)
    second = await poller.get()

    assert second.status == 400
    assert (await first).body == b"1"
    assert (await poller.get()).status == 400


async def test_two_posts_at_once_end_the_session(port: int, engine: Engine) -> None:
    poller = await RawPoller.open(port, PATH)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {poller.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n4"
    writer.write(head.encode())
    await asyncio.sleep(0.05)
    second = await poller.post(b"4second")
    writer.transport.abort()

    assert second.status == 400
    assert engine.sockets == {}


async def test_a_poll_that_the_client_gives_up_ends_the_session(port: int, engine: Engine) -> None:
    poller = await RawPoller.open(port, PATH)
    poll = asyncio.create_task(poller.get())
    await asyncio.sleep(0.05)
    poll.cancel()
    async with asyncio.timeout(5):
        while engine.sockets:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def test_what_the_server_says_last_reaches_a_client_between_two_polls(
    port: int, engine: Engine
) -> None:
    poller = await RawPoller.open(port, PATH)
    await engine.send(poller.sid, "farewell")
    await engine.disconnect(poller.sid)
    last = await poller.get()

    assert (last.status, last.body) == (200, b"4farewell\x1e6")
    assert (await poller.get()).status == 400


async def test_an_upgrade_keeps_the_session_and_its_order(port: int) -> None:
    poller = await RawPoller.open(port, PATH)
    peer = await RawSocket.open(port, PATH, f"&sid={poller.sid}")
    peer.say("2probe")
    assert await peer.hear() == "3probe"
    await poller.post(b"4one")
    peer.say("5", "4two")

    assert [await peer.hear(), await peer.hear()] == ["4one", "4two"]
    assert (await poller.get()).status == 400
    peer.close()


async def test_no_more_connections_of_one_address_than_allowed(engine: Engine) -> None:
    limits = EngineLimits(connections_per_address=2)
    limited = Engine(limits=limits)
    async with serving(limited.attach) as port:
        one, two = await RawSocket.open(port, PATH), await RawPoller.open(port, PATH)
        refused = await request(port, "GET", f"{PATH}?EIO=4&transport=polling")
        with pytest.raises(ConnectionRefusedError, match="429"):
            await RawSocket.open(port, PATH)
        assert (refused.status, refused.headers["retry-after"]) == (429, "5")
        await limited.disconnect(two.sid)
        again = await RawPoller.open(port, PATH)
        assert again.sid in limited.sockets
        one.close()
        await limited.shutdown()


async def test_one_network_of_ipv6_counts_as_one_address(engine: Engine) -> None:
    limited = Engine(
        limits=EngineLimits(connections_per_address=2),
        trusted_proxies=[ipaddress.ip_network("127.0.0.0/8")],
    )
    async with serving(limited.attach) as port:

        async def status_for(address: str) -> int:
            headers = {"X-Forwarded-For": address}
            target = f"{PATH}?EIO=4&transport=polling"
            return (await request(port, "GET", target, headers=headers)).status

        statuses = [await status_for(f"2001:db8::{number}") for number in range(3)]
        assert statuses == [200, 200, 429]
        assert await status_for("2001:db8:0:1::1") == 200
        assert await status_for("::ffff:192.0.2.1") == await status_for("192.0.2.1") == 200
        assert await status_for("192.0.2.1") == 429
        await limited.shutdown()
    assert limited._per_network == {}  # noqa: SLF001 - that it is empty shows nowhere else


async def test_a_gateway_that_goes_away_takes_nobody_in(port: int, engine: Engine) -> None:
    engine.is_accepting = False
    refused = await request(port, "GET", f"{PATH}?EIO=4&transport=polling")
    with pytest.raises(ConnectionRefusedError, match="503"):
        await RawSocket.open(port, PATH)

    assert refused.status == 503
    assert "retry-after" in refused.headers


async def test_nothing_is_left_of_connections_that_came_and_went(port: int, engine: Engine) -> None:
    before = asyncio.all_tasks()
    for _ in range(20):
        peer = await RawSocket.open(port, PATH)
        await peer.hear()
        peer.close()
    async with asyncio.timeout(5):
        while engine.sockets or asyncio.all_tasks() != before:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)

    assert engine._per_network == {}  # noqa: SLF001 - that it is empty shows nowhere else


async def test_an_idle_websocket_has_no_task_of_its_own(port: int) -> None:
    before = asyncio.all_tasks()
    peers = [await RawSocket.open(port, PATH) for _ in range(10)]
    for peer in peers:
        await peer.hear()
    async with asyncio.timeout(5):
        while len(asyncio.all_tasks()) > len(before):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    for peer in peers:
        peer.close()


def test_ids_are_long_and_never_the_same() -> None:
    ids = {Engine().generate_id() for _ in range(100)}

    assert len(ids) == 100
    assert {len(sid) for sid in ids} == {20}


async def test_of_a_crowd_that_has_gone_only_a_few_are_closed_in_a_turn(engine: Engine) -> None:
    crowd = [connection_of(engine, f"peer {number}") for number in range(300)]
    for connection, _ in crowd:
        assert connection.link is not None
        assert connection.link.eof_received()
    closed: list[int] = []
    for _ in range(5):
        closed.append(sum(transport.is_closing() for _, transport in crowd))
        await asyncio.sleep(0)
    assert closed == [64, 128, 192, 256, 300]
    await engine.shutdown()
