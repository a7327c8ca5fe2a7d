"""This module owns how a worker settles among the others: reachable, known, knowing them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from typing import Final

from gateway.settings import Settings
from gateway.workers.folder import FolderRegistry
from gateway.workers.neighbours import Neighbourhood
from gateway.workers.passing import Receiver
from gateway.workers.place import WorkerPlace, host_id_of
from gateway.workers.registry import Registry
from gateway.workers.relay import Relay
from gateway.workers.whereabouts import advertised_url, run_directory_of

_ANSWER_SPARE_SECONDS: Final = 10.0


@contextlib.asynccontextmanager
async def settled_among(  # noqa: PLR0913, PLR0917 - what a worker says of itself, and what it is told
    settings: Settings,
    worker_id: str,
    port: int,
    far: Registry | None,
    protocol_of: Callable[[bytes], asyncio.Protocol],
    note: Callable[[str], None],
) -> AsyncIterator[Neighbourhood]:
    """Be one of the workers for as long as the context is open.

    `far` is where those of other hosts are found, if there can be any. `protocol_of(request)` is
    asked for each connection that another worker gives to this one.
    Raises `RunDirectoryUnusable`.
    """
    gateway = f"{settings.redis_url} {settings.redis_prefix}"
    directory = run_directory_of(settings.run_directory, os.environ, gateway)
    receiver = Receiver(directory / f"{worker_id}.sock", protocol_of, note)
    place = WorkerPlace(
        worker_id=worker_id,
        host_id=host_id_of(directory),
        process_id=os.getpid(),
        socket_path=str(receiver.path),
        url=advertised_url(settings.advertise_url, settings.host, port, settings.redis_url),
        started_at_ms=time.time_ns() // 1_000_000,
        version=version("paceline"),
    )
    # A poll is answered when there is something to say, or with the next heartbeat.
    heartbeat_seconds = settings.ping_interval_seconds + settings.ping_timeout_seconds
    relay = Relay(heartbeat_seconds + _ANSWER_SPARE_SECONDS)
    neighbourhood = Neighbourhood(place, FolderRegistry(directory), far, relay, note)
    receiver.start()
    try:
        await neighbourhood.start()
        yield neighbourhood
    finally:
        await neighbourhood.stop()
        await receiver.stop()
