"""Whatever a stranger sends costs the others nothing and leaves nothing behind.

Real gateways in processes of their own, and clients by hand. After every row a bystander on the
same worker still gets its publications, every gauge is back where it was, no traceback is in the
log and no token either.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from gateway.identity import Grants, KeySet, Role, sign_token
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_client import (
    BINARY,
    PING,
    RawPoller,
    RawSocket,
    connect,
    masked_frame,
    request,
)

pytestmark = pytest.mark.journey

SECRET = "a-secret-of-more-than-thirty-two-bytes-for-tests-alone"
LIMIT_BYTES = 65_536
SOON_SECONDS = 3.0
BACK_TO_BASE_SECONDS = 5.0
_GAUGES = ("paceline_peers", "paceline_rooms", "paceline_connections")
_numbers = itertools.count(1)


def token_of(
    subject: str,
    role: Role = Role.RIDER,
    lifetime_seconds: float = 3600,
    grants: Grants | None = None,
) -> str:
    return sign_token(
        KeySet.of((SECRET,)),
        subject=subject,
        role=role,
        now_seconds=time.time(),
        lifetime_seconds=lifetime_seconds,
        grants=grants,
    )


BYSTANDER = token_of("bystander")
RIDER = token_of("rider")
NARROW = token_of("narrow", grants=Grants(join=("city:*",), publish=("city:paris",)))
VIEWER = token_of("viewer", Role.VIEWER)
EXPIRED = token_of("expired", lifetime_seconds=-3600)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Production, tokens required, and the short limits that let a test be short."""
    process = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        PACELINE_ENV="production",
        PACELINE_JWT_SECRET=SECRET,
        PACELINE_CONNECT_TIMEOUT_SECONDS="1",
        PACELINE_UPGRADE_TIMEOUT_SECONDS="1",
        PACELINE_ROOMS_PER_PEER_LIMIT="5",
        PACELINE_OUTBOX_LIMIT_BYTES="500000",
        LOG_LEVEL="DEBUG",
    )
    process.start()
    yield process
    process.kill()


async def entered(port: int, token: str = RIDER) -> RawSocket:
    """A peer that was let in."""
    peer, answer = await connect(port, f'40{{"token":"{token}"}}')
    assert answer.startswith("40{"), answer
    peer.sid = json.loads(answer[2:])["sid"]
    return peer


async def ask(peer: RawSocket, event: str, argument: object) -> dict[str, Any]:
    """Emit, and return what the ack holds."""
    number = next(_numbers)
    peer.say(f"42{number}" + json.dumps([event, argument]))
    while not (text := await peer.hear()).startswith(f"43{number}["):
        pass
    answer: dict[str, Any] = json.loads(text[text.index("[") :])[0]
    return answer


async def gauges(port: int) -> dict[str, float]:
    text = (await request(port, "GET", "/metrics")).body.decode()
    return {name: float(re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)[0]) for name in _GAUGES}


async def memory_bytes(port: int) -> float:
    text = (await request(port, "GET", "/metrics")).body.decode()
    return float(re.findall(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)[0])


async def goodbyes(port: int, code: int) -> float:
    text = (await request(port, "GET", "/metrics")).body.decode()
    name = rf'^paceline_goodbyes_total\{{code="{code}"\}} (\S+)$'
    return float(re.findall(name, text, re.MULTILINE)[0])


@pytest.fixture
async def port(gateway: GatewayProcess) -> AsyncIterator[int]:
    """The gateway's port; what a test did to it is looked at when the test is over."""
    port = gateway.port
    canary, source = await entered(port, BYSTANDER), await entered(port, BYSTANDER)
    await ask(canary, "join-room", "canary")
    before, log_before = await gauges(port), len(gateway.log)
    try:
        yield port
        receipt = await ask(source, "bike-update", {"roomId": "canary", "number": 1})
        assert "data" in receipt, receipt
        assert (
            await canary.hear(SOON_SECONDS)
            == '42["bike-updated",{"roomId": "canary", "number": 1}]'
        )
        await _gauges_are(port, before)
    finally:
        RawSocket.close_all()
    said = gateway.log[log_before:]
    assert "Traceback" not in said, said
    assert [token for token in (BYSTANDER, RIDER, NARROW, VIEWER, EXPIRED) if token in said] == []
    assert len(said.splitlines()) < 60, f"a flood of lines:\n{said}"


async def _gauges_are(port: int, expected: dict[str, float]) -> None:
    """Members that have gone are forgotten within seconds."""
    deadline = time.monotonic() + BACK_TO_BASE_SECONDS
    while (now := await gauges(port)) != expected and time.monotonic() < deadline:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0.05)
    assert now == expected


# ---- what is not WebSocket, Engine.IO or Socket.IO closes


