"""This module owns what a kind of job is: how it is done, in what time, and how often tried.

Pure. A job is done at least once: whoever does it may die between doing and saying so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from gateway.users.job import Job


class JobFailed(Exception):
    """The job could not be done; the message is shown to operators, so no secret is in it."""

    def __init__(self, why: str, *, is_final: bool = False, wait_seconds: float = 0.0) -> None:
        super().__init__(why)
        self.is_final = is_final  # no later attempt will do better
        self.wait_seconds = wait_seconds  # at least, until the next one


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of job. Waits double from one attempt to the next, up to the longest."""

    run: Callable[[Job], Awaitable[None]]
    limit_seconds: float = 30.0
    attempts: int = 10
    first_wait_seconds: float = 5.0
    longest_wait_seconds: float = 3600.0
    at_once: int = 4  # of one lane, by one runner

    def wait_seconds(self, attempt: int, chance: float) -> float:
        """How long to wait after a failed attempt, counted from 1 on; `chance` is of 0 to 1.

        Half of it is chance, so that what failed together does not come back together.
        """
        doubled = self.first_wait_seconds * 2.0 ** min(attempt - 1, 60)
        return min(doubled, self.longest_wait_seconds) * (0.5 + chance / 2)


class Periodic(msgspec.Struct, frozen=True, kw_only=True):
    """Work that comes again and again. One that still waits is not joined by the next."""

    name: str
    every_seconds: float
    work: Work
