"""What a kind of job is."""

from __future__ import annotations

from gateway.jobs.work import Work
from gateway.users.job import Job


async def nothing(job: Job) -> None:
    """Do nothing."""


def test_waits_double_up_to_the_longest() -> None:
    work = Work(run=nothing, first_wait_seconds=4.0, longest_wait_seconds=100.0)

    assert [work.wait_seconds(attempt, 1.0) for attempt in range(1, 8)] == [
        *(4.0, 8.0, 16.0, 32.0, 64.0),
        *(100.0, 100.0),
    ]
    assert work.wait_seconds(10_000, 1.0) == 100.0


def test_half_of_a_wait_is_chance() -> None:
    work = Work(run=nothing, first_wait_seconds=4.0)

    assert (work.wait_seconds(1, 0.0), work.wait_seconds(1, 0.5)) == (2.0, 3.0)