BREAKERS = {
    "engine packet x": masked_frame("x"),
    "empty frame": masked_frame(""),
    "superscript two": masked_frame("²"),
    "engine packet 9": masked_frame("9"),
    "noop": masked_frame("6"),
    "upgrade without a probe": masked_frame("5"),
    "socket packet 9": masked_frame("49"),
    "connect error": masked_frame('44{"message":"x"}'),
    "event that is an object": masked_frame("42{}"),
    "event that is a text": masked_frame('42"abc"'),
    "event without a name": masked_frame("42[]"),
    "event named 1": masked_frame("42[1]"),
    "event named {}": masked_frame("42[{}]"),
    "event with NaN": masked_frame('42["bike-update",NaN]'),
    "event with infinity": masked_frame('42["bike-update",-Infinity]'),
    "surrogate in the name": masked_frame('42["\\ud800",1]'),
    "surrogate in a value": masked_frame('42["bike-update",{"roomId":"r","x":"\\ud800"}]'),
    "surrogate in a field's name": masked_frame('42["bike-update",{"roomId":"r","\\udfff":1}]'),
    "60 kB of brackets": masked_frame("42" + "[" * 60_000),
    "ack id of 100 digits": masked_frame("42" + "1" * 100 + '["publish"]'),
    "ack without an id": masked_frame("43[]"),
    "CONNECT twice": masked_frame("40"),
    "11 attachments": masked_frame('4511-["e"]'),
    "a billion attachments": masked_frame('45999999999-["e"]'),
    "no attachment count": masked_frame('45-["e"]'),
    "attachment out of nowhere": masked_frame(b"data", BINARY),
    "text where an attachment was due": masked_frame('451-["e",{"_placeholder":true,"num":0}]')
    + masked_frame('42["presence","r"]'),
    "event in a namespace that is not": masked_frame('42/nowhere,["e"]'),
    "a namespace of 1,000 letters": masked_frame("40/" + "n" * 1000),
    "message above the limit": masked_frame("4" * (LIMIT_BYTES + 1)),
    "2^62 bytes announced": b"\x81\xff" + (2**62).to_bytes(8, "big") + b"keys",
    "endless continuation": masked_frame("4", is_final=False)
    + masked_frame("x" * 30_000, 0, is_final=False) * 3,
    "no UTF-8": masked_frame(b'42["\xff\xfe"]'),
    "unknown opcode": masked_frame(b"", 3),
    "reserved bits": b"\xf1\x80keys",
    "long ping": masked_frame(bytes(200), PING),
}


@pytest.mark.parametrize("data", BREAKERS.values(), ids=BREAKERS.keys())
async def test_what_breaks_the_protocol_ends_its_connection_at_once(port: int, data: bytes) -> None:
    peer = await entered(port)
    await ask(peer, "join-room", "city:paris")
    peer.write(data)
    await peer.end(SOON_SECONDS)
    peer.close()


# ---- what is Socket.IO but wrong is refused, and the connection goes on


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


REFUSED = {
    "unknown event": ('["no-such-event",1]', "UNKNOWN_EVENT"),
    "__class__": ('["__class__",1]', "UNKNOWN_EVENT"),
    "*": ('["*",1]', "UNKNOWN_EVENT"),
    "empty name": ('["",1]', "UNKNOWN_EVENT"),
    "name of 10 kB": ('["' + "n" * 10_000 + '",1]', "UNKNOWN_EVENT"),
    "control characters": ('["\\u0000\\n\\u001b[31m",1]', "UNKNOWN_EVENT"),
    "connect": ('["connect",{"REMOTE_ADDR":"evil"},{"token":"evil"}]', "RESERVED_EVENT"),
    "disconnect": ('["disconnect","x"]', "RESERVED_EVENT"),
    "error": ('["error",1]', "RESERVED_EVENT"),
    "an event of the server": ('["bike-updated",{"roomId":"r"}]', "RESERVED_EVENT"),
    "goodbye": ('["goodbye",{"code":3000}]', "RESERVED_EVENT"),
    "relayed connect": ('["publish",{"roomId":"r","event":"connect"}]', "RESERVED_EVENT"),
    "relayed bike-updated": ('["publish",{"roomId":"r","event":"bike-updated"}]', "RESERVED_EVENT"),
    "relayed room-reset": ('["publish",{"roomId":"r","event":"room-reset"}]', "RESERVED_EVENT"),
    "relayed name of 65": (
        '["publish",{"roomId":"r","event":"' + "n" * 65 + '"}]',
        "MALFORMED",
    ),
    "relayed name with a line end": ('["publish",{"roomId":"r","event":"a\\nb"}]', "MALFORMED"),
    "no argument": ('["join-room"]', "MALFORMED"),
    "room that is a number": ('["join-room",1]', "MALFORMED"),
    "room that is a list": ('["join-room",["a","b"]]', "MALFORMED"),
    "room that is null": ('["join-room",null]', "MALFORMED"),
    "room without a name": ('["join-room",""]', "INVALID_ROOM"),
    "room of 201 letters": ('["join-room","' + "r" * 201 + '"]', "INVALID_ROOM"),
    "room with a NUL": ('["join-room","a\\u0000b"]', "INVALID_ROOM"),
    "room in an object, too long": (
        '["join-room",{"roomId":"' + "r" * 201 + '"}]',
        "INVALID_ROOM",
    ),
    "update without a room": ('["bike-update",{"id":1}]', "INVALID_ROOM"),
    "update that is a text": ('["bike-update","r"]', "MALFORMED"),
    "update that is a list": ('["bike-update",[{"roomId":"r"}]]', "MALFORMED"),
    "1e999": ('["bike-update",{"roomId":"r","lat":1e999}]', "MALFORMED"),
    "an integer of 5,000 digits": (
        '["bike-update",{"roomId":"r","x":' + "9" * 5000 + "}]",
        "MALFORMED",
    ),
    "101 levels": ('["bike-update",{"roomId":"r","x":' + nested(101) + "}]", "MALFORMED"),
    "900 levels": (
        '["publish",{"roomId":"r","event":"e","data":' + nested(900) + "}]",
        "MALFORMED",
    ),
    "update of 40 kB": (
        '["bike-update",{"roomId":"r","x":"' + "x" * 40_000 + '"}]',
        "TOO_LARGE",
    ),
    "cursor that is none": ('["join-room",{"roomId":"r","since":"nonsense"}]', "INVALID_CURSOR"),
    "cursor of another kind": ('["join-room",{"roomId":"r","since":7}]', "INVALID_CURSOR"),
    "token that is none": ('["authenticate",{"token":"nonsense"}]', "TOKEN_INVALID"),
    "token of somebody else": (
        f'["authenticate",{{"token":"{BYSTANDER}"}}]',
        "FORBIDDEN",
    ),
    "token that has expired": (f'["authenticate",{{"token":"{EXPIRED}"}}]', "TOKEN_EXPIRED"),
    "token that is a number": ('["authenticate",{"token":1}]', "MALFORMED"),
}


