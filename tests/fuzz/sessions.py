"""This module owns recorded sessions that are in order, and the damage done to them layer by layer.

From the inside: JSON values, Socket.IO packets, the sequence of Engine.IO packets, WebSocket
frames, bytes. Each layer is damaged with a chance of its own, so that much of what is damaged
further inside comes through the layers outside of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any, Final, TypeAlias

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TOKENS
from tests.toolbox.raw_client import BINARY, CLOSE, PING, PONG, TEXT, masked_frame
from tests.toolbox.strict_gateway import EXPIRED, NARROW, RIDER, VIEWER

_masked: Final = partial(masked_frame, key=b"key!")  # the same bytes for the same seed
# (packet, whether it is binary)
Packets: TypeAlias = list[tuple[bytes, bool]]

_DAMAGE_CHANCE: Final = 0.3  # of a layer
_OPCODES: Final = (0, TEXT, BINARY, 3, CLOSE, PING, PONG, 15)
_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, -1, 0, 2**63, 1e308, 0.1, "", "x" * 300, "\u0085", "\U0001f6b2", [], {}),
    *([[[[]]]], {"_placeholder": True, "num": 0}, {"roomId": "city:paris"}, "e.1.00000000"),
)


def _entering(token: str, **more: object) -> bytes:
    return b"40" + json.dumps({"token": token, **more}).encode()


def _event(number: str, *arguments: object) -> tuple[bytes, bool]:
    return f"42{number}{json.dumps(arguments)}".encode(), False


def _recorded(*packets: bytes | tuple[bytes, bool]) -> Packets:
    return [packet if isinstance(packet, tuple) else (packet, False) for packet in packets]


_BIKE: Final = {"roomId": "city:paris", "bike_id": "b1", "lat": 48.85, "lon": 2.35, "op": "upsert"}
_PLACE: Final = {"_placeholder": True, "num": 0}
RECORDED: Final = (
    _recorded(
        _entering(RIDER),
        _event("1", "join-room", "city:paris"),
        _event("2", "bike-update", _BIKE),
        _event("3", "leave-room", "city:paris"),
        b"41",
        b"1",
    ),
    _recorded(
        _entering(RIDER, cursors=True),
        _event("1", "join-room", {"roomId": "city:lyon", "snapshot": True}),
        _event("", "bike-update", _BIKE | {"roomId": "city:lyon", "op": "remove"}),
        _event("2", "bike-update", _BIKE, {"idempotencyKey": "k"}),
        _event("3", "join-room", {"roomId": "city:lyon", "since": "e.1.00000000"}),
        _event("4", "presence", "city:lyon"),
    ),
    _recorded(
        _entering(NARROW),
        _event("1", "join-room", {"roomId": "city:paris"}),
        _event("2", "publish", {"roomId": "city:paris", "event": "note", "data": [1, {"a": None}]}),
        _event("3", "publish", {"roomId": "secret", "event": "note"}),
        _event("4", "authenticate", {"token": RIDER}),
        _event("5", "authenticate", {"token": NARROW}),
        b"3",
    ),
    _recorded(
        _entering(RIDER),
        _event("1", "join-room", "city:nice"),
        b'451-9["publish",'
        + json.dumps({"roomId": "city:nice", "event": "photo", "data": _PLACE}).encode()
        + b"]",
        (b"\x00\x01\x02\xff", True),
        b'450-["bike-update",{"roomId":"city:nice"}]',
    ),
    _recorded(
        _entering(RIDER, recover=True),
        _event("1", "join-room", "city:paris"),
        _event("", "bike-update", _BIKE),
        b"1",
    ),
    _recorded(
        _entering(RIDER, recover=True, pid="p" * 20, offset="e.1.00000000"),
        _event("1", "presence", "city:paris"),
    ),
    _recorded(_entering(VIEWER), _event("1", "join-room", "r"), _event("2", "bike-update", _BIKE)),
    _recorded(_entering(EXPIRED), b"40", b'40{"token":null}', _entering(RIDER[:-3])),
    _recorded(b"40/ops,", b'42/ops,["e"]', b"43/ops,1[]", b"41/ops,", _entering(RIDER)),
)


def damaged_packets(random: Random) -> Packets:
    """A session whose values, texts and order may have been damaged."""
    packets = list(random.choice(RECORDED))
    if random.random() < _DAMAGE_CHANCE:
        packets = [(_with_other_values(random, packet), kind) for packet, kind in packets]
    if random.random() < _DAMAGE_CHANCE:
        place = random.randrange(len(packets))
        others = [packet for packet, _ in random.choice(RECORDED)]
        packets[place] = mutated(random, packets[place][0], others, TOKENS), packets[place][1]
    if random.random() < _DAMAGE_CHANCE:
        packets = _in_another_order(random, packets)
    return packets


def damaged_stream(random: Random, packets: Sequence[tuple[bytes, bool]]) -> bytes:
    """The packets as WebSocket frames, and those as bytes."""
    is_damaged = random.random() < _DAMAGE_CHANCE
    frames = [
        _damaged_frame(random, *packet) if is_damaged else _frame(*packet) for packet in packets
    ]
    stream = b"".join(frames)
    if random.random() < _DAMAGE_CHANCE / 3:
        stream = mutated(random, stream, frames, TOKENS)
    return stream


def pieces_of(random: Random, data: bytes) -> list[bytes]:
    """The data as one piece, or cut at a few places."""
    count = random.choice((0, 0, 1, 3, 12))
    cuts = sorted(random.randint(0, len(data)) for _ in range(count))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _frame(packet: bytes, is_binary: bool) -> bytes:  # noqa: FBT001 - a pair, unpacked
    return _masked(packet, BINARY if is_binary else TEXT)


def _damaged_frame(random: Random, packet: bytes, is_binary: bool) -> bytes:  # noqa: FBT001
    damage = random.randrange(6)
    if damage == 0:
        return _masked(packet, random.choice(_OPCODES), is_final=random.random() < 0.5)
    if damage == 1:
        middle = len(packet) // 2
        kind = BINARY if is_binary else TEXT
        return _masked(packet[:middle], kind, is_final=False) + _masked(packet[middle:], 0)
    if damage == 2:
        return _masked(random.randbytes(random.randint(0, 130)), random.choice((CLOSE, PING)))
    if damage == 3:
        length = random.choice((0, 125, 65_535, 70_000, 2**62))
        return b"\x81\xff" + length.to_bytes(8, "big") + b"keys" + packet
    if damage == 4:
        return bytes((0x81, len(packet) & 0x7F)) + packet  # not masked
    return _frame(packet, is_binary)


def _in_another_order(random: Random, packets: Packets) -> Packets:
    choice = random.randrange(4)
    if choice == 0:
        return random.sample(packets, len(packets))
    if choice == 1:
        return random.sample(packets, random.randint(1, len(packets)))
    if choice == 2:
        return packets + packets[1:] * random.randint(1, 20)
    return packets + random.choice(RECORDED)


def _with_other_values(random: Random, packet: bytes) -> bytes:
    head, bracket, rest = packet.partition(b"[")
    try:
        arguments = json.loads(bracket + rest)
    except ValueError:
        return packet
    arguments[1:] = [_other(random, argument) for argument in arguments[1:]]
    if random.random() < 0.1:
        arguments.append(random.choice(_VALUES))
    return head + json.dumps(arguments).encode()


def _other(random: Random, value: Any) -> Any:  # noqa: ANN401 - any JSON
    if random.random() < 0.15:
        return random.choice(_VALUES)
    if isinstance(value, dict):
        changed = {name: _other(random, inner) for name, inner in value.items()}
        if random.random() < 0.1:
            changed[random.choice(("op", "timestamp", "id", "since", "x"))] = random.choice(_VALUES)
        return changed
    if isinstance(value, list):
        return [_other(random, inner) for inner in value]
    return value
