"""This module owns a fleet for tests: workers on one Redis behind a balancer, as in production."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from gateway.identity import KeySet, Role, sign_token
from tests.toolbox.balancer import Balancer
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_client import Answer, request
from tests.toolbox.strict_gateway import SECRET

READY_SECONDS: Final = 20.0
# Good for longer, before now and after it, than any clock of a test is wrong.
_TOLERANCE_SECONDS: Final = 7200.0


def _token_of(subject: str, role: Role) -> str:
    return sign_token(
        KeySet.of((SECRET,)),
        subject=subject,
        role=role,
        now_seconds=time.time() - _TOLERANCE_SECONDS,
        lifetime_seconds=_TOLERANCE_SECONDS + 86_400,
    )


MEMBER: Final = _token_of("member", Role.RIDER)
BACKEND: Final = _token_of("backend", Role.SERVICE)
SETTINGS: Final = {
    "PACELINE_ENV": "production",
    "PACELINE_JWT_SECRET": SECRET,
    "PACELINE_PING_INTERVAL_SECONDS": "2",
    "PACELINE_PING_TIMEOUT_SECONDS": "3",
    "PACELINE_DRAIN_SECONDS": "5",
    # every client of a test comes from one address, and as fast as it can
    "PACELINE_HANDSHAKES_PER_SECOND_PER_ADDRESS": "0",
    "PACELINE_MESSAGES_PER_SECOND_PER_PEER": "0",
    "PACELINE_JOINS_PER_SECOND_PER_PEER": "0",
    "PACELINE_RATE_LIMITS": "all=off",
    "LOG_LEVEL": "INFO",
}


class Fleet:
    """Workers and their balancer; tokens are required, as in production."""

    def __init__(
        self, folder: Path, workers: Sequence[GatewayProcess], balancer: str = "haproxy"
    ) -> None:
        self._kind = balancer
        self.workers = list(workers)
        self._folder = folder
        self._balancer: Balancer | None = None  # it has to know where the workers have started

    @property
    def balancer(self) -> Balancer:
        """There once all have started."""
        assert self._balancer is not None, "the fleet has not started"
        return self._balancer

    @property
    def url(self) -> str:
        """Where clients come."""
        return self.balancer.url

    async def start(self) -> None:
        """Return when every worker is ready, and the balancer knows."""
        await asyncio.gather(*(asyncio.to_thread(worker.start) for worker in self.workers))
        for worker in self.workers:
            await until_ready(worker)
        places = [(worker.host, worker.port) for worker in self.workers]
        self._balancer = Balancer(self._folder, places, self._kind)
        await asyncio.to_thread(self._balancer.start)

    def kill(self) -> None:
        """End everything, politely to nobody."""
        if self._balancer is not None:
            self._balancer.kill()
        for worker in self.workers:
            worker.kill()


def workers_of(folder: Path, size: int, **settings: str) -> list[GatewayProcess]:
    """Workers that have not started; `REDIS_URL` is one of the settings."""
    return [GatewayProcess(folder, **SETTINGS | settings) for _ in range(size)]


async def ask(worker: GatewayProcess, path: str, timeout_seconds: float = 2.0) -> Answer | None:
    """One GET; None when nobody answers in time."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await request(worker.port, "GET", path, host=worker.host)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None


async def is_ready(worker: GatewayProcess) -> bool:
    answer = await ask(worker, "/readyz")
    return answer is not None and answer.status == 200


async def until_ready(worker: GatewayProcess, timeout_seconds: float = READY_SECONDS) -> float:
    """Wait for a green readiness; return the seconds it took. Raises `TimeoutError`."""
    return await _until(worker, timeout_seconds, wanted=True)


async def until_unready(worker: GatewayProcess, timeout_seconds: float = READY_SECONDS) -> float:
    """Wait for a red readiness; return the seconds it took. Raises `TimeoutError`."""
    return await _until(worker, timeout_seconds, wanted=False)


async def _until(worker: GatewayProcess, timeout_seconds: float, *, wanted: bool) -> float:
    began_at = time.monotonic()
    async with asyncio.timeout(timeout_seconds):
        while await is_ready(worker) is not wanted:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.05)
    return time.monotonic() - began_at


class Lag(NamedTuple):
    """How late a worker's loop was at most, and how much of a delay was its own work."""

    late_seconds: float
    busy_seconds: float


async def lag_of(worker: GatewayProcess) -> Lag | None:
    """Since this was asked before; None when nobody answers."""
    answer = await ask(worker, "/metrics")
    if answer is None:
        return None
    found = re.findall(rb"^paceline_loop_(?:lag|busy)_seconds (\S+)$", answer.body, re.MULTILINE)
    return Lag(*map(float, found))
