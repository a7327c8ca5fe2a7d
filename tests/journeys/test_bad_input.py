"""Whatever a stranger sends costs the others nothing and leaves nothing behind.

Real gateways in processes of their own, and clients by hand. After every row a bystander on the
same worker still gets its publications, every gauge is back where it was, no traceback is in the
log and no token either.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_client import BINARY, PING, masked_frame
from tests.toolbox.strict_gateway import (
    BYSTANDER,
    EXPIRED,
    LIMIT_BYTES,
    SOON_SECONDS,
    ask,
    entered,
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


# ---- what is not WebSocket, Engine.IO or Socket.IO closes


BREAKERS = {
    "engine packet x": masked_frame("x"),
    "empty frame": masked_frame(""),
    "superscript two": masked_frame("²"),
    "engine packet 9": masked_frame("9"),
    "ping": masked_frame("2"),
    "noop": masked_frame("6"),
    "upgrade without a probe": masked_frame("5"),
    "socket packet 9": masked_frame("49"),
    "connect error": masked_frame('44{"message":"x"}'),
    "packet that is an object": masked_frame('4{"a":1}'),
    "packet that is an array": masked_frame("4[1,2]"),
    "event of nothing": masked_frame("42"),
    "event that is an object": masked_frame("42{}"),
    "event that is a text": masked_frame('42"abc"'),
    "event without a name": masked_frame("42[]"),
    "event named 1": masked_frame("42[1]"),
    "event named {}": masked_frame("42[{}]"),
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
    "a frame that is not masked": b"\x81\x013",
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
    "NaN": ('["bike-update",{"roomId":"r","lat":NaN}]', "MALFORMED"),
    "infinity": ('["bike-update",-Infinity]', "MALFORMED"),
    "half of a character": ('["bike-update",{"roomId":"r","x":"\\ud800"}]', "MALFORMED"),
    "half of a character in a field": ('["bike-update",{"\\udfff":1}]', "MALFORMED"),
    "half of a character in the name": ('["\\ud800",1]', "MALFORMED"),
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
