"""This module owns `paceline jobs`: they are run, and those that were given up are looked after."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import structlog

from gateway import backends, logs, process
from gateway.cli.running import OK, CommandFailed, Commands, run_to_end, settings_of
from gateway.jobs.runner import now_ms
from gateway.metrics import Metrics
from gateway.settings import warnings_of
from gateway.users.job import Job, JobStore

logger = structlog.get_logger(__name__)

_SHOWN_LIMIT: Final = 1_000

Result = TypeVar("Result")


def add_to(commands: Commands) -> None:
    """What the command understands."""
    jobs = commands.add_parser("jobs", help="run background jobs; look after those given up")
    jobs.add_argument(
        "--metrics-port",
        metavar="PORT",
        help="where /metrics and /healthz are (PACELINE_JOBS_METRICS_PORT)",
    )
    jobs.set_defaults(command=_run)
    jobs_commands = jobs.add_subparsers(metavar="COMMAND")
    listing = jobs_commands.add_parser("list", help="the jobs that were given up, and why")
    listing.set_defaults(command=_list)
    for name, told, command in (
        ("retry", "try jobs again that were given up", _retry),
        ("discard", "forget jobs that were given up", _discard),
    ):
        change = jobs_commands.add_parser(name, help=told)
        which = change.add_mutually_exclusive_group(required=True)
        which.add_argument("ids", nargs="*", default=[], metavar="ID")
        which.add_argument("--all", action="store_true", help="all of them")
        change.set_defaults(command=command)


def _run(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    if namespace.metrics_port is not None:
        environ = {**environ, "PACELINE_JOBS_METRICS_PORT": namespace.metrics_port}
    settings = settings_of(environ)
    metrics = Metrics()
    logs.configure(
        settings.log_format, settings.log_level, sys.stdout, metrics.note_dropped_log_line
    )
    for warning in warnings_of(settings):
        logger.warning("! %s", warning)
    run_to_end(process.run_jobs(settings, metrics))
    return OK


def _list(_: argparse.Namespace, environ: Mapping[str, str]) -> int:
    dead = _of_store(lambda store: store.dead(_SHOWN_LIMIT), environ)
    for job in dead:
        # Mail servers have their say in it.
        sys.stdout.write(logs.escaped_lines(_line_of(job)) + "\n")
    return OK


def _retry(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    ids = None if namespace.all else namespace.ids
    return _counted(_of_store(lambda store: store.retry(ids, now_ms()), environ), ids)


def _discard(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    ids = None if namespace.all else namespace.ids
    return _counted(_of_store(lambda store: store.discard(ids), environ), ids)


def _counted(count: int, ids: list[str] | None) -> int:
    sys.stdout.write(f"{count}\n")
    if ids is not None and count < len(set(ids)):
        raise CommandFailed("Some of these are no jobs that were given up.")
    return OK


def _line_of(job: Job) -> str:
    ended = dt.datetime.fromtimestamp((job.ended_at_ms or 0) / 1000, dt.UTC)
    tried = f"{job.attempts} attempt{'s' if job.attempts != 1 else ''}"
    return "  ".join([job.id, job.lane, f"{ended:%Y-%m-%d %H:%M}", tried, job.error or ""])


def _of_store(ask: Callable[[JobStore], Awaitable[Result]], environ: Mapping[str, str]) -> Result:
    database = backends.database_of(settings_of(environ))

    async def whole() -> Result:
        await database.start()
        try:
            return await ask(backends.stores_of(database).jobs)
        finally:
            await database.stop()

    result: Result = run_to_end(whole())
    return result
