"""This module owns how one worker listens: where, for whom, and what it says when it may not."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.logs import Offences
from gateway.rest import admission
from gateway.rest.admission import Admission
from gateway.rest.health import Numbers
from gateway.settings import Settings
from gateway.workers.berth import Berth
from gateway.workers.leaving import REQUESTS_SHARE
from gateway.workers.listening import BACKLOG

_REASONS_NOT_TO_LISTEN: Final = {
    errno.EADDRINUSE: "another program listens there already. Choose a port with --port or PORT.",
    errno.EADDRNOTAVAIL: "that is no address of this machine. Choose one with --host or HOST.",
    errno.EACCES: "this user may not listen there. Choose a port above 1023 with --port or PORT.",
}


class CannotListen(Exception):
    """The address or port is not to be had; the message says why, and what to do."""


def cannot_listen(host: str, port: int, error: OSError) -> CannotListen:
    """What to raise when the system says no."""
    reason = _REASONS_NOT_TO_LISTEN.get(error.errno or 0, f"{error.strerror or error}.")
    return CannotListen(f"Cannot listen on {host}, port {port}: {reason}")


def runner_of(app: web.Application, settings: Settings) -> web.AppRunner:
    """Who serves an application's requests."""
    return web.AppRunner(
        app,
        handler_cancellation=True,  # a poll that was given up must be noticed
        access_log=None,
        keepalive_timeout=admission.KEEPALIVE_SECONDS,
        lingering_time=admission.LINGERING_SECONDS,
        shutdown_timeout=settings.drain_seconds * REQUESTS_SHARE,
    )


@contextlib.asynccontextmanager
async def numbers_shown(settings: Settings, numbers: Numbers, port: int) -> AsyncIterator[None]:
    """A port for a process's metrics and health, unless it is 0."""
    if not port:
        yield
        return
    app = web.Application()
    app.add_routes(numbers.routes())
    runner = runner_of(app, settings)
    await runner.setup()
    # Shared for as long as a worker that is being replaced goes on beside its successor.
    site = web.TCPSite(runner, settings.host, port, reuse_port=True)
    try:
        try:
            await site.start()
        except OSError as error:
            raise cannot_listen(settings.host, port, error) from error
        yield
    finally:
        await runner.cleanup()


async def listen(settings: Settings, berth: Berth | None, door: Admission) -> list[asyncio.Server]:
    """Listeners that take nobody yet. Raises `CannotListen`."""
    loop = asyncio.get_running_loop()
    if berth is not None:
        return [
            await loop.create_server(door, sock=listener, backlog=BACKLOG, start_serving=False)
            for listener in berth.listeners
        ]
    host, port = settings.host, settings.port
    try:
        return [await loop.create_server(door, host, port, backlog=BACKLOG, start_serving=False)]
    except OSError as error:
        raise cannot_listen(host, port, error) from error


@contextlib.contextmanager
def malformed_requests_noted(offences: Offences) -> Iterator[None]:
    """What is not HTTP costs one sampled line; aiohttp would write a traceback for each."""

    def is_for_the_log(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, (HttpProcessingError, web.RequestPayloadError)):
            return True
        address = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
        offences.note("not HTTP", address, why=type(error).__name__)
        return False

    server_logger = logging.getLogger("aiohttp.server")
    server_logger.addFilter(is_for_the_log)
    try:
        yield
    finally:
        server_logger.removeFilter(is_for_the_log)
