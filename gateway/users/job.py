"""This module owns what a job is, and the contract of where jobs are kept.

A job is work that is owed: whoever causes it writes it down in the transaction of the cause, and a
runner does it later. What every backend guarantees (the numbers are those of the contract suite):

1.  A job that was added is claimed by one runner at a time, when its time has come, those that
    have waited longest first; never one whose lane is busy.
2.  A claim is a lease: when its end comes and nobody has renewed it the job is there to be claimed
    again, by whomever. Each claim counts as an attempt, so that a job that kills its runner is
    noticed.
3.  Only who holds a job may say what became of it; who has lost it is told so and changes nothing.
4.  Of jobs with one key at most one waits: another one is not added. A job that was added once is
    not added again under its id.
5.  A job that is done or dead is not claimed. A dead one stays, with what was wrong, until
    somebody lets it be tried again or discards it.
6.  A period begins once, whoever asks at the same time, and its job is added with it.

Times are milliseconds since 1970 by the clock of whoever asks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol

import msgspec

from gateway.users.user import id_of

ERROR_LIMIT_CHARACTERS: Final = 500


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """Work to be done. `body` is JSON; jobs of one `lane` wait for one another, others do not."""

    id: str
    kind: str
    lane: str
    body: str
    run_at_ms: int
    created_at_ms: int
    key: str | None = None


class Job(NewJob, frozen=True, kw_only=True):
    """A job as it is kept. While it is held, `run_at_ms` is the end of the lease."""

    attempts: int
    error: str | None = None
    ended_at_ms: int | None = None

    def __repr__(self) -> str:
        """Without the body, which may be private."""
        return f"Job({self.kind}, {self.id})"


class JobCounts(msgspec.Struct, frozen=True):
    """How much there is to do: all that wait, the dead, and since when the oldest is due."""

    waiting: int = 0
    dead: int = 0
    oldest_due_at_ms: int | None = None


def new_job(  # noqa: PLR0913 - what makes a job
    kind: str,
    body: Any,  # noqa: ANN401 - anything that JSON can hold
    now_ms: int,
    randomness: bytes,
    *,
    lane: str | None = None,
    key: str | None = None,
) -> NewJob:
    """A job that is due now, in the lane of its kind unless told; `randomness` is 10 bytes."""
    return NewJob(
        id=id_of(now_ms, randomness),
        kind=kind,
        lane=lane or kind,
        body=msgspec.json.encode(body).decode(),
        run_at_ms=now_ms,
        created_at_ms=now_ms,
        key=key,
    )


class JobStore(Protocol):
    """Jobs, kept; see the guarantees above. Everything raises `StoreUnavailable`."""

    async def add(self, jobs: Sequence[NewJob]) -> None:
        """Keep new jobs, all of them or none."""

    async def claim(
        self, holder: str, now_ms: int, until_ms: int, limit: int, busy_lanes: Collection[str] = ()
    ) -> Sequence[Job]:
        """Take jobs that are due, for as long as the lease lasts."""

    async def renew(self, ids: Collection[str], holder: str, until_ms: int) -> set[str]:
        """Hold on to jobs; gives the ids of those that are still held."""

    async def release(self, ids: Collection[str], holder: str, run_at_ms: int) -> int:
        """Give jobs back as if they had not been claimed; how many there were."""

    async def finish(self, job_id: str, holder: str, now_ms: int) -> bool:
        """The job is done; False when it was lost."""

    async def postpone(self, job_id: str, holder: str, run_at_ms: int, error: str) -> bool:
        """The job failed and is to be tried again; False when it was lost."""

    async def park(self, job_id: str, holder: str, now_ms: int, error: str) -> bool:
        """The job failed for good; False when it was lost."""

    async def dead(self, limit: int) -> Sequence[Job]:
        """Jobs that failed for good, the newest first."""

    async def retry(self, ids: Collection[str] | None, now_ms: int) -> int:
        """Let dead jobs be tried again, from their first attempt on; None: all. How many."""

    async def discard(self, ids: Collection[str] | None) -> int:
        """Forget dead jobs; None: all. How many there were."""

    async def counts(self, now_ms: int) -> JobCounts:
        """How much there is to do."""

    async def forget(self, done_before_ms: int, dead_before_ms: int) -> int:
        """Drop what ended before; how many there were."""

    async def begin_period(self, name: str, now_ms: int, every_ms: int, job: NewJob) -> int:
        """Begin the period of that name if it is time, adding the job; gives when the next is."""
