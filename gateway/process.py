"""This module owns a process: one gateway, or the supervisor of several; signals; and its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from gateway.app import Gateway
from gateway.backends import database_of, stores_of
from gateway.duties import runner_of
from gateway.listening import cannot_listen, numbers_shown
from gateway.metrics import Metrics
from gateway.rest import admission
from gateway.rest.health import Numbers
from gateway.settings import Settings
from gateway.workers.berth import Berth
from gateway.workers.child import Program
from gateway.workers.listening import SharedPort
from gateway.workers.supervisor import Supervisor, Times

logger = structlog.get_logger(__name__)

_COLLECT_AFTER_ALLOCATIONS: Final = 20_000
# What a worker may need on top of the time that it is given to leave, before it is killed.
_LEAVE_SPARE_SECONDS: Final = 10.0


async def serve(
    settings: Settings,
    announce: Callable[[int], None],
    metrics: Metrics | None = None,
    berth: Berth | None = None,
) -> None:
    """Run a gateway until SIGINT or SIGTERM; `announce` is told the port once it listens.

    A second signal hurries it. With a `berth` it is one of several, and goes when its supervisor
    says so or is gone. Raises `CannotListen`.
    """
    admission.raise_descriptor_limit()
    gateway = Gateway(settings, metrics, berth)
    leaving = gateway.leaving
    loop = asyncio.get_running_loop()
    # Who presses Ctrl-C wants it to end; who sends SIGTERM may have a balancer in front of it.
    loop.add_signal_handler(signal.SIGINT, leaving.signal)
    loop.add_signal_handler(signal.SIGTERM, lambda: leaving.signal(gives_notice=True))
    with _worker_named(gateway):
        async with gateway.running() as port:
            # What is there now stays; short-lived objects should not have it looked through.
            gc.freeze()
            gc.set_threshold(_COLLECT_AFTER_ALLOCATIONS, 20, 50)
            announce(port)
            if berth is not None:
                await berth.start(leaving)
            await leaving.wait()
            logger.info("= stopping")
            await gateway.give_notice()
        if berth is not None:
            await berth.stop()


async def run_jobs(settings: Settings, metrics: Metrics) -> None:
    """Run jobs until SIGINT or SIGTERM. Raises `CannotListen`."""
    database = database_of(settings)
    runner = runner_of(settings, stores_of(database), metrics)
    is_over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, is_over.set)
    async with numbers_shown(settings, Numbers(metrics), settings.jobs_metrics_port):
        await database.start()
        running = asyncio.create_task(runner.run_forever())
        try:
            logger.info("= running jobs", runner=runner.holder)
            await is_over.wait()
            logger.info("= stopping")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await database.stop()


async def supervise(settings: Settings, program: Program, announce: Callable[[int], None]) -> int:
    """Run `settings.workers` processes of `program` at one port; return the exit status.

    `announce` is told the port once all of them serve. Raises `CannotListen`.
    """
    try:
        port = SharedPort(settings.host, settings.port)
    except OSError as error:
        raise cannot_listen(settings.host, settings.port, error) from error
    leave_seconds = settings.drain_notice_seconds + settings.drain_seconds + _LEAVE_SPARE_SECONDS
    supervisor = Supervisor(program, port, settings.workers, Times(leave=leave_seconds))
    return await supervisor.run(lambda: announce(port.port))


@contextlib.contextmanager
def _worker_named(gateway: Gateway) -> Iterator[None]:
    """Every line of the log says which worker it is from, where there may be several."""
    if not gateway.may_have_neighbours:
        yield
        return
    with structlog.contextvars.bound_contextvars(worker=gateway.worker_id):
        yield
