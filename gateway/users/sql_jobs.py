"""This module owns jobs in SQL: leases that no two runners hold, over SQLite and PostgreSQL alike.

A lease is the time at which the job is due again. Nobody has to notice that a runner died.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.users.database import Database
from gateway.users.job import ERROR_LIMIT_CHARACTERS, Job, JobCounts, NewJob
from gateway.users.stillness import Mark
from gateway.users.tables import jobs, periods

_COLUMNS: Final = tuple(jobs.c[field.name] for field in msgspec.structs.fields(Job))
_IS_WAITING: Final = jobs.c.state == "waiting"
_IS_DEAD: Final = jobs.c.state == "dead"
_WRITERS: Final = 4  # of the connections that there are
_FORGET_AT_ONCE: Final = 5_000  # so that nobody waits for long
_ADD_AT_ONCE: Final = 500  # databases take so many parameters at once


async def note_jobs(connection: AsyncConnection, new: Sequence[NewJob]) -> None:
    """Owe jobs from the moment on in which the transaction of the connection ends well."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    rows = [{**msgspec.structs.asdict(job), "state": "waiting", "attempts": 0} for job in new]
    for start in range(0, len(rows), _ADD_AT_ONCE):
        some = rows[start : start + _ADD_AT_ONCE]
        await connection.execute(dialect.insert(jobs).values(some).on_conflict_do_nothing())


