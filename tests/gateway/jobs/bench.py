"""A place of work for tests: jobs that are noted, and runners that look often."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from gateway.jobs.runner import Runner, now_ms
from gateway.jobs.work import Periodic, Work
from gateway.metrics import Metrics
from gateway.users.job import Job, JobStore, NewJob, new_job

LOOK_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 15.0


class Done:
    """Notes which jobs it was given, by their bodies."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    async def __call__(self, job: Job) -> None:
        self.bodies.append(job.body)


def owed(kind: str, body: Any = None, *, lane: str | None = None) -> NewJob:  # noqa: ANN401 - JSON
    return new_job(kind, body, now_ms() - 1, secrets.token_bytes(10), lane=lane)


@contextlib.asynccontextmanager
async def running(
    store: JobStore,
    works: Mapping[str, Work],
    periodics: Sequence[Periodic] = (),
    *,
    lease_seconds: float = 30.0,
    metrics: Metrics | None = None,
) -> AsyncIterator[Runner]:
    """A runner at work, while the context is open."""
    outcomes = (metrics or Metrics()).jobs
    paces = {"lease_seconds": lease_seconds, "look_seconds": LOOK_SECONDS}
    runner = Runner(store, works, outcomes, periodics, **paces)
    task = asyncio.create_task(runner.run_forever())
    try:
        yield runner
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(
    is_so: Callable[[], bool | Awaitable[bool]], patience_seconds: float = _PATIENCE_SECONDS
) -> None:
    """Wait until something holds; fail when it does not for long."""
    deadline_seconds = time.monotonic() + patience_seconds
    while True:
        answer = is_so()
        if answer if isinstance(answer, bool) else await answer:
            return
        assert time.monotonic() < deadline_seconds, "it never came to hold"
        await asyncio.sleep(0.01)
