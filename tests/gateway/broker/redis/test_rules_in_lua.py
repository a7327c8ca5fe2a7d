"""The rules of rooms stand twice, in Python and in Lua. Here both are given the same drafts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any, Final

import msgspec
import pytest
from msgspec import Raw

from gateway.broker.contract import Interrupted
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.rooms.publication import Draft, Publication, draft_of_update
from gateway.settings import RoomKind
from protocol import codec, events
from protocol.refusals import Refused
from tests.gateway.broker.redis.workers import workers_over
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM, event

DRAFTS: Final = 400
LONG_AGO_MS: Final = 1_600_000_000_000
SMALL: Final = 'null|0|-0|1e300|12345678901234567890|3.141592653589793238|true|""|"x"|[]|{}'
TEXTS: Final = [
    *SMALL.split("|"),
    r'"\"\\\/\b\f\n\r\t é🚲"',
    '"🚲 é } { ] [ , : null"',
    '[1, [2, {"a": "]"}], "}"]',
    '{"deep": {"er": ["\\\\"]}, "null": null}',
    " [ 1 , 2 ] ",
    '"' + "long " * 1500 + '"',
    '"' + "very long " * 1400 + '"',
]
NAMES: Final = ["a", "b", r"\u0061", "lat", "", r"q\"uote", r"back\\slash", "é", r"é", "null"]
KEYS: Final = ["b1", "b2", "b3", "a/b", 'q"', r"back\slash", "🚲", "station/7", "\x7f"]
SPACES: Final = ["", "", "", " ", "\n\t "]


def drafts(dice: Random) -> list[Draft]:
    """As the doors make them from what strangers send: patches, removals, repeats, chatter."""
    made: list[Draft] = []
    while len(made) < DRAFTS:
        chance = dice.random()
        if made and chance < 0.1:
            made.append(dice.choice(made[-20:]))  # word for word again
        elif chance < 0.15:
            made.append(event({"n": len(made)}))
        else:
            with contextlib.suppress(Refused):  # too large, now and then
                made.append(update(dice))
    return made


def update(dice: Random) -> Draft:
    space = dice.choice(SPACES)
    key = dice.choice(KEYS)
    fields = [f'"roomId":{space}"{ROOM}"']
    if key.startswith("station/"):
        fields.append(f'"station_id":"{key.removeprefix("station/")}"')
    else:
        fields.append(f'{space}"vehicle_id":{json.dumps(key)}')
    if dice.random() < 0.2:
        fields.append('"op":"remove"')
    if dice.random() < 0.7:
        fields.append(f'"timestamp":{LONG_AGO_MS + dice.randrange(12)}')
    if dice.random() < 0.8:
        chosen = dice.sample(NAMES, dice.randrange(2))
        fields += [f'"{name}"{space}:{space}{dice.choice(TEXTS)}' for name in chosen]
    dice.shuffle(fields)
    raw = f"{space}{{{space}{f'{space},{space}'.join(fields)}{space}}}".strip()
    found = codec.decode("bike-update", [Raw(raw.encode())])
    assert isinstance(found, events.BikeUpdate)
    idempotency_key = f"key-{dice.randrange(60)}" if dice.random() < 0.2 else None
    author = dice.choice((None, "peer-1"))
    return draft_of_update(found, author, 2 * LONG_AGO_MS * 1000, idempotency_key)


def told(worker: Worker) -> list[tuple[Any, ...]]:
    """What was delivered, without what each store chooses for itself: epoch and proof."""
    return [
        ("interrupted",) if isinstance(each, Interrupted) else _facts_of(each)
        for each in worker.deliveries
    ]


def _facts_of(each: Publication) -> tuple[Any, ...]:
    packet = each.packet if each.author or each.event != "bike-removed" else _loaded(each.packet)
    return each.offset, each.event, packet, each.author, each.key, each.op


def _loaded(packet: bytes) -> Any:  # noqa: ANN401 - JSON
    """One that the store makes by itself: characters may be escaped in more than one way."""
    return json.loads(packet[1:])


def parsed(values: bytes) -> Any:  # noqa: ANN401 - JSON
    """With the text of every number."""
    return json.loads(values, parse_int=str, parse_float=str)


@contextlib.asynccontextmanager
async def memory_and_redis(url: str, kind: RoomKind) -> AsyncIterator[tuple[Worker, Worker]]:
    memory = Worker(MemoryBroker(MemoryRooms(lambda _: kind)))
    async with workers_over(url, 1, kind) as (redis,):
        await memory.broker.start(memory.deliver)
        try:
            yield memory, redis
        finally:
            await memory.broker.stop()


KINDS: Final[dict[str, RoomKind]] = {
    "usual": RoomKind(),
    "few values": RoomKind(values_limit=3),
    "no snapshot": RoomKind(snapshot=False),
    "short": RoomKind(history_length=7),
    "no history": RoomKind(history_length=0),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_lua_decides_as_python_does(redis_url: str, kind: RoomKind, seed: int) -> None:
    dice = Random(f"{seed} {kind}")  # noqa: S311 - a seed, not a secret
    async with memory_and_redis(redis_url, kind) as (memory, redis):
        starts = [await each.broker.follow(ROOM) for each in (memory, redis)]
        for count, draft in enumerate(drafts(dice)):
            if kind.values_limit < len(KEYS):
                # Which removal is forgotten first, of two in one ms, is not said.
                await asyncio.sleep(0.001)
            expected, found = [await each.publish(draft) for each in (memory, redis)]
            assert (found.outcome, found.cursor.offset) == (
                expected.outcome,
                expected.cursor.offset,
            ), (count, draft)
            if count % 40 == 39:
                snapshots = [await each.broker.snapshot(ROOM) for each in (memory, redis)]
                assert parsed(snapshots[1].values) == parsed(snapshots[0].values), count
                assert snapshots[1].cursor.offset == snapshots[0].cursor.offset
        await eventually(lambda: len(redis.deliveries) == len(memory.deliveries))
        assert told(redis) == told(memory)

        for since in (starts, [each.deliveries[-5].cursor for each in (memory, redis)]):  # type: ignore[union-attr]
            histories = [
                await each.broker.history(ROOM, place)
                for each, place in zip((memory, redis), since, strict=True)
            ]
            counts = [None if each is None else len(each.publications) for each in histories]
            assert counts[0] == counts[1]


async def test_a_patch_is_merged_in_lua_as_in_python_whatever_its_names_claim(
    redis_url: str,
) -> None:
    """`names` only saves work: without them the same values come out."""
    kind, dice = RoomKind(), Random(5)  # noqa: S311
    async with memory_and_redis(redis_url, kind) as (memory, redis):
        for draft in drafts(dice):
            await memory.publish(draft)
            await redis.publish(msgspec.structs.replace(draft, names=None))
        snapshots = [await each.broker.snapshot(ROOM) for each in (memory, redis)]
        assert parsed(snapshots[1].values) == parsed(snapshots[0].values)
