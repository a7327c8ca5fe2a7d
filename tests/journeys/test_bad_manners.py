"""Strangers without tokens, floods, polling and half-done things; see `test_bad_input.py`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_client import OPENING, PING, RawPoller, RawSocket, connect, masked_frame
from tests.toolbox.strict_gateway import (
    BACK_TO_BASE_SECONDS,
    EXPIRED,
    LIMIT_BYTES,
    NARROW,
    RIDER,
    SOON_SECONDS,
    VIEWER,
    ask,
    entered,
    gauges,
    goodbyes,
    memory_bytes,
    strict_gateway,
    watched,
)

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = strict_gateway(tmp_path_factory.mktemp("gateway"))
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def port(gateway: GatewayProcess) -> AsyncIterator[int]:
    async with watched(gateway) as port:
        yield port


# ---- who may not


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        ("40", "UNAUTHENTICATED"),
        ("40{}", "UNAUTHENTICATED"),
        ('40{"token":null}', "UNAUTHENTICATED"),
        ('40{"token":""}', "UNAUTHENTICATED"),
        ('40{"token":1}', "MALFORMED"),
        ('40{"token":"nonsense"}', "TOKEN_INVALID"),
        (f'40{{"token":"{RIDER}x"}}', "TOKEN_INVALID"),
        (f'40{{"token":"{EXPIRED}"}}', "TOKEN_EXPIRED"),
        (
            '40{"token":"eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ."}',
            "TOKEN_INVALID",
        ),
    ],
    ids=lambda value: value[:24],
)
async def test_nobody_is_let_in_without_a_good_token(port: int, packet: str, code: str) -> None:
    peer, answer = await connect(port, packet)
    error = json.loads(answer[2:])
    assert answer[:2] == "44"
    assert isinstance(error["message"], str)
    assert error["data"]["code"] == code
    await peer.end(SOON_SECONDS)
    peer.close()


async def test_a_token_in_the_address_is_not_looked_at_and_not_logged(
    port: int, gateway: GatewayProcess
) -> None:
    peer = await RawSocket.open(port, query=f"&token={RIDER}", Cookie=f"token={RIDER}")
    await peer.hear()
    peer.say("40")

    assert (await peer.hear())[:2] == "44"
    peer.close()


@pytest.mark.parametrize("event", ["join-room", "presence", "bike-update"])
async def test_before_being_let_in_nothing_can_be_asked(port: int, event: str) -> None:
    peer = await RawSocket.open(port)
    await peer.hear()
    peer.say(f'421["{event}",{{"roomId":"canary"}}]')
    await peer.end(SOON_SECONDS)
    peer.close()


async def test_rooms_beyond_one_s_grants_stay_closed(port: int) -> None:
    narrow, viewer = await entered(port, NARROW), await entered(port, VIEWER)
    update = {"roomId": "city:berlin", "number": 1}

    for answer in [
        await ask(narrow, "join-room", "canary"),
        await ask(narrow, "presence", "canary"),
        await ask(narrow, "bike-update", update),
        await ask(narrow, "publish", {"roomId": "canary", "event": "e"}),
        await ask(viewer, "bike-update", update),
        await ask(viewer, "publish", {"roomId": "canary", "event": "e"}),
    ]:
        assert answer["error"]["code"] == "FORBIDDEN"
    assert "data" in await ask(narrow, "join-room", "city:berlin")
    assert "data" in await ask(narrow, "bike-update", {"roomId": "city:paris"})
    narrow.close()
    viewer.close()


# ---- floods


async def test_acks_and_pongs_that_nobody_asked_for_cost_nothing(port: int) -> None:
    peer = await entered(port)
    for _ in range(20):
        peer.say(*(f"43{number}[]" for number in range(500)))
        peer.say(*["3"] * 500)
    assert "data" in await ask(peer, "join-room", "r")
    peer.close()


async def test_two_thousand_namespaces_are_two_thousand_refusals_at_most(port: int) -> None:
    peer = await entered(port)
    peer.say(*(f"40/namespace-{number}," for number in range(2000)))
    heard = await peer.hear_all(0.5)

    assert all(text.startswith("44/namespace-") for text in heard)
    peer.close()


async def test_a_flood_of_joins_is_refused_and_not_queued_without_bound(port: int) -> None:
    peer = await entered(port)
    peer.say(*(f'42{number}["presence","r"]' for number in range(1, 2001)))
    heard = [await peer.hear() for _ in range(2000)]
    refused = [text for text in heard if '"TOO_FAST"' in text]

    assert refused
    assert '"retryAfterMs"' in refused[0]
    assert "data" in await ask(peer, "presence", "r")
    peer.close()


async def test_fragments_and_pings_of_one_byte_do_no_harm(port: int) -> None:
    peer = await entered(port)
    text = '429["join-room","r"]'
    frames = [masked_frame(text[0], is_final=False)]
    frames += [masked_frame(letter, 0, is_final=False) for letter in text[1:]]
    frames += [masked_frame(b"", 0, is_final=False)] * 5000 + [masked_frame(b"", PING)] * 5000
    peer.write(b"".join(frames) + masked_frame(b"", 0))

    assert (await peer.hear(SOON_SECONDS)).startswith('439[{"data"')
    peer.close()


async def test_who_reads_nothing_is_sent_off_and_costs_a_bounded_memory(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
    stuck = RawSocket(reader, writer)
    writer.write(OPENING)
    stuck.say(f'40{{"token":"{RIDER}"}}', '42["join-room","r"]')
    source = await entered(port)
    connections = (await gauges(port))["paceline_connections"]
    before_bytes, sent_off_before = await memory_bytes(port), await goodbyes(port, 3001)
    body = "x" * 20_000
    for number in range(1000):
        event = {"roomId": "r", "event": "e", "data": f"{number} {body}"}
        source.say("42" + json.dumps(["publish", event]))
        if number % 50 == 49:
            await ask(source, "presence", "r")
    grown_bytes = await memory_bytes(port) - before_bytes
    async with asyncio.timeout(BACK_TO_BASE_SECONDS):
        while (await gauges(port))["paceline_connections"] >= connections:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.05)

    assert await goodbyes(port, 3001) == sent_off_before + 1
    # 20 MB were published; the room's own history of them is not the reader's fault
    assert grown_bytes < 60_000_000
    stuck.close()
    source.close()


# ---- polling


async def polling_peer(port: int) -> RawPoller:
    poller = await RawPoller.open(port)
    assert (await poller.post(f'40{{"token":"{RIDER}"}}'.encode())).body == b"ok"
    assert (await poller.get()).body.startswith(b"40{")
    await poller.post(b'421["join-room","r"]')
    assert (await poller.get()).body.startswith(b'431[{"data"')
    return poller


BAD_BODIES = {
    "nonsense": (b"abc", {}, 400),
    "nothing": (b"", {}, 400),
    "JSONP": (b"d=4abc", {}, 400),
    "a separator at the end": (b"43\x1e", {}, 400),
    "no UTF-8": (b'42["\xff"]', {}, 400),
    "base64 that is none": (b"b!!!", {}, 400),
    "a packet of the server": (b'44{"message":"x"}', {}, 400),
    "a malformed packet behind a good one": (b'42["presence","r"]\x1e42{}', {}, 400),
    "a ping": (b"2", {}, 400),
    "binary out of nowhere": (b"bAAAA", {}, 400),
    "a binary body": (b"4", {"Content_Type": "application/octet-stream"}, 400),
    "too long": (b"4" * (LIMIT_BYTES + 1), {}, 413),
    "too long, in chunks": (
        b"10001\r\n" + b"4" * (LIMIT_BYTES + 1) + b"\r\n0\r\n\r\n",
        {"Transfer_Encoding": "chunked"},
        413,
    ),
    "10 GB announced": (b"4", {"Content_Length": "10000000000"}, 413),
}


@pytest.mark.parametrize(("body", "headers", "status"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_body_that_is_wrong_ends_the_session(
    port: int, body: bytes, headers: dict[str, str], status: int
) -> None:
    poller = await polling_peer(port)
    answer = await poller.post(body, **headers)

    assert answer.status == status
    assert (await poller.get()).status == 400


async def test_fifty_polls_at_once_end_the_session(port: int) -> None:
    poller = await polling_peer(port)
    answers = await asyncio.gather(*(poller.get() for _ in range(50)))

    assert sorted({answer.status for answer in answers}) == [200, 400]
    assert [answer.body for answer in answers if answer.status == 200] == [b"1"]


async def test_a_poller_that_asks_and_never_fetches_is_let_go(port: int) -> None:
    poller = await polling_peer(port)
    question = b"\x1e".join(b'421["no-such-event","' + b"x" * 20 + b'"]' for _ in range(1000))
    statuses = [(await poller.post(question)).status for _ in range(40)]

    assert statuses[0] == 200
    assert statuses[-1] == 400


# ---- half done


async def test_who_says_nothing_after_the_handshake_is_closed(port: int) -> None:
    peer = await RawSocket.open(port)
    began = time.monotonic()
    await peer.end(SOON_SECONDS)

    assert 0.9 < time.monotonic() - began < 2
    peer.close()


async def test_upgrades_begun_again_and_again_and_pongs_between_leave_no_task(port: int) -> None:
    poller = await polling_peer(port)
    probes = [await RawSocket.open(port, query=f"&sid={poller.sid}") for _ in range(20)]
    for probe in probes:
        probe.say(*["2probe"] * 100)
    heard = await asyncio.gather(*(probe.hear_all() for probe in probes))
    assert [set(texts) for texts in heard] == [{"3probe"}] + [set()] * 19, "there is one at a time"
    answer = await poller.post(b"\x1e".join([b"3"] * 1000))
    assert answer.body == b"ok"
    probes[0].say("5", *["3"] * 1000, "1")
    await probes[0].end(SOON_SECONDS)

    for probe in probes:
        probe.close()


async def test_noise_before_coming_in_is_not_listened_to_for_long(port: int) -> None:
    peer = await RawSocket.open(port)
    peer.write(masked_frame(b"", PING) * 200)
    await peer.end(0.5)  # half of the time that one may take to come in
    peer.close()


async def test_an_upgrade_that_is_not_finished_leaves_the_session_on_polling(port: int) -> None:
    poller = await polling_peer(port)
    probe = await RawSocket.open(port, query=f"&sid={poller.sid}")
    probe.say("2probe")
    assert await probe.hear() == "3probe"
    await probe.end(SOON_SECONDS)
    await poller.post(b'422["presence","r"]')

    assert (await poller.get()).body.startswith(b"432[")
    await poller.post(b"1")
    probe.close()


async def test_hanging_up_in_every_state_leaves_nothing(port: int) -> None:
    states: list[Callable[[RawSocket], object]] = [
        lambda _: None,
        lambda peer: peer.say(f'40{{"token":"{RIDER}"}}'),
        lambda peer: peer.say(f'40{{"token":"{RIDER}"}}', '42["join-room","r"]'),
        lambda peer: peer.write(masked_frame(f'40{{"token":"{RIDER}"}}')[:20]),
        lambda peer: peer.say("40/nowhere,"),
        lambda peer: peer.say(
            f'40{{"token":"{RIDER}"}}', '451-["e",{"_placeholder":true,"num":0}]'
        ),
    ]
    for act in states * 5:
        peer = await RawSocket.open(port)
        act(peer)
        peer.close()


@pytest.mark.parametrize("last", ["49", "x", "1", "42{}"])
async def test_nobody_enters_behind_the_end_of_its_own_connection(port: int, last: str) -> None:
    peer = await RawSocket.open(port)
    peer.say(last, f'40{{"token":"{RIDER}"}}', '42["join-room","r"]')
    await peer.end(SOON_SECONDS)
    peer.close()
