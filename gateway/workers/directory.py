"""This module owns what one worker knows of all others, from a registry that it seldom asks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

import structlog

from gateway.workers.place import WorkerPlace, is_worker_id
from gateway.workers.registry import Registry, RegistryUnavailable

logger = structlog.get_logger(__name__)

# Ids that nobody has come from strangers too; they are not to be what keeps the registry busy.
LOOKS_APART_SECONDS: Final = 0.1
# How long a worker that could not be reached is not tried again.
DOUBT_SECONDS: Final = 3.0


class Directory:
    """The last answer of a registry; a worker that is not in it is looked for at once.

    While the registry does not answer, what was known before is still given.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._places: dict[str, WorkerPlace] = {}
        self._doubted_until: dict[str, float] = {}
        self._next_look: asyncio.Task[None] | None = None
        self._looks: set[asyncio.Task[None]] = set()
        self._looked_seconds = 0.0
        self._is_answered = True

    async def find(self, worker_id: str) -> WorkerPlace | None:
        """The place of a worker; None when there is none, or it was not to be reached just now."""
        if not is_worker_id(worker_id):
            return None
        if worker_id not in self._places:
            await self._look_soon()
        if self._doubted_until.get(worker_id, 0.0) > asyncio.get_running_loop().time():
            return None
        return self._places.get(worker_id)

    @property
    def places(self) -> Collection[WorkerPlace]:
        """Everybody whom the registry knew when it was asked last."""
        return self._places.values()

    def doubt(self, worker_id: str) -> None:
        """A worker was not to be reached: others need not wait for it either, for a moment."""
        now_seconds = asyncio.get_running_loop().time()
        self._doubted_until = {
            other: until for other, until in self._doubted_until.items() if until > now_seconds
        }
        self._doubted_until[worker_id] = now_seconds + DOUBT_SECONDS

    async def look(self) -> None:
        """Ask the registry."""
        self._looked_seconds = asyncio.get_running_loop().time()
        try:
            places = await self._registry.all()
        except RegistryUnavailable as unavailable:
            self._note(is_answered=False, why=str(unavailable))
        else:
            self._places = {place.worker_id: place for place in places}
            self._note(is_answered=True)

    async def stop(self) -> None:
        """Wait for the questions that are under way."""
        if self._looks:
            await asyncio.wait(self._looks)

    async def _look_soon(self) -> None:
        """Everybody who misses somebody in the same moment shares one question, asked after."""
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look_when_due())
            self._looks.add(self._next_look)
            self._next_look.add_done_callback(self._looks.discard)
        await asyncio.shield(self._next_look)

    async def _look_when_due(self) -> None:
        due_seconds = self._looked_seconds + LOOKS_APART_SECONDS
        await asyncio.sleep(max(0.0, due_seconds - asyncio.get_running_loop().time()))
        self._next_look = None  # who comes from now on may miss somebody who came after
        await self.look()

    def _note(self, *, is_answered: bool, why: str = "") -> None:
        if is_answered != self._is_answered:
            self._is_answered = is_answered
            if is_answered:
                logger.info("= the registry of workers answers again")
            else:
                logger.warning("! the registry of workers does not answer", why=why)