@pytest.mark.parametrize(("event", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_cannot_be_done_is_refused_and_the_connection_goes_on(
    port: int, event: str, code: str
) -> None:
    peer, listener = await entered(port), await entered(port)
    await ask(listener, "join-room", "r")
    peer.say(f"427{event}")
    answer = json.loads((await peer.hear())[3:])[0]
    peer.say(f"42{event}")  # without an ack nothing is said, and nothing else happens
    assert "data" in await ask(peer, "join-room", "r")

    assert answer["error"]["code"] == code, answer
    assert await listener.hear_all(0.05) == []
    peer.close()
    listener.close()


async def test_binary_of_no_end_is_refused(port: int) -> None:
    peer, listener = await entered(port), await entered(port)
    await ask(listener, "join-room", "r")
    peer.say('4510-7["bike-update",{"roomId":"r","x":{"_placeholder":true,"num":0}}]')
    for _ in range(10):
        peer.write(masked_frame(bytes(LIMIT_BYTES), BINARY))
    refused = json.loads((await peer.hear())[3:])[0]

    assert "error" in refused
    assert "data" in await ask(peer, "join-room", "r")
    assert await listener.hear_all(0.05) == []
    peer.close()
    listener.close()


async def test_values_that_look_like_more_than_values_pass_as_what_they_are(port: int) -> None:
    peer, listener = await entered(port), await entered(port)
    await ask(listener, "join-room", "__proto__")
    body = (
        '{"roomId":"__proto__","__proto__":{"x":1},"constructor":1,"a":1,"a":2,'
        '"p":{"_placeholder":true,"num":0},"big":12345678901234567890,"nul":"\\u0000"}'
    )
    peer.say(f'42["bike-update",{body}]')

    assert await listener.hear(SOON_SECONDS) == f'42["bike-updated",{body}]'
    peer.close()
    listener.close()


async def test_more_rooms_than_allowed_are_refused(port: int) -> None:
    peer = await entered(port)
    answers = [await ask(peer, "join-room", f"room {number}") for number in range(7)]

    assert ["data" in answer for answer in answers] == [True] * 5 + [False] * 2
    assert answers[5]["error"]["code"] == "TOO_MANY_ROOMS"
    assert "data" in await ask(peer, "join-room", "room 3"), "one that it is in already"
    await ask(peer, "leave-room", "room 0")
    assert "data" in await ask(peer, "join-room", "room 6")
    peer.close()


async def test_a_room_named_like_a_peer_is_a_room_like_any_other(port: int) -> None:
    victim, spy = await entered(port), await entered(port)
    assert "data" in await ask(spy, "join-room", victim.sid)
    assert "data" in await ask(victim, "join-room", "private matters")
    await ask(victim, "bike-update", {"roomId": "private matters", "number": 1})
    await ask(victim, "presence", "private matters")
    assert await spy.hear_all(0.3) == []
    peer = await entered(port)
    await ask(peer, "publish", {"roomId": victim.sid, "event": "to-the-room", "data": 1})

    assert await spy.hear(SOON_SECONDS) == '42["to-the-room",1]'
    assert await victim.hear_all(0.3) == []
    for socket in (victim, spy, peer):
        socket.close()


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
    writer.write(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
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
