"""Everybody is sent off, a few at a time."""

from __future__ import annotations

import asyncio
import json

from gateway.sockets.departure import batch_size, send_off
from tests.gateway.sockets.recorded_door import Door
from tests.toolbox import virtual_time


def test_nobody_leaves_with_more_than_have_to() -> None:
    assert batch_size(5000, 10.0) == 50
    assert batch_size(5000, 0.05) == 5000
    assert batch_size(5000, -1.0) == 5000


def test_few_do_not_take_their_time() -> None:
    assert batch_size(20, 10.0) == 10
    assert batch_size(0, 10.0) == 10


def test_a_crowd_leaves_over_the_whole_time_each_with_a_time_to_come_back_at() -> None:
    async def scenario() -> None:
        door, loop = Door(), asyncio.get_running_loop()
        began = loop.time()
        transports = [door.enter(f"peer {number}", "room")[1] for number in range(1000)]
        left: list[int] = []

        async def watch() -> None:
            while True:
                left.append(sum(transport.is_closing() for transport in transports))
                await asyncio.sleep(0.5)

        watching = asyncio.create_task(watch())
        await send_off(door.membership.peers, door.lanes, 2.0)
        watching.cancel()
        lasted_seconds = loop.time() - began
        goodbyes = [json.loads(transport.texts[0][2:])[1] for transport in transports]
        waits_ms = [goodbye["reconnectAfterMs"] for goodbye in goodbyes]

        assert 1.8 < lasted_seconds <= 2.0
        assert left == sorted(left)
        assert [0 < count < 1000 for count in left[1:4]] == [True] * 3
        assert {goodbye["code"] for goodbye in goodbyes} == {3000}
        assert len(set(waits_ms)) > 300
        assert max(waits_ms) < 2000
        assert door.metrics.goodbyes["3000"] == 1000
        door.engine.wheel.stop()

    virtual_time.run(scenario())


def test_who_comes_meanwhile_leaves_too() -> None:
    async def scenario() -> None:
        door = Door()
        for number in range(30):
            door.enter(f"peer {number}", "room")
        leaving = asyncio.create_task(send_off(door.membership.peers, door.lanes, 1.0))
        await asyncio.sleep(0.15)
        _, late = door.enter("late", "room")
        await leaving

        assert late.is_closing()
        door.engine.wheel.stop()

    virtual_time.run(scenario())


def test_where_there_is_nobody_it_takes_no_time() -> None:
    async def scenario() -> None:
        door, loop = Door(), asyncio.get_running_loop()
        began = loop.time()
        await send_off(door.membership.peers, door.lanes, 10.0)

        assert loop.time() == began
        door.engine.wheel.stop()

    virtual_time.run(scenario())
