"""A worker process, as its supervisor sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import pytest
import uvloop

from gateway.workers.berth import LEAVE
from gateway.workers.child import Child
from tests.gateway.workers import crew

START_SECONDS = 20.0


@pytest.fixture
def listeners() -> list[socket.socket]:
    return []


async def test_a_child_serves_and_leaves_when_it_is_told_to(
    listeners: list[socket.socket],
) -> None:
    child = await Child.start(crew.good(), 0, listeners)
    assert await child.is_ready(START_SECONDS)
    assert child.status is None
    child.order(LEAVE)
    await asyncio.wait_for(child.closed(), START_SECONDS)
    await child.ended_within(START_SECONDS)
    await child.closed()  # whoever has ended accepts nothing

    assert child.status == 0


async def test_its_status_is_known_however_it_ends(listeners: list[socket.socket]) -> None:
    failing = await Child.start(crew.bad(3), 0, listeners)
    killed = await Child.start(crew.good(), 1, listeners)
    assert not await failing.is_ready(START_SECONDS)
    assert await killed.is_ready(START_SECONDS)
    os.kill(killed.process_id, signal.SIGKILL)
    await failing.ended()
    await killed.ended()

    assert (failing.status, killed.status) == (3, -signal.SIGKILL)
    failing.order(LEAVE)  # nobody hears it
    failing.kill()


def test_to_tell_one_something_that_has_ended_is_harmless_on_any_loop() -> None:
    async def tell() -> None:
        child = await Child.start(crew.bad(3), 0, [])
        await asyncio.wait_for(child.ended(), START_SECONDS)
        await asyncio.sleep(0)  # until the line to it is closed
        child.order(LEAVE)

    for run in (uvloop.run, asyncio.run):
        run(tell())


async def test_one_that_does_not_leave_is_killed(listeners: list[socket.socket]) -> None:
    child = await Child.start(crew.deaf(), 0, listeners)
    assert await child.is_ready(START_SECONDS)
    child.order(LEAVE)
    await child.ended_within(0.1)

    assert child.status == -signal.SIGKILL


async def test_one_that_does_not_become_ready_is_not_waited_for_for_ever(
    listeners: list[socket.socket],
) -> None:
    child = await Child.start(crew.good(), 0, listeners)
    assert not await child.is_ready(0)
    child.kill()
    await child.ended()


async def test_one_that_says_nothing_any_more_is_stuck(listeners: list[socket.socket]) -> None:
    lively = await Child.start(crew.lively(), 0, listeners)
    silent = await Child.start(crew.deaf(), 1, listeners)
    assert await lively.is_ready(START_SECONDS)
    assert await silent.is_ready(START_SECONDS)
    looked = asyncio.create_task(lively.ended_or_stuck(4.0))

    assert await silent.ended_or_stuck(4.0)
    assert not looked.done()
    lively.kill()
    assert not await looked
    silent.kill()
    await silent.ended()


async def test_sockets_are_inherited_and_nothing_else(listeners: list[socket.socket]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = await Child.start(crew.good(), 0, [listener])
        assert await child.is_ready(START_SECONDS)
        descriptors = sorted(os.listdir(f"/proc/{child.process_id}/fd"))  # noqa: PTH208
        child.order(LEAVE)
        await asyncio.wait_for(child.ended(), START_SECONDS)

    # 0, 1, 2, the listener and the line
    assert len(descriptors) == 5
