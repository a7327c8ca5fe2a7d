"""A worker and its supervisor talk over their line."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.workers.berth import (
    ALIVE,
    CLOSED,
    HURRY,
    LEAVE,
    LEAVE_UNANNOUNCED,
    READY,
    REPLACED,
    Berth,
)
from gateway.workers.leaving import Leaving


class Line:
    """A worker's end, and the supervisor's."""

    def __init__(self) -> None:
        self.supervisor, theirs = socket.socketpair()
        self.supervisor.settimeout(5)
        self.berth = Berth(0, [], theirs)
        self.leaving = Leaving()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    await line.berth.start(line.leaving)
    yield line
    await line.berth.stop()
    line.supervisor.close()


async def test_a_worker_that_serves_says_so(line: Line) -> None:
    assert await asyncio.to_thread(line.supervisor.recv, 100) == READY
    assert READY == b"ready\n"


async def test_a_worker_that_turns_says_so_again_and_again(line: Line) -> None:
    assert await asyncio.to_thread(line.supervisor.recv, 100) == READY
    assert await asyncio.to_thread(line.supervisor.recv, 100) == ALIVE
    assert await asyncio.to_thread(line.supervisor.recv, 100) == ALIVE


async def test_a_worker_that_accepts_no_more_says_so(line: Line) -> None:
    assert await asyncio.to_thread(line.supervisor.recv, 100) == READY
    line.berth.report_closed()

    assert await asyncio.to_thread(line.supervisor.recv, 100) == CLOSED


@pytest.mark.parametrize(
    ("order", "gives_notice", "is_replaced"),
    [
        (LEAVE, True, False),
        (LEAVE_UNANNOUNCED, False, False),
        (REPLACED, False, True),
        (b"dance\n" + REPLACED, False, True),
    ],
)
async def test_an_order_says_how_to_go(
    line: Line, order: bytes, *, gives_notice: bool, is_replaced: bool
) -> None:
    line.supervisor.sendall(order)
    async with asyncio.timeout(5):
        await line.leaving.wait()

    assert line.leaving.gives_notice is gives_notice
    assert line.leaving.is_replaced is is_replaced


async def test_a_worker_that_is_to_hurry_gives_up_what_it_is_at(line: Line) -> None:
    line.supervisor.sendall(LEAVE)
    await line.leaving.wait()
    line.supervisor.sendall(HURRY)
    async with asyncio.timeout(5):
        await line.leaving.unless_hurried(asyncio.sleep(60))


async def test_without_its_supervisor_a_worker_goes_too(line: Line) -> None:
    line.supervisor.close()
    async with asyncio.timeout(5):
        await line.leaving.wait()

    assert line.leaving.gives_notice


def test_what_was_not_inherited_cannot_be_used() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        Berth.of_descriptors(0, [1_000_000], 1_000_001)
