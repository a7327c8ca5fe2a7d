"""This module owns the running of jobs: claimed from the store, done, and what became of them said.

Any number of runners may work on one store. What a runner holds it renews; when it dies, others
take that over once the lease ends. A store that is away is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import structlog

from gateway.jobs.work import JobFailed, Periodic, Work
from gateway.metrics import LabelledCount
from gateway.users.job import Job, JobCounts, JobStore, new_job
from gateway.users.store import StoreUnavailable
from gateway.users.user import ID_RANDOM_BYTES

logger = structlog.get_logger(__name__)

LEASE_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 1.0
AT_ONCE_LIMIT: Final = 16
_COUNT_SECONDS: Final = 5.0
_RENEWALS: Final = 3  # in the time of a lease
_STOP_SECONDS: Final = 5.0  # for what has begun to end by itself
_DIED: Final = "Whoever ran it died of it, or was stopped, each time."


class _Held:
    """A job that this runner holds."""

    __slots__ = ("is_ended", "job", "task")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.is_ended = False  # what became of it is being said
        self.task: asyncio.Task[None] | None = None


class Runner:
    """One runner; `outcomes` counts what became of the jobs that it had.

    They are done, failed (and to be tried again), dead, or lost to another runner.
    """

    def __init__(  # noqa: PLR0913 - what to run, and the paces that tests change
        self,
        store: JobStore,
        works: Mapping[str, Work],
        outcomes: LabelledCount,
        periodics: Sequence[Periodic] = (),
        *,
        lease_seconds: float = LEASE_SECONDS,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._store = store
        self._periodics = periodics
        self._works = {**works, **{each.name: each.work for each in periodics}}
        self._outcomes = outcomes
        self._lease_seconds = lease_seconds
        self._look_seconds = look_seconds
        self.stop_seconds = _STOP_SECONDS
        self.holder = secrets.token_hex(8)
        self.counts = JobCounts()
        self._held: dict[str, _Held] = {}
        self._has_news = asyncio.Event()
        self._next_at_ms: dict[str, int] = {}
        self._is_away = False

    @property
    def oldest_due_seconds(self) -> float:
        """How long the oldest job has been due, when it was last looked at."""
        since_ms = self.counts.oldest_due_at_ms
        return 0.0 if since_ms is None else max(0.0, (now_ms() - since_ms) / 1000)

    async def run_forever(self) -> None:
        """Do what is due until cancelled.

        What has begun by then gets a moment to end, or is given back.
        """
        renewing = asyncio.create_task(self._every(self._lease_seconds / _RENEWALS, self._renew))
        counting = asyncio.create_task(self._every(_COUNT_SECONDS, self._count))
        try:
            await self._every(0.0, self._turn)
        finally:
            counting.cancel()
            await self._stop()
            renewing.cancel()
            await asyncio.gather(renewing, counting, return_exceptions=True)

    async def _every(self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await self._to_its_end(work())
            except StoreUnavailable as unavailable:
                self._note_away(unavailable)
                await asyncio.sleep(self._look_seconds)
            except Exception:
                logger.exception("! jobs not looked after")
                await asyncio.sleep(self._look_seconds)
            await asyncio.sleep(seconds)

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Await work that is not broken off with us: a statement would leave its connection."""
        task = asyncio.create_task(work)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            self._has_news.set()  # whoever waits for news has waited for long enough
            await asyncio.wait([task])
            raise

    # ---- taking

    async def _turn(self) -> None:
        """Take what is due, and wait for a reason to look again."""
        self._has_news.clear()
        await self._begin_periods()
        is_more_likely = await self._take()
        self._note_back()
        if not is_more_likely:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await self._has_news.wait()

    async def _begin_periods(self) -> None:
        for each in self._periodics:
            at_ms = now_ms()
            if at_ms < self._next_at_ms.get(each.name, 0):
                continue
            every_ms = round(each.every_seconds * 1000)
            body = {"at_ms": at_ms // every_ms * every_ms}
            randomness = secrets.token_bytes(ID_RANDOM_BYTES)
            job = new_job(each.name, body, at_ms, randomness, key=f"period {each.name}")
            self._next_at_ms[each.name] = await self._store.begin_period(
                each.name, at_ms, every_ms, job
            )

    async def _take(self) -> bool:
        """Begin jobs for which there is room; True when there may be more at once."""
        room = AT_ONCE_LIMIT - len(self._held)
        if room <= 0:
            return False
        lanes = Counter(held.job.lane for held in self._held.values())
        busy = {
            held.job.lane
            for held in self._held.values()
            if lanes[held.job.lane] >= self._at_once(held.job)
        }
        at_ms = now_ms()
        until_ms = at_ms + round(self._lease_seconds * 1000)
        found = await self._store.claim(self.holder, at_ms, until_ms, room, busy)
        too_many = []
        for job in found:
            if job.id in self._held:  # its lease ended while the store was away; now it has one
                continue
            lanes[job.lane] += 1
            if lanes[job.lane] > self._at_once(job):
                too_many.append(job.id)
            else:
                self._begin(job)
        if too_many:
            await self._store.release(too_many, self.holder, at_ms)
        return len(found) == room

    def _begin(self, job: Job) -> None:
        held = self._held[job.id] = _Held(job)
        held.task = asyncio.create_task(self._run(held))

    def _at_once(self, job: Job) -> int:
        work = self._works.get(job.kind)
        return 1 if work is None else work.at_once

    # ---- doing

    async def _run(self, held: _Held) -> None:
        try:
            say = await self._outcome_of(held.job)
            held.is_ended = True
            await self._settle(say)
        finally:
            self._held.pop(held.job.id, None)
            self._has_news.set()

    async def _outcome_of(self, job: Job) -> Callable[[], Awaitable[None]]:
        """Do the job; gives how to say what became of it."""
        work = self._works.get(job.kind)
        if work is None:
            return lambda: self._park(job, f"There is no work of the kind {job.kind!r}.")
        if job.attempts > work.attempts:
            return lambda: self._park(job, job.error or _DIED)
        try:
            async with asyncio.timeout(work.limit_seconds):
                await work.run(job)
        except StoreUnavailable:  # says nothing about the job
            wait_seconds = work.wait_seconds(1, random.random())  # noqa: S311 - spread, not secret
            return lambda: self._give_back(job, wait_seconds)
        except JobFailed as failed:
            why, is_final, least_seconds = str(failed), failed.is_final, failed.wait_seconds
        except TimeoutError:
            why, is_final, least_seconds = f"It took over {work.limit_seconds:g} s.", False, 0.0
        except Exception as error:
            logger.exception("! job failed", kind=job.kind, job=job.id)
            why, is_final, least_seconds = f"{type(error).__name__}; see the log.", False, 0.0
        else:
            return lambda: self._finish(job)
        if is_final or job.attempts >= work.attempts:
            return lambda: self._park(job, why)
        chance = random.random()  # noqa: S311 - spread, not secret
        wait_seconds = max(least_seconds, work.wait_seconds(job.attempts, chance))
        return lambda: self._postpone(job, wait_seconds, why)

    async def _settle(self, say: Callable[[], Awaitable[None]]) -> None:
        """Say what became of a job; while the store is away nobody else can take it either."""
        while True:
            try:
                await say()
            except StoreUnavailable as unavailable:
                self._note_away(unavailable)
                await asyncio.sleep(self._look_seconds)
            else:
                return

    async def _finish(self, job: Job) -> None:
        is_held = await self._store.finish(job.id, self.holder, now_ms())
        self._outcomes.add("done" if is_held else "lost")

    async def _postpone(self, job: Job, wait_seconds: float, why: str) -> None:
        run_at_ms = now_ms() + round(wait_seconds * 1000)
        is_held = await self._store.postpone(job.id, self.holder, run_at_ms, why)
        self._outcomes.add("failed" if is_held else "lost")

    async def _park(self, job: Job, why: str) -> None:
        is_held = await self._store.park(job.id, self.holder, now_ms(), why)
        self._outcomes.add("dead" if is_held else "lost")
        if is_held:
            logger.error("! job given up", kind=job.kind, job=job.id, why=why)

    async def _give_back(self, job: Job, wait_seconds: float) -> None:
        run_at_ms = now_ms() + round(wait_seconds * 1000)
        await self._store.release([job.id], self.holder, run_at_ms)

    # ---- holding on

    async def _renew(self) -> None:
        if not self._held:
            return
        ids = set(self._held)
        until_ms = now_ms() + round(self._lease_seconds * 1000)
        for job_id in ids - await self._store.renew(ids, self.holder, until_ms):
            held = self._held.get(job_id)
            if held is not None and held.task is not None and not held.is_ended:
                held.task.cancel()  # another runner has it
                self._outcomes.add("lost")

    async def _stop(self) -> None:
        tasks = [held.task for held in self._held.values() if held.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self.stop_seconds)
        ids = list(self._held)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if ids:
            with contextlib.suppress(StoreUnavailable):
                await self._store.release(ids, self.holder, now_ms())

    # ---- telling

    async def _count(self) -> None:
        self.counts = await self._store.counts(now_ms())

    def _note_away(self, unavailable: StoreUnavailable) -> None:
        if not self._is_away:
            self._is_away = True
            logger.warning("! jobs wait: user store unavailable", why=unavailable.reason)

    def _note_back(self) -> None:
        if self._is_away:
            self._is_away = False
            logger.info("= jobs go on")


def now_ms() -> int:
    """The time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
