"""This module owns the contract of counting requests, and the way of one process alone.

What every way guarantees (the numbers are those of the contract suite):

1.  Of one key no more than the quota passes at once, nor more than that and what the time since has
    brought back.
2.  Who is refused and comes again after `wait_seconds`, alone, passes.
3.  A key's haste is no other key's business, nor is a policy's another policy's.
4.  Nothing a stranger does makes it grow without bound.
5.  `take` answers, and soon, whatever is the matter with what is behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

from gateway.quotas.policies import Policy
from gateway.rooms.buckets import Buckets
from protocol.paces import Pace

# Of each policy. Beyond it the longest unused are forgotten.
KEYS_LIMIT: Final = 16_384


class Verdict(NamedTuple):
    """What became of a request: how many more may follow it at once, or how long it has to wait."""

    left: int
    wait_seconds: float = 0.0


class Limiter(Protocol):
    """Counts requests."""

    def take_now(self, policy: Policy, key: str) -> Verdict | None:
        """Count a request; None, and nothing counted, when it takes a question to somebody else."""

    async def take(self, policy: Policy, key: str) -> Verdict:
        """Count a request, and ask if need be."""


class MemoryLimiter:
    """Counts within one process."""

    def __init__(
        self,
        policies: Iterable[Policy],
        clock: Callable[[], float] = time.monotonic,
        keys_limit: int = KEYS_LIMIT,
    ) -> None:
        self._clock = clock
        self._buckets: dict[Pace, Buckets] = {
            policy.name: Buckets(policy.allowance, keys_limit) for policy in policies
        }

    def take_now(self, policy: Policy, key: str) -> Verdict:
        """Count a request."""
        now_seconds = self._clock()
        bucket = self._buckets[policy.name].bucket_of(key, now_seconds)
        wait_seconds = bucket.take(1.0, now_seconds)
        return Verdict(bucket.left(now_seconds), wait_seconds)

    async def take(self, policy: Policy, key: str) -> Verdict:
        """The same."""
        return self.take_now(policy, key)
