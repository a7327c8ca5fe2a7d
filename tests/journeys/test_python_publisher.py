"""The Python publisher through a gateway that is killed in the middle: all, once, in order."""

from __future__ import annotations

import asyncio
import json

import pytest

from paceline_publisher import AsyncPublisher, Publisher, Receipt, Refused
from tests.conftest import StartGateway
from tests.toolbox.raw_socket import RawSocket, connected
from tests.toolbox.strict_gateway import NARROW, SECRET

pytestmark = pytest.mark.journey

ROOM = "city:paris"
COUNT = 300


async def test_nothing_is_lost_and_nothing_comes_twice_while_the_gateway_is_killed(
    start_gateway: StartGateway, redis_url: str
) -> None:
    target = await asyncio.to_thread(start_gateway, REDIS_URL=redis_url)
    watched = await asyncio.to_thread(start_gateway, REDIS_URL=redis_url)

    def publish() -> list[Receipt]:
        with Publisher(target.url, timeout_seconds=5) as publisher:
            return [
                publisher.publish(ROOM, "counted", {"roomId": ROOM, "number": number})
                for number in range(COUNT)
            ]

    async with connected(watched.url) as witness:
        await witness.ask("join-room", json.dumps(ROOM))
        publishing = asyncio.create_task(asyncio.to_thread(publish))
        for number in (COUNT // 4, COUNT // 2):
            await _heard_until(witness, number)
            target.kill()
            await asyncio.to_thread(target.start)
        rest = await _heard_until(witness, COUNT - 1)
        receipts = await publishing

    assert len({receipt.cursor for receipt in receipts}) == COUNT
    assert rest == list(range(COUNT // 2 + 1, COUNT))


async def test_batches_that_await_are_taken_whole_or_refused_one_by_one(
    start_gateway: StartGateway,
) -> None:
    gateway = await asyncio.to_thread(
        start_gateway, PACELINE_ENV="production", PACELINE_JWT_SECRET=SECRET
    )
    bikes = [{"bike_id": str(number), "lat": 48.8, "lon": 2.3} for number in range(1_200)]
    async with AsyncPublisher(gateway.url, NARROW) as publisher:
        taken = await publisher.update_many(ROOM, bikes)
        with pytest.raises(Refused) as elsewhere:
            await publisher.update("city:rome", bikes[0])
    async with AsyncPublisher(gateway.url, "not a token") as publisher:
        with pytest.raises(Refused) as nobody:
            await publisher.update(ROOM, bikes[0])

    assert len(taken) == len(bikes)
    assert all(isinstance(outcome, Receipt) for outcome in taken)
    assert elsewhere.value.code == "FORBIDDEN"
    assert (nobody.value.code, nobody.value.status) == ("TOKEN_INVALID", 401)


async def _heard_until(witness: RawSocket, last: int) -> list[int]:
    """The numbers that come, up to one of them; fails when one is out of order or comes twice."""
    numbers: list[int] = []
    while not numbers or numbers[-1] != last:
        name, body = json.loads(await witness.event())
        assert name == "counted"
        assert not numbers or body["number"] == numbers[-1] + 1
        numbers.append(body["number"])
    return numbers
