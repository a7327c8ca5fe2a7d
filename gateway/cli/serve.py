"""This module owns `paceline serve`: the gateway runs, and says how to go on from there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from yarl import URL

from gateway import app, logs
from gateway.cli.running import DEFAULT_URL, OK, Commands, not_yet, run_to_end, settings_of
from gateway.metrics import Metrics
from gateway.settings import Settings, SettingsInvalid, warnings_of

logger = structlog.get_logger(__name__)


def add_to(commands: Commands) -> None:
    """What the command understands."""
    serve = commands.add_parser("serve", help="run the gateway")
    serve.add_argument("--host", help="address to listen on (HOST)")
    serve.add_argument("--port", help="port to listen on (PORT); 0 lets the system choose")
    serve.set_defaults(command=_serve)


def _serve(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    given = {"HOST": namespace.host, "PORT": namespace.port}
    settings = settings_of(
        {**environ, **{name: value for name, value in given.items() if value is not None}}
    )
    if problems := not_yet(settings):
        raise SettingsInvalid(problems)
    metrics = Metrics()
    logs.configure(
        settings.log_format, settings.log_level, sys.stdout, metrics.note_dropped_log_line
    )
    for warning in warnings_of(settings):
        logger.warning("! %s", warning)
    run_to_end(app.serve(settings, announce=_announcement(settings), metrics=metrics))
    return OK


def _announcement(settings: Settings) -> Callable[[int], None]:
    def announce(port: int) -> None:
        url = str(URL.build(scheme="http", host=settings.host, port=port))
        logger.info("= listening", url=url, environment=settings.environment)
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

  Watch a room, with any Socket.IO client:
    socket.emit('join-room', 'city:demo')
    socket.on('bike-updated', (bike) => console.log(bike))

  Move a bike in it, from another terminal:
    {command} publish --room city:demo '{{"bike_id": "1", "lat": 48.86, "lon": 2.35}}'{elsewhere}

  Or a whole fleet, from a GBFS feed:
    {command} bridge gbfs URL-OR-FOLDER --room city:demo{elsewhere}

"""
