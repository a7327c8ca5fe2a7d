"""Workers are kept alive, replaced, and seen off."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.workers import supervisor
from gateway.workers.berth import LEAVE
from gateway.workers.child import Program
from gateway.workers.listening import SharedPort
from gateway.workers.supervisor import Supervisor, Times, pause_after
from tests.gateway.workers import crew
from tests.gateway.workers.fleet import until


class Staged:
    """A supervisor at work."""

    def __init__(
        self,
        program: Program,
        count: int = 2,
        silence_seconds: float = 30.0,
        leave_seconds: float = 1.0,
    ) -> None:
        port = SharedPort("127.0.0.1", 0)
        times = Times(start=20.0, silence=silence_seconds, leave=leave_seconds)
        self.supervisor = Supervisor(program, port, count, times)
        self.announced = asyncio.Event()
        self.running = asyncio.create_task(self.supervisor.run(self.announced.set))

    @property
    def process_ids(self) -> list[int]:
        """The workers that live, those of the first slot first."""
        slots: Any = self.supervisor._slots  # noqa: SLF001 - processes are all that it makes
        return [
            child.process_id for slot in slots for child in slot.children if child.status is None
        ]

    @property
    def sockets(self) -> list[int]:
        """How many sockets each slot listens at."""
        slots: Any = self.supervisor._slots  # noqa: SLF001
        return [len(slot._listeners) for slot in slots]  # noqa: SLF001

    async def end(self, order: bytes = LEAVE) -> int:
        self.supervisor.stop(order)
        async with asyncio.timeout(20):
            return await self.running


@pytest.fixture
async def staged() -> AsyncIterator[Staged]:
    staged = Staged(crew.good())
    await asyncio.wait_for(staged.announced.wait(), 20)
    yield staged
    if not staged.running.done():
        await staged.end()


async def test_when_all_leave_politely_the_status_is_0(staged: Staged) -> None:
    processes = staged.process_ids

    assert len(processes) == 2
    assert await staged.end() == 0
    assert not any(map(_lives, processes))


async def test_a_worker_that_was_killed_is_started_again_at_once(staged: Staged) -> None:
    first, second = staged.process_ids
    os.kill(first, signal.SIGKILL)
    await until(lambda: len(set(staged.process_ids) - {first, second}) == 1)

    assert second in staged.process_ids
    assert await staged.end() == 0


async def test_a_worker_that_is_stuck_is_replaced() -> None:
    staged = Staged(crew.lively(), silence_seconds=4.0)
    await asyncio.wait_for(staged.announced.wait(), 20)
    first, second = staged.process_ids
    os.kill(first, signal.SIGSTOP)
    await until(lambda: len(set(staged.process_ids) - {first}) == 2, 20)

    assert second in staged.process_ids
    assert not _lives(first)
    assert await staged.end() != 0  # they say much, and hear nothing


async def test_what_cannot_be_started_is_tried_again(staged: Staged) -> None:
    good, staged.supervisor._program = (  # noqa: SLF001 - as while packages are being replaced
        staged.supervisor._program,  # noqa: SLF001
        Program(["/no/such/program"], {}),
    )
    os.kill(staged.process_ids[0], signal.SIGKILL)
    await until(lambda: len(staged.process_ids) == 1)
    await asyncio.sleep(0.1)
    staged.supervisor._program = good  # noqa: SLF001
    await until(lambda: len(staged.process_ids) == 2)

    assert await staged.end() == 0


async def test_where_a_worker_is_missing_for_longer_nobody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "pause_after", lambda _short_lives: 1.5)
    staged = Staged(crew.good())
    await asyncio.wait_for(staged.announced.wait(), 20)
    first, _ = staged.process_ids
    assert staged.sockets == [1, 1]
    os.kill(first, signal.SIGKILL)
    await until(lambda: staged.sockets == [0, 1])
    await until(lambda: len(staged.process_ids) == 2)

    assert staged.sockets == [1, 1]
    assert await staged.end() == 0


async def test_workers_are_replaced_one_after_the_other(staged: Staged) -> None:
    old = set(staged.process_ids)
    staged.supervisor.roll()
    staged.supervisor.roll()  # it is being done already
    most = 0

    def is_done() -> bool:
        nonlocal most
        most = max(most, len(staged.process_ids))
        return len(staged.process_ids) == 2 and not old & set(staged.process_ids)

    await until(is_done)

    assert most == 3
    assert await staged.end() == 0


async def test_the_new_worker_is_looked_after_while_the_old_one_takes_its_time() -> None:
    staged = Staged(crew.deaf(), 1, leave_seconds=60.0)
    await asyncio.wait_for(staged.announced.wait(), 20)
    (old,) = staged.process_ids
    staged.supervisor._program = crew.good()  # noqa: SLF001 - a release that knows how to leave
    staged.supervisor.roll()
    tending: Any = staged.supervisor._tending  # noqa: SLF001
    await until(lambda: len(staged.process_ids) == 2, 20)
    (new,) = set(staged.process_ids) - {old}
    await until(lambda: _is_ready(staged, new), 20)
    os.kill(new, signal.SIGKILL)
    await until(lambda: len(set(staged.process_ids) - {old, new}) == 1, 20)

    assert _lives(old)
    assert len(tending) == 1
    os.kill(old, signal.SIGKILL)
    rolling: Any = staged.supervisor._rolling  # noqa: SLF001
    await asyncio.wait_for(rolling, 20)
    assert await staged.end() == 0


@pytest.mark.parametrize("broken", [crew.bad(1), Program(["/no/such/program"], {})])
async def test_what_does_not_start_replaces_nobody(staged: Staged, broken: Program) -> None:
    old = staged.process_ids
    staged.supervisor._program = broken  # noqa: SLF001 - a release that is
    staged.supervisor.roll()
    rolling: Any = staged.supervisor._rolling  # noqa: SLF001
    async with asyncio.timeout(20):
        await rolling

    assert staged.process_ids == old


async def test_a_worker_that_does_not_go_is_killed_and_the_status_tells() -> None:
    staged = Staged(crew.deaf(), 1)
    await asyncio.wait_for(staged.announced.wait(), 20)

    assert await staged.end() == 1
    assert staged.process_ids == []


@pytest.mark.parametrize("status", [1, 2])
async def test_where_no_worker_starts_the_supervisor_ends_with_its_status(status: int) -> None:
    staged = Staged(crew.bad(status))
    async with asyncio.timeout(20):
        assert await staged.running == status
    assert not staged.announced.is_set()


def test_the_pause_before_another_start_grows_to_an_end() -> None:
    pauses = [pause_after(short_lives) for short_lives in range(1, 10)]

    assert pauses == [0, 0.5, 1, 2, 4, 8, 15, 15, 15]


def _is_ready(staged: Staged, process_id: int) -> bool:
    (slot,) = staged.supervisor._slots  # noqa: SLF001
    found = [child for child in slot.children if child.process_id == process_id]
    return any(child._ready.is_set() for child in found)  # noqa: SLF001


def _lives(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True
