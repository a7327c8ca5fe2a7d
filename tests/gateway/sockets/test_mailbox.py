import asyncio
import logging

import pytest

from gateway.sockets.mailbox import WAITING_LIMIT, Mailbox


async def test_work_is_done_one_after_the_other_in_the_order_of_posting() -> None:
    mailbox, done, gate = Mailbox(), list[int](), asyncio.Event()

    async def work(number: int) -> None:
        if number == 0:
            await gate.wait()
        done.append(number)

    for number in range(5):
        assert mailbox.post(work(number))
    await asyncio.sleep(0)
    assert done == []
    gate.set()
    while len(done) < 5:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0)

    assert done == [0, 1, 2, 3, 4]


async def test_work_that_fails_does_not_stop_the_next(caplog: pytest.LogCaptureFixture) -> None:
    mailbox, done = Mailbox(), asyncio.Event()

    async def fail() -> None:
        raise ValueError

    async def succeed() -> None:
        done.set()

    with caplog.at_level(logging.CRITICAL):
        mailbox.post(fail())
        mailbox.post(succeed())
        await asyncio.wait_for(done.wait(), 5)


async def test_too_much_work_is_not_taken() -> None:
    mailbox, gate, done = Mailbox(), asyncio.Event(), list[None]()

    async def work() -> None:
        await gate.wait()
        done.append(None)

    mailbox.post(work())
    await asyncio.sleep(0)  # it has begun, and waits no more
    taken = [mailbox.post(work()) for _ in range(WAITING_LIMIT + 3)]
    gate.set()
    while len(done) < WAITING_LIMIT + 1:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0)

    assert taken.count(True) == WAITING_LIMIT
    assert taken[-3:] == [False] * 3


async def test_closing_drops_what_waits_lets_the_rest_end_and_does_the_last_work() -> None:
    mailbox, gate, done = Mailbox(), asyncio.Event(), list[str]()

    async def work(name: str) -> None:
        await gate.wait()
        done.append(name)

    mailbox.post(work("begun"))
    await asyncio.sleep(0)
    mailbox.post(work("waiting"))
    mailbox.close(work("last"))
    assert not mailbox.post(work("too late"))
    gate.set()
    while len(done) < 2:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0)

    assert done == ["begun", "last"]


async def test_an_idle_mailbox_has_no_task() -> None:
    mailbox, before = Mailbox(), asyncio.all_tasks()

    async def work() -> None:
        await asyncio.sleep(0)

    mailbox.post(work())
    assert len(asyncio.all_tasks()) == len(before) + 1
    for _ in range(5):
        await asyncio.sleep(0)

    assert asyncio.all_tasks() == before
