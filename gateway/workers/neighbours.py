"""This module owns the neighbourhood of a worker: it makes itself known, and finds the others.

Workers of the same host are found in a directory that they share, which asks no server and is
always right. Workers of other hosts are found in a registry that all of them can reach.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec
import structlog

from gateway.workers import passing
from gateway.workers.directory import Directory
from gateway.workers.place import WorkerPlace
from gateway.workers.registry import ANNOUNCE_SECONDS, Registry, RegistryUnavailable
from gateway.workers.relay import Answer, Line, Relay

logger = structlog.get_logger(__name__)


class Near:
    """A worker of this host."""

    is_near: Literal[True] = True

    def __init__(self, place: WorkerPlace, note: Callable[[str], None]) -> None:
        self._place = place
        self._note = note

    def give(self, connection: socket.socket, request: bytes) -> None:
        """Give it the connection. Raises `OSError`; `BlockingIOError` when it has no time now."""
        passing.give(self._place.socket_path, connection, request)
        self._note("given")


class Far:
    """A worker of another host."""

    is_near: Literal[False] = False

    def __init__(
        self,
        place: WorkerPlace,
        relay: Relay,
        doubt: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self._place = place
        self._relay = relay
        self._doubt = doubt
        self._note = note

    async def ask(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> Answer:
        """Send it a request, wait for the answer. Raises `OSError`."""
        with self._doubting():
            answer = await self._relay.ask(self._place.url, method, target, headers, body)
        self._note("asked")
        return answer

    async def dial(self) -> Line:
        """Open a connection to it. Raises `OSError`."""
        with self._doubting():
            line = await self._relay.dial(self._place.url)
        self._note("carried")
        return line

    @contextlib.contextmanager
    def _doubting(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._doubt(self._place.worker_id)
            raise


class Neighbourhood:
    """Fulfils what the sockets need of other workers."""

    def __init__(
        self,
        place: WorkerPlace,
        near: Registry,
        far: Registry | None,
        relay: Relay,
        note: Callable[[str], None],
    ) -> None:
        self._place = place
        self._near = near
        self._far = far
        self._directory = None if far is None else Directory(far)
        self._relay = relay
        self._note = note
        self._announcing: asyncio.Task[None] | None = None
        self._is_announced = True  # until that fails: each outage is one line of the log

    async def start(self) -> None:
        """Be known from now on."""
        await self._near.all()  # to look is to clear away what the dead have left
        await self._near.announce(self._place)
        if self._far is not None:
            await self._announce_afar(self._far)
            self._announcing = asyncio.create_task(self._announce_forever(self._far))

    async def leave(self) -> None:
        """Be known as one that takes nobody in any more."""
        self._place = msgspec.structs.replace(self._place, is_leaving=True)
        await self._near.announce(self._place)
        if self._far is not None:
            await self._announce_afar(self._far)

    async def stop(self) -> None:
        """Be known no more."""
        if self._announcing is not None:
            self._announcing.cancel()
            await asyncio.wait([self._announcing])
        await self._near.withdraw(self._place.worker_id)
        if self._far is not None:
            with contextlib.suppress(RegistryUnavailable):  # it forgets us by itself
                await self._far.withdraw(self._place.worker_id)
        if self._directory is not None:
            await self._directory.stop()
        await self._relay.stop()

    async def find(self, worker_id: str) -> Near | Far | None:
        """The worker of that id."""
        place = await self._near.find(worker_id)
        if place is not None:
            return Near(place, self._note)
        if self._directory is not None:
            place = await self._directory.find(worker_id)
            if place is not None and place.host_id != self._place.host_id:
                return Far(place, self._relay, self._directory.doubt, self._note)
        return None

    async def find_successor(self) -> Near | None:
        """Somebody of this host who takes in new sessions; not always the same one."""
        places = [
            place
            for place in await self._near.all()
            if not place.is_leaving and place.worker_id != self._place.worker_id
        ]
        return Near(random.choice(places), self._note) if places else None  # noqa: S311 - no secret

    async def everyone(self) -> list[WorkerPlace]:
        """Every live worker that is known, this one among them."""
        known: dict[str, WorkerPlace] = {}
        if self._directory is not None:
            await self._directory.look()
            known.update((place.worker_id, place) for place in self._directory.places)
        known.update((place.worker_id, place) for place in await self._near.all())
        return list(known.values())

    @property
    def lines(self) -> list[Line]:
        """WebSockets of sessions of other hosts that are carried through this worker."""
        return self._relay.lines

    async def _announce_forever(self, far: Registry) -> None:
        while True:
            await asyncio.sleep(ANNOUNCE_SECONDS)
            await self._announce_afar(far)
            assert self._directory is not None
            await self._directory.look()

    async def _announce_afar(self, far: Registry) -> None:
        try:
            await far.announce(self._place)
        except RegistryUnavailable as unavailable:
            if self._is_announced:
                logger.warning("! this worker could not be announced", why=str(unavailable))
            self._is_announced = False
        else:
            self._is_announced = True