class SqlJobStore:
    """Fulfils `JobStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # SQLite has one writer at a time, and is not fair: who ends jobs would keep users waiting.
        self._writers = asyncio.Semaphore(1 if database.is_sqlite else _WRITERS)
        # Until when nothing is due, unless somebody writes to the database.
        self._rest: tuple[Mark, float] | None = None

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        async with self._writers, self._database.writing() as connection:
            yield connection

    async def add(self, jobs: Sequence[NewJob]) -> None:
        async with self._writing() as connection:
            await note_jobs(connection, jobs)

    async def claim(
        self, holder: str, now_ms: int, until_ms: int, limit: int, busy_lanes: Collection[str] = ()
    ) -> Sequence[Job]:
        mark = self._database.mark()
        if self._rest is not None and mark == self._rest[0] and now_ms < self._rest[1]:
            return []
        is_due = _IS_WAITING & (jobs.c.run_at_ms <= now_ms) & jobs.c.lane.not_in(busy_lanes)
        async with self._database.reading() as connection:  # most looks find nothing to write
            found = await connection.execute(select(jobs.c.id).where(is_due).limit(1))
            if found.first() is None:
                if mark is not None:
                    self._rest = mark, await _first_due_ms(connection)
                return []
        due = select(jobs.c.id).where(is_due).order_by(jobs.c.run_at_ms).limit(limit)
        async with self._writing() as connection:
            # What another runner is about to claim is passed over; SQLite lets in one at a time.
            found = await connection.execute(due.with_for_update(skip_locked=True))
            claim = update(jobs).where(jobs.c.id.in_(found.scalars().all()))
            values = {"holder": holder, "run_at_ms": until_ms, "attempts": jobs.c.attempts + 1}
            claimed = await connection.execute(claim.values(values).returning(*_COLUMNS))
            rows = claimed.all()
        return sorted(map(_job_of, rows), key=lambda job: job.id)

    async def renew(self, ids: Collection[str], holder: str, until_ms: int) -> set[str]:
        statement = (
            update(jobs)
            .where(_held_by(holder), jobs.c.id.in_(ids))
            .values(run_at_ms=until_ms)
            .returning(jobs.c.id)
        )
        async with self._writing() as connection:
            return set((await connection.execute(statement)).scalars().all())

    async def release(self, ids: Collection[str], holder: str, run_at_ms: int) -> int:
        values = {"run_at_ms": run_at_ms, "holder": None, "attempts": jobs.c.attempts - 1}
        return await self._change(_held_by(holder) & jobs.c.id.in_(ids), values)

    async def finish(self, job_id: str, holder: str, now_ms: int) -> bool:
        return await self._end(job_id, holder, "done", now_ms, None)

    async def park(self, job_id: str, holder: str, now_ms: int, error: str) -> bool:
        return await self._end(job_id, holder, "dead", now_ms, error[:ERROR_LIMIT_CHARACTERS])

    async def postpone(self, job_id: str, holder: str, run_at_ms: int, error: str) -> bool:
        values = {
            "run_at_ms": run_at_ms,
            "holder": None,
            "error": error[:ERROR_LIMIT_CHARACTERS],
        }
        return bool(await self._change(_held_by(holder) & (jobs.c.id == job_id), values))

    async def dead(self, limit: int) -> Sequence[Job]:
        order = (jobs.c.ended_at_ms.desc(), jobs.c.id)
        statement = select(*_COLUMNS).where(_IS_DEAD).order_by(*order).limit(limit)
        async with self._database.reading() as connection:
            return [_job_of(row) for row in (await connection.execute(statement)).all()]

    async def retry(self, ids: Collection[str] | None, now_ms: int) -> int:
        values = {"state": "waiting", "run_at_ms": now_ms, "attempts": 0, "ended_at_ms": None}
        return await self._change(_dead_of(ids), values)

    async def discard(self, ids: Collection[str] | None) -> int:
        async with self._writing() as connection:
            return (await connection.execute(delete(jobs).where(_dead_of(ids)))).rowcount

    async def counts(self, now_ms: int) -> JobCounts:
        by_state = select(jobs.c.state, func.count().label("number")).where(
            jobs.c.state.in_(("waiting", "dead"))
        )
        oldest = select(func.min(jobs.c.run_at_ms)).where(_IS_WAITING)
        async with self._database.reading() as connection:
            rows = await connection.execute(by_state.group_by(jobs.c.state))
            counts = {row.state: row.number for row in rows}
            due_at_ms = (await connection.execute(oldest)).scalar_one()
        if due_at_ms is not None and due_at_ms > now_ms:
            due_at_ms = None
        return JobCounts(counts.get("waiting", 0), counts.get("dead", 0), due_at_ms)

    async def forget(self, done_before_ms: int, dead_before_ms: int) -> int:
        is_old = or_(
            (jobs.c.state == "done") & (jobs.c.ended_at_ms < done_before_ms),
            _IS_DEAD & (jobs.c.ended_at_ms < dead_before_ms),
        )
        some = select(jobs.c.id).where(is_old).limit(_FORGET_AT_ONCE)
        statement = delete(jobs).where(jobs.c.id.in_(some))
        total = 0
        while True:
            async with self._writing() as connection:
                count = (await connection.execute(statement)).rowcount
            total += count
            if count < _FORGET_AT_ONCE:
                return total

    async def begin_period(self, name: str, now_ms: int, every_ms: int, job: NewJob) -> int:
        next_at_ms = (now_ms // every_ms + 1) * every_ms
        # Much later than the next one: it was set when periods were longer.
        is_time = (periods.c.next_at_ms <= now_ms) | (periods.c.next_at_ms > next_at_ms + every_ms)
        begin = update(periods).where(periods.c.name == name, is_time)
        known = select(periods.c.next_at_ms).where(periods.c.name == name)
        async with self._writing() as connection:
            if (await connection.execute(known)).one_or_none() is None:
                dialect = sqlite if self._database.is_sqlite else postgresql
                first = dialect.insert(periods).values(name=name, next_at_ms=0)
                await connection.execute(first.on_conflict_do_nothing())
            # Who asks at the same time waits here, and then finds that it is not time any more.
            if (await connection.execute(begin.values(next_at_ms=next_at_ms))).rowcount:
                await note_jobs(connection, [job])
            return int((await connection.execute(known)).scalar_one())

    async def _end(
        self, job_id: str, holder: str, state: str, now_ms: int, error: str | None
    ) -> bool:
        values = {
            "state": state,
            "ended_at_ms": now_ms,
            "error": error,
            "holder": None,
            "key": None,  # the next one of that key may come
        }
        return bool(await self._change(_held_by(holder) & (jobs.c.id == job_id), values))

    async def _change(self, condition: ColumnElement[bool], values: dict[str, Any]) -> int:
        async with self._writing() as connection:
            changed = await connection.execute(update(jobs).where(condition).values(values))
        return changed.rowcount


async def _first_due_ms(connection: AsyncConnection) -> float:
    """When the first of all jobs is due, which may be long since; never when there is none."""
    found = await connection.execute(select(func.min(jobs.c.run_at_ms)).where(_IS_WAITING))
    first_ms = found.scalar_one()
    return math.inf if first_ms is None else first_ms


def _held_by(holder: str) -> ColumnElement[bool]:
    return _IS_WAITING & (jobs.c.holder == holder)


def _dead_of(ids: Collection[str] | None) -> ColumnElement[bool]:
    return _IS_DEAD if ids is None else _IS_DEAD & jobs.c.id.in_(ids)


def _job_of(row: Row[Any]) -> Job:
    return Job(**row._mapping)  # noqa: SLF001 - the documented way, in spite of its name
