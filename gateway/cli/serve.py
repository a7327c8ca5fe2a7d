"""This module owns `paceline serve`: the gateway runs, and says how to go on from there."""

from __future__ import annotations

import argparse
import atexit
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from yarl import URL

from gateway import logs, process
from gateway.cli.running import (
    DEFAULT_URL,
    OK,
    ArgumentsInvalid,
    Commands,
    run_to_end,
    settings_of,
)
from gateway.feeds.demo.child import DemoChild, demo_child
from gateway.metrics import Metrics
from gateway.settings import Settings, warnings_of
from gateway.workers.berth import Berth
from gateway.workers.child import Program

logger = structlog.get_logger(__name__)


def add_to(commands: Commands) -> None:
    """What the command understands."""
    serve = commands.add_parser("serve", help="run the gateway")
    serve.add_argument("--host", help="address to listen on (HOST)")
    serve.add_argument("--port", help="port to listen on (PORT); 0 lets the system choose")
    serve.add_argument("--demo", action="store_true", help="with a fleet that rides in city:demo")
    serve.add_argument("--workers", metavar="N", help="processes to run (PACELINE_WORKERS)")
    serve.set_defaults(command=_serve)

    # What the supervisor of `serve --workers` runs; without a help text it is not on the list.
    worker = commands.add_parser("worker")
    worker.add_argument("--slot", type=int, required=True)
    worker.add_argument("--listeners", type=_descriptors, required=True, metavar="FD,FD")
    worker.add_argument("--line", type=int, required=True, metavar="FD")
    worker.set_defaults(command=_worker)


def _serve(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    given = {
        "HOST": namespace.host,
        "PORT": namespace.port,
        "PACELINE_WORKERS": namespace.workers,
    }
    environ = {**environ, **{name: value for name, value in given.items() if value is not None}}
    settings = settings_of(environ)
    metrics = _log_to_standard_output(settings)
    for warning in warnings_of(settings):
        logger.warning("! %s", warning)
    with demo_child() as demo:
        announce = _announcement(settings, demo if namespace.demo else None)
        if settings.workers == 1:
            run_to_end(process.serve(settings, announce, metrics))
            return OK
        program = Program([*_own_command(), "worker"], environ)
        status: int = run_to_end(process.supervise(settings, program, announce))
        return status


def _worker(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = settings_of(environ)
    metrics = _log_to_standard_output(settings)
    try:
        berth = Berth.of_descriptors(namespace.slot, namespace.listeners, namespace.line)
    except OSError as error:
        raise ArgumentsInvalid(
            "A worker is started by `paceline serve --workers N`, which gives it its sockets."
        ) from error
    run_to_end(process.serve(settings, lambda _: logger.info("= serving"), metrics, berth))
    return OK


def _log_to_standard_output(settings: Settings) -> Metrics:
    metrics = Metrics()
    atexit.register(logs.let_go, sys.stdout)
    logs.configure(
        settings.log_format, settings.log_level, sys.stdout, metrics.note_dropped_log_line
    )
    return metrics


def _own_command() -> list[str]:
    """How this program was started, up to what it was asked for."""
    return sys.orig_argv[: len(sys.orig_argv) - len(sys.argv[1:])]


def _descriptors(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _announcement(settings: Settings, demo: DemoChild | None) -> Callable[[int], None]:
    def announce(port: int) -> None:
        url = str(URL.build(scheme="http", host=settings.host, port=port))
        logger.info("= listening", url=url, environment=settings.environment)
        if demo is not None:
            demo.start(url)
        if settings.is_development and _is_read_by_people(settings):
            sys.stdout.write(_next_steps(url))
            sys.stdout.flush()

    return announce


def _is_read_by_people(settings: Settings) -> bool:
    """Among lines of JSON, plain text would be one that nobody can parse."""
    is_console = settings.log_format == "console"
    return is_console or (settings.log_format == "auto" and sys.stdout.isatty())


def _next_steps(url: str) -> str:
    program = Path(sys.executable).with_name("paceline")
    here = Path.cwd()
    command = str(program.relative_to(here) if program.is_relative_to(here) else program)
    elsewhere = "" if url == DEFAULT_URL else f" --url {url}"
    return _NEXT_STEPS.format(url=url, command=command, elsewhere=elsewhere)


_NEXT_STEPS = """
  Paceline is running at {url}        (Ctrl-C stops it)

  Open that address and see the map of a room, or {url}/ops to see how the gateway is.

  Move a bike of your own, from another terminal:
    {command} publish --room city:demo '{{"bike_id": "1", "lat": 48.86, "lon": 2.34}}'{elsewhere}

  Or a whole fleet, from a GBFS feed, which you then find at {url}/#city:mine
    {command} bridge gbfs URL-OR-FOLDER --room city:mine{elsewhere}

  Watch a room with any Socket.IO client:
    socket.emit('join-room', 'city:demo')
    socket.on('bike-updated', (bike) => console.log(bike))

"""
