"""This module owns counting through Redis, for all workers together, without a question each time.

A worker takes some units at once, a hundredth of the quota, and spends them within a second; what
it does not spend is lost. So all workers together may let a little less through than the quota
says, and never more. Who was refused is refused from memory until the time has come.

While Redis is away, or slow, each worker counts for itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog

from gateway.metrics import Metrics
from gateway.quotas.limiter import KEYS_LIMIT, MemoryLimiter, Verdict
from gateway.quotas.policies import Policy
from gateway.redis.client import Redis, send_at
from gateway.redis.connection import pack
from gateway.redis.scripts import Script
from gateway.redis.slots import slot_of
from gateway.rooms.buckets import Ledger

logger = structlog.get_logger(__name__)

TAKE: Final = Script("gateway.quotas", "take.lua")
TIMEOUT_SECONDS: Final = 0.1
ALONE_SECONDS: Final = 1.0  # after Redis has failed us
LEASE_SECONDS: Final = 1.0
_LEASE_SHARE: Final = 100  # a lease is so small a part of the quota
_LAST_CHANCE_SECONDS: Final = 0.02
_QUESTIONS_LIMIT: Final = 3  # that one request waits for


class _Lease:
    """What a worker may give out of a key without asking, or until when it has to say no."""

    __slots__ = ("ends_at_seconds", "left_in_redis", "refused_until_seconds", "units", "waiting")

    def __init__(self) -> None:
        self.units = 0
        self.left_in_redis = 0
        self.ends_at_seconds = 0.0
        self.refused_until_seconds = 0.0
        self.waiting = 0  # requests for which there was no unit

    def rest_seconds(self, now_seconds: float) -> float:
        """How long it has to be remembered."""
        if self.waiting:
            return LEASE_SECONDS
        return max(self.ends_at_seconds, self.refused_until_seconds) - now_seconds


class SharedLimiter:
    """One worker's part in counting through Redis. Fulfils `Limiter`."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts that meet here, and what tests set
        self,
        redis: Redis,
        prefix: str,
        policies: Iterable[Policy],
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        policies = tuple(policies)
        self._redis = redis
        self._prefix = prefix
        self._metrics = metrics
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._alone = MemoryLimiter(policies, clock)
        self._alone_until_seconds = 0.0
        self._is_alone = False
        self._leases: dict[str, Ledger[_Lease]] = {
            policy.name: Ledger(KEYS_LIMIT) for policy in policies
        }
        # At most one question is under way for a key; it is answered in time, or failed.
        self._questions: dict[tuple[str, str], asyncio.Future[None]] = {}

    def take_now(self, policy: Policy, key: str) -> Verdict | None:
        """Count a request; None when Redis has to be asked."""
        now_seconds = self._clock()
        if now_seconds < self._alone_until_seconds:
            return self._alone.take_now(policy, key)
        lease = self._leases[policy.name].find(key)
        if lease is None:
            return None
        if lease.units and now_seconds < lease.ends_at_seconds:
            lease.units -= 1
            return Verdict(lease.left_in_redis + lease.units)
        if now_seconds < lease.refused_until_seconds:
            return Verdict(0, lease.refused_until_seconds - now_seconds)
        return None

    async def take(self, policy: Policy, key: str) -> Verdict:
        """Count a request."""
        verdict = self.take_now(policy, key)
        if verdict is not None:
            return verdict
        lease = self._lease_of(policy, key)
        lease.waiting += 1
        try:
            for _ in range(_QUESTIONS_LIMIT):
                await asyncio.wait((self._question(policy, key, lease),))
                verdict = self.take_now(policy, key)
                if verdict is not None:
                    return verdict
        finally:
            lease.waiting -= 1
        return self._alone.take_now(policy, key)

    def _lease_of(self, policy: Policy, key: str) -> _Lease:
        ledger = self._leases[policy.name]
        lease = ledger.find(key)
        if lease is None:
            lease = _Lease()
            ledger.put(key, lease, self._clock())
        return lease

    def _question(self, policy: Policy, key: str, lease: _Lease) -> asyncio.Future[None]:
        """The question that is under way for a key; who comes meanwhile shares its answer."""
        known = self._questions.get((policy.name, key))
        if known is not None:
            return known
        loop = asyncio.get_running_loop()
        question: asyncio.Future[None] = loop.create_future()
        self._questions[policy.name, key] = question

        def settle(reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
            if question.done():
                return  # too late; what was given is lost
            timer.cancel()
            del self._questions[policy.name, key]
            self._take_reply(lease, reply)
            question.set_result(None)

        def give_up() -> None:
            # It may be this process that was held up: then the reply is here and was not read.
            loop.call_later(_LAST_CHANCE_SECONDS, settle, TimeoutError("it does not answer"))

        timer = loop.call_later(self._timeout_seconds, give_up)
        wanted = min(policy.quota, max(policy.quota // _LEASE_SHARE, lease.waiting))
        name = f"{self._prefix}:quota:{policy.name}:{key}".encode()
        interval_us = policy.interval_seconds * 1_000_000
        words = ("EVALSHA", TAKE.digest, 1, name, interval_us, policy.quota, wanted)
        if not send_at(self._redis, slot_of(name), pack(words), settle):
            settle(ConnectionError("it is not connected"))
        return question

    def _take_reply(self, lease: _Lease, reply: Any) -> None:  # noqa: ANN401
        now_seconds = self._clock()
        if type(reply) is not list:
            self._metrics.quota_questions.add("failed")
            self._go_alone(now_seconds, str(reply))
            return
        taken, lease.left_in_redis, wait_us = reply
        lease.units = taken
        lease.ends_at_seconds = now_seconds + LEASE_SECONDS
        lease.refused_until_seconds = 0.0 if taken else now_seconds + wait_us / 1_000_000
        self._metrics.quota_questions.add("answered")
        if self._is_alone:
            self._is_alone = False
            logger.warning("= rate limits are shared again")

    def _go_alone(self, now_seconds: float, reason: str) -> None:
        self._alone_until_seconds = now_seconds + ALONE_SECONDS
        if not self._is_alone:
            self._is_alone = True
            logger.warning("! rate limits are this worker's own, Redis is away", why=reason)
