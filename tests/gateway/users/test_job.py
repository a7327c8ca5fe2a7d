"""The contract of where jobs are kept (`users/job.py`), over every database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from gateway.users import sql_jobs
from gateway.users.database import Database
from gateway.users.job import ERROR_LIMIT_CHARACTERS, JobCounts, NewJob
from gateway.users.sql_jobs import SqlJobStore, note_jobs
from tests.gateway.users.backends import let_age, opened, statements
from tests.gateway.users.people import NOW_MS

UNTIL_MS = NOW_MS + 30_000


def owed(number: int, *, lane: str = "mail", key: str | None = None) -> NewJob:
    """The jobs of higher numbers are due later, a millisecond each."""
    return NewJob(
        id=f"job-{number:04}",
        kind="mail",
        lane=lane,
        body=f'{{"number":{number}}}',
        run_at_ms=NOW_MS - 10_000 + number,
        created_at_ms=NOW_MS - 10_000,
        key=key,
    )


@pytest.fixture
def store(database: Database) -> SqlJobStore:
    return SqlJobStore(database)


@pytest.fixture
async def other(database: Database, database_url: str) -> AsyncIterator[SqlJobStore]:
    """The store of another runner, over the same database."""
    another = Database(database_url)
    await another.start()
    yield SqlJobStore(another)
    await another.stop()


async def test_due_jobs_are_claimed_oldest_first_and_by_one_runner(
    store: SqlJobStore, other: SqlJobStore
) -> None:
    late = msgspec.structs.replace(owed(99), run_at_ms=NOW_MS + 1)
    await store.add([owed(2), owed(1), late, owed(3)])

    mine = await store.claim("me", NOW_MS, UNTIL_MS, 2)
    theirs = await other.claim("you", NOW_MS, UNTIL_MS, 10)

    assert [job.id for job in mine] == ["job-0001", "job-0002"]
    assert [job.id for job in theirs] == ["job-0003"]
    assert (mine[0].body, mine[0].attempts, mine[0].run_at_ms) == ('{"number":1}', 1, UNTIL_MS)


async def test_sqlite_is_not_asked_before_something_is_due_or_somebody_has_written(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'users.db'}"
    async with contextlib.AsyncExitStack() as stack:
        database, elsewhere = await opened(url), await opened(url)
        stack.push_async_callback(database.stop)
        stack.push_async_callback(elsewhere.stop)
        store = SqlJobStore(database)
        await store.add([msgspec.structs.replace(owed(1), run_at_ms=NOW_MS + 5)])
        let_age(tmp_path)
        asked = stack.enter_context(statements())

        for later_ms in range(5):
            assert not await store.claim("me", NOW_MS + later_ms, UNTIL_MS, 1)
        looks = len([statement for statement in asked if "min(jobs.run_at_ms)" in statement])
        assert looks in {1, 2}, "twice when half a minute ends just then"
        assert [job.id for job in await store.claim("me", NOW_MS + 5, UNTIL_MS, 1)] == ["job-0001"]

        let_age(tmp_path)
        assert not await store.claim("me", NOW_MS + 6, UNTIL_MS, 1)
        await SqlJobStore(elsewhere).add([owed(2)])
        assert [job.id for job in await store.claim("me", NOW_MS + 6, UNTIL_MS, 1)] == ["job-0002"]


async def test_many_who_claim_at_once_share_the_jobs_without_overlap(
    store: SqlJobStore, other: SqlJobStore
) -> None:
    await store.add([owed(number) for number in range(200)])

    async def take(stock: SqlJobStore, holder: str) -> list[str]:
        taken: list[str] = []
        while found := await stock.claim(holder, NOW_MS, UNTIL_MS, 7):
            taken += [job.id for job in found]
        return taken

    shares = await asyncio.gather(
        *(take(stock, f"{number}") for number, stock in enumerate([store, other] * 2))
    )

    assert sorted(job_id for share in shares for job_id in share) == [
        f"job-{number:04}" for number in range(200)
    ]


async def test_a_lease_that_ends_makes_the_job_due_again_and_counts_as_an_attempt(
    store: SqlJobStore, other: SqlJobStore
) -> None:
    await store.add([owed(1)])
    await store.claim("me", NOW_MS, UNTIL_MS, 1)

    assert await other.claim("you", UNTIL_MS - 1, UNTIL_MS, 1) == []
    again = await other.claim("you", UNTIL_MS, UNTIL_MS + 1000, 1)

    assert [job.attempts for job in again] == [2]
    assert not await store.finish("job-0001", "me", UNTIL_MS)
    assert not await store.postpone("job-0001", "me", UNTIL_MS, "late")
    assert not await store.park("job-0001", "me", UNTIL_MS, "late")
    assert await store.renew({"job-0001"}, "me", UNTIL_MS + 9999) == set()
    assert await other.finish("job-0001", "you", UNTIL_MS)


async def test_what_is_renewed_stays_with_its_runner(
    store: SqlJobStore, other: SqlJobStore
) -> None:
    await store.add([owed(1), owed(2)])
    await store.claim("me", NOW_MS, UNTIL_MS, 2)

    assert await store.renew({"job-0001", "none"}, "me", UNTIL_MS + 1000) == {"job-0001"}
    assert [job.id for job in await other.claim("you", UNTIL_MS, UNTIL_MS, 9)] == ["job-0002"]


async def test_what_is_released_was_never_claimed(store: SqlJobStore) -> None:
    await store.add([owed(1)])
    await store.claim("me", NOW_MS, UNTIL_MS, 1)

    assert await store.release(["job-0001"], "you", NOW_MS) == 0
    assert await store.release(["job-0001"], "me", NOW_MS + 5) == 1

    assert await store.claim("you", NOW_MS, UNTIL_MS, 1) == []
    assert [job.attempts for job in await store.claim("you", NOW_MS + 5, UNTIL_MS, 1)] == [1]


async def test_busy_lanes_hold_nobody_else_up(store: SqlJobStore) -> None:
    await store.add([owed(1, lane="slow"), owed(2, lane="slow"), owed(3, lane="quick")])

    found = await store.claim("me", NOW_MS, UNTIL_MS, 2, {"slow"})

    assert [job.id for job in found] == ["job-0003"]


async def test_of_jobs_with_one_key_one_waits(store: SqlJobStore) -> None:
    await store.add([owed(1, key="k")])
    await store.add([owed(2, key="k"), owed(3)])
    claimed = await store.claim("me", NOW_MS, UNTIL_MS, 9)
    await store.add([owed(4, key="k")])  # the first one is held, and so waits still

    assert [job.id for job in claimed] == ["job-0001", "job-0003"]

    await store.finish("job-0001", "me", NOW_MS)
    await store.add([owed(5, key="k"), owed(1), owed(3)])
    assert [job.id for job in await store.claim("me", NOW_MS, UNTIL_MS, 9)] == ["job-0005"]


async def test_a_job_is_owed_if_and_only_if_its_cause_is_kept(
    store: SqlJobStore, database: Database
) -> None:
    async def fail() -> None:
        async with database.writing() as connection:
            await note_jobs(connection, [owed(1)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.writing() as connection:
        await note_jobs(connection, [owed(2)])
        await note_jobs(connection, [])

    assert [job.id for job in await store.claim("me", NOW_MS, UNTIL_MS, 9)] == ["job-0002"]


async def test_what_failed_waits_with_its_reason_and_then_is_parked(store: SqlJobStore) -> None:
    await store.add([owed(1), owed(2)])
    await store.claim("me", NOW_MS, UNTIL_MS, 2)
    await store.postpone("job-0001", "me", NOW_MS + 100, "no answer")

    assert await store.claim("me", NOW_MS + 99, UNTIL_MS, 1) == []
    (again,) = await store.claim("me", NOW_MS + 100, UNTIL_MS, 1)
    await store.park("job-0001", "me", NOW_MS + 200, "x" * 1000)

    assert (again.attempts, again.error) == (2, "no answer")
    assert await store.claim("me", UNTIL_MS * 2, UNTIL_MS * 3, 1, {"none"}) != []
    (dead,) = await store.dead(10)
    assert (dead.id, dead.error, dead.ended_at_ms) == (
        "job-0001",
        "x" * ERROR_LIMIT_CHARACTERS,
        NOW_MS + 200,
    )


async def test_dead_jobs_are_tried_again_or_discarded(store: SqlJobStore) -> None:
    await store.add([owed(number) for number in range(4)])
    for job in await store.claim("me", NOW_MS, UNTIL_MS, 4):
        await store.park(job.id, "me", NOW_MS + int(job.id[-1]), "no")

    assert [job.id[-1] for job in await store.dead(3)] == ["3", "2", "1"]
    assert await store.retry(["job-0001", "none"], NOW_MS) == 1
    assert await store.discard(["job-0001", "job-0002"]) == 1
    (again,) = await store.claim("me", NOW_MS, UNTIL_MS, 9)
    assert (again.id, again.attempts, again.ended_at_ms) == ("job-0001", 1, None)
    assert await store.retry(None, NOW_MS) == 2
    assert await store.discard(None) == 0


async def test_what_there_is_to_do_is_counted(store: SqlJobStore) -> None:
    assert await store.counts(NOW_MS) == JobCounts()
    await store.add([owed(number) for number in range(4)])
    first, second = await store.claim("me", NOW_MS, UNTIL_MS, 2)
    await store.park(first.id, "me", NOW_MS, "no")

    assert await store.counts(NOW_MS) == JobCounts(3, 1, NOW_MS - 10_000 + 2)
    assert await store.counts(NOW_MS - 20_000) == JobCounts(3, 1, None)
    await store.finish(second.id, "me", NOW_MS)
    assert (await store.counts(NOW_MS)).waiting == 2


async def test_what_has_ended_is_forgotten_in_time(store: SqlJobStore) -> None:
    await store.add([owed(number) for number in range(5)])
    for job in await store.claim("me", NOW_MS, UNTIL_MS, 4):
        if int(job.id[-1]) % 2:
            await store.finish(job.id, "me", NOW_MS)
        else:
            await store.park(job.id, "me", NOW_MS, "no")

    assert await store.forget(NOW_MS, NOW_MS) == 0
    assert await store.forget(NOW_MS + 1, NOW_MS) == 2
    assert await store.counts(NOW_MS) == JobCounts(1, 2, NOW_MS - 10_000 + 4)
    assert await store.forget(NOW_MS, NOW_MS + 1) == 2


async def test_all_that_has_ended_is_forgotten_however_much_it_is(
    store: SqlJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_jobs, "_FORGET_AT_ONCE", 2)
    await store.add([owed(number) for number in range(5)])
    for job in await store.claim("me", NOW_MS, UNTIL_MS, 9):
        await store.finish(job.id, "me", NOW_MS)

    assert await store.forget(NOW_MS + 1, NOW_MS) == 5


async def test_each_period_begins_once_for_all_who_ask(
    store: SqlJobStore, other: SqlJobStore
) -> None:
    hour_ms = 3_600_000
    this_hour_ms = NOW_MS // hour_ms * hour_ms

    async def begin(stock: SqlJobStore, number: int, at_ms: int) -> int:
        return await stock.begin_period("tidy", at_ms, hour_ms, owed(number))

    asked = [begin(stock, number, this_hour_ms) for number, stock in enumerate([store, other] * 3)]
    assert set(await asyncio.gather(*asked)) == {this_hour_ms + hour_ms}
    assert (await store.counts(NOW_MS)).waiting == 1
    await begin(store, 10, this_hour_ms + hour_ms - 1)
    assert (await store.counts(NOW_MS)).waiting == 1
    assert await begin(store, 11, this_hour_ms + hour_ms) == this_hour_ms + 2 * hour_ms
    assert (await store.counts(NOW_MS)).waiting == 2


async def test_a_period_that_was_made_shorter_does_not_wait_for_the_end_of_the_long_one(
    store: SqlJobStore,
) -> None:
    day_ms, minute_ms = 86_400_000, 60_000
    await store.begin_period("backup", NOW_MS, day_ms, owed(1))

    next_at_ms = await store.begin_period("backup", NOW_MS, minute_ms, owed(2))

    assert next_at_ms == (NOW_MS // minute_ms + 1) * minute_ms
    assert (await store.counts(NOW_MS)).waiting == 2
