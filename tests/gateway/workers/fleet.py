"""This module owns a few gateways of one process that are each other's workers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from gateway.app import Gateway
from gateway.settings import Settings

ENVIRON = {"PACELINE_ENV": "development", "PORT": "0"}


class Worker:
    """One of them, and the port that is its alone."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.port = 0
        self._running = contextlib.AsyncExitStack()

    async def start(self) -> None:
        self.port = await self._running.enter_async_context(self.gateway.running())

    async def stop(self) -> None:
        """Take it down; a second call does nothing."""
        await self._running.aclose()

    @property
    def handovers(self) -> dict[str, int]:
        """How many requests went each way."""
        return {way: count for way, count in self.gateway.metrics.handovers.items() if count}


def settings_of(folder: Path, **environ: str) -> Settings:
    """Rooms are not shared: what is tested is which worker a request gets to."""
    settings = Settings.from_env(ENVIRON | {"PACELINE_RUN_DIRECTORY": str(folder)} | environ)
    return msgspec.structs.replace(settings, workers=2)


async def until(is_so: Callable[[], bool], limit_seconds: float = 10.0) -> None:
    """Return as soon as it is so; raises `TimeoutError`."""
    async with asyncio.timeout(limit_seconds):
        while not is_so():  # noqa: ASYNC110 - what is looked at has no event to wait for
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def fleet(folder: Path, count: int, **environ: str) -> AsyncIterator[list[Worker]]:
    """So many workers of one host."""
    workers = [Worker(Gateway(settings_of(folder, **environ))) for _ in range(count)]
    try:
        for worker in workers:
            await worker.start()
        yield workers
    finally:
        for worker in workers:
            await worker.stop()
