"""This module owns whether a worker should get traffic: each check, its reason, and since when.

What is told here may be read by strangers, so no reason says where anything is; the log does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from gateway.broker.contract import Broker, BrokerUnavailable
from gateway.users.store import StoreUnavailable

OK: Final = "ok"
_PING_TIMEOUT_SECONDS: Final = 1.0
_STORE_AWAY: Final = "the database does not answer, or is not ready; the log says why"


class Store(Protocol):
    """What is asked of the user store here."""

    async def ping(self) -> None:
        """Return when it answers; raise `StoreUnavailable` when it does not."""


class Check(msgspec.Struct, frozen=True):
    """`state` is "ok" or a word that programs know; `reason` is for people."""

    state: str
    reason: str = ""


_PASSED: Final = Check(OK)


class Readiness:
    """Looks after the checks. `look` is safe to call at any time, and as often as one likes."""

    def __init__(
        self, broker: Broker, store: Store, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._broker = broker
        self._store = store
        self._now = now
        self._since: dict[str, float] = {}  # when a check that fails was first seen to
        self.checks: Mapping[str, Check] = {}

    async def look(self, *, is_draining: bool) -> None:
        """Ask everything that traffic depends on, all at once; returns within about a second."""
        broker, store = await asyncio.gather(
            _state_of(self._broker.ping), _state_of(self._store.ping)
        )
        leaving = Check("draining", "the worker was told to stop, or to make place for another one")
        self.checks = {
            "accepting": leaving if is_draining else _PASSED,
            "broker": broker,
            "store": store,
        }
        now = self._now()
        self._since = {
            name: self._since.get(name, now)
            for name, check in self.checks.items()
            if check.state != OK
        }

    @property
    def is_ready(self) -> bool:
        """Whether traffic should come. Sockets do without the store."""
        return all(check.state == OK for name, check in self.checks.items() if name != "store")

    def told(self) -> dict[str, Any]:
        """What was seen, for the answer; `reasons` only where there are any."""
        now = self._now()
        data: dict[str, Any] = {
            "status": "ready" if self.is_ready else "not ready",
            "checks": {name: check.state for name, check in self.checks.items()},
        }
        reasons = {
            name: {"reason": self.checks[name].reason, "seconds": round(now - since, 1)}
            for name, since in self._since.items()
        }
        return {**data, "reasons": reasons} if reasons else data

    def passed(self) -> Mapping[str, float]:
        """For Prometheus: 1 for each check that has passed when it was last looked at, else 0."""
        return {name: float(check.state == OK) for name, check in self.checks.items()}


async def _state_of(ping: Callable[[], Awaitable[None]]) -> Check:
    try:
        async with asyncio.timeout(_PING_TIMEOUT_SECONDS):
            await ping()
    except TimeoutError:
        return Check("unavailable", f"no answer within {_PING_TIMEOUT_SECONDS:g} s")
    except BrokerUnavailable as away:
        return Check("unavailable", away.reason)
    except StoreUnavailable:
        return Check("unavailable", _STORE_AWAY)
    return _PASSED
