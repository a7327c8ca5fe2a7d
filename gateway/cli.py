"""This module owns the command: what `paceline` can be asked, and its exit codes."""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec
import structlog
from yarl import URL

from gateway import app, logs
from gateway.feeds import options as bridge_options
from gateway.feeds.bridge import BridgeResult, run_bridge
from gateway.feeds.demo import show
from gateway.feeds.demo.child import DemoChild, demo_child
from gateway.feeds.source import reason_of
from gateway.identity import Grants, KeySet, KeyUnusable, Role, TokenRules, sign_token
from gateway.metrics import Metrics
from gateway.settings import Settings, SettingsInvalid, describe, warnings_of
from protocol import codec
from protocol.refusals import Refused
from protocol.rooms import is_room_name

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2  # argparse's own: the arguments or the settings are wrong
_DEFAULT_URL: Final = "http://127.0.0.1:8080"
_PUBLISH_TIMEOUT_SECONDS: Final = 10.0
_OF_OTHER_COMMANDS: Final = frozenset({"PACELINE_URL", "PACELINE_TOKEN"})
_DAY_SECONDS: Final = 86_400.0

logger = structlog.get_logger(__name__)

Command = Callable[[argparse.Namespace, Mapping[str, str]], int]


class ArgumentsInvalid(Exception):
    """What was asked for makes no sense; the message lists every mistake, one a line."""


class CommandFailed(Exception):
    """What was asked for could not be done; the message is for whoever asked."""


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the arguments ask for; return the exit code: 0 done, 1 not done, 2 asked wrongly."""
    namespace = _parser().parse_args(arguments)
    command: Command = namespace.command
    try:
        return command(namespace, environ)
    except SettingsInvalid as invalid:
        _complain("The settings are not right:", *(f"  {problem}" for problem in invalid.problems))
        return USAGE
    except (
        ArgumentsInvalid,
        bridge_options.BridgeOptionsInvalid,
        show.DemoOptionsInvalid,
        KeyUnusable,
    ) as invalid:
        _complain(str(invalid))
        return USAGE
    except Refused as refused:
        _complain(refused.message)
        return USAGE
    except (CommandFailed, app.CannotListen) as failed:
        _complain(str(failed))
        return FAILED
    except KeyboardInterrupt:
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="paceline", description="A real-time pub/sub gateway over Socket.IO."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the gateway")
    serve.add_argument("--host", help="address to listen on (HOST)")
    serve.add_argument("--port", help="port to listen on (PORT); 0 lets the system choose")
    serve.add_argument("--demo", action="store_true", help="with a fleet that rides in city:demo")
    serve.set_defaults(command=_serve)

    token = commands.add_parser("token", help="sign a token and print it, alone")
    token.add_argument("--sub", required=True, metavar="ID", help="whom it stands for")
    token.add_argument("--role", default="rider", choices=[role.value for role in Role])
    token.add_argument("--join", action="append", metavar="PATTERN", help="rooms it may join")
    token.add_argument("--publish", action="append", metavar="PATTERN", help="and publish into")
    token.add_argument(
        "--ttl",
        type=float,
        default=_DAY_SECONDS,
        metavar="SECONDS",
        help="how long it is good for; a day unless told",
    )
    token.set_defaults(command=_token)

    publish = commands.add_parser("publish", help="publish one event into a room")
    publish.add_argument("--room", required=True)
    publish.add_argument(
        "--event", default="bike-update", metavar="NAME", help="bike-update unless told"
    )
    publish.add_argument(
        "--url",
        help=f"the gateway (PACELINE_URL; default {_DEFAULT_URL}). "
        "A token, when it wants one, comes from PACELINE_TOKEN",
    )
    publish.add_argument(
        "--idempotency-key", metavar="KEY", help="the same key again publishes nothing new"
    )
    publish.add_argument("data", metavar="DATA", help="JSON; - reads it from standard input")
    publish.set_defaults(command=_publish)

    config = commands.add_parser("config", help="look at the settings")
    config_commands = config.add_subparsers(required=True, metavar="COMMAND")
    check = config_commands.add_parser("check", help="print what is in force, secrets masked")
    check.set_defaults(command=_config_check)

    bridge = commands.add_parser("bridge", help="bring an outside feed into a room")
    bridge_commands = bridge.add_subparsers(required=True, metavar="SOURCE")
    gbfs = bridge_commands.add_parser("gbfs", help="vehicles and stations of a GBFS system")
    bridge_options.add_arguments(gbfs)
    gbfs.set_defaults(command=_bridge_gbfs)

    demo = commands.add_parser("demo", help="publish a fleet that does not exist")
    show.add_arguments(demo)
    demo.set_defaults(command=_demo)
    return parser


def _serve(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    given = {"HOST": namespace.host, "PORT": namespace.port}
    settings = _settings_of(
        {**environ, **{name: value for name, value in given.items() if value is not None}}
    )
    if problems := _not_yet(settings):
        raise SettingsInvalid(problems)
    metrics = Metrics()
    logs.configure(
        settings.log_format, settings.log_level, sys.stdout, metrics.note_dropped_log_line
    )
    for warning in warnings_of(settings):
        logger.warning("! %s", warning)
    with demo_child() as demo:
        announce = _announcement(settings, demo if namespace.demo else None)
        _run(app.serve(settings, announce=announce, metrics=metrics))
    return OK


def _settings_of(environ: Mapping[str, str]) -> Settings:
    """The gateway's settings; variables of the other commands are none of them, and no mistake."""
    return Settings.from_env(
        {name: value for name, value in environ.items() if name not in _OF_OTHER_COMMANDS}
    )


def _not_yet(settings: Settings) -> list[str]:
    """Settings that are right, and for which this version has nothing."""
    if settings.redis_url is None:
        return []
    return ["REDIS_URL is set, but this version has only the embedded broker, of one process."]


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
    elsewhere = "" if url == _DEFAULT_URL else f" --url {url}"
    return _NEXT_STEPS.format(url=url, command=command, elsewhere=elsewhere)


_NEXT_STEPS = """
  Paceline is running at {url}        (Ctrl-C stops it)

  Open that address and see the map of a room.

  Move a bike of your own, from another terminal:
    {command} publish --room city:demo '{{"bike_id": "1", "lat": 48.86, "lon": 2.34}}'{elsewhere}

  Or a whole fleet, from a GBFS feed, which you then find at {url}/#city:mine
    {command} bridge gbfs URL-OR-FOLDER --room city:mine{elsewhere}

  Watch a room with any Socket.IO client:
    socket.emit('join-room', 'city:demo')
    socket.on('bike-updated', (bike) => console.log(bike))

"""


def _token(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = _settings_of(environ)
    if not settings.jwt_secrets:
        raise ArgumentsInvalid("There is no secret to sign with: set PACELINE_JWT_SECRET.")
    if not 0 < namespace.ttl < math.inf:
        raise ArgumentsInvalid("--ttl must be a number of seconds above 0.")
    keys = KeySet.of(settings.jwt_secrets, short_secrets=settings.is_development)
    token = sign_token(
        keys,
        subject=namespace.sub,
        role=Role(namespace.role),
        now_seconds=time.time(),
        lifetime_seconds=namespace.ttl,
        grants=Grants(_patterns(namespace.join), _patterns(namespace.publish)),
        rules=TokenRules(settings.jwt_issuer, settings.jwt_audience, settings.jwt_leeway_seconds),
    )
    sys.stdout.write(f"{token}\n")
    return OK


def _patterns(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(given)


def _publish(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    address = namespace.url or environ.get("PACELINE_URL") or _DEFAULT_URL
    data = _data_of(namespace.data)
    token = environ.get("PACELINE_TOKEN", "").strip()
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if namespace.idempotency_key:
        headers["Idempotency-Key"] = namespace.idempotency_key
    mistakes = list(_mistakes_in(address, namespace.room, data, headers))
    if mistakes:
        raise ArgumentsInvalid("\n".join(mistakes))
    body = msgspec.json.encode({"event": namespace.event, "data": msgspec.Raw(data)})
    url = f"{address.rstrip('/')}/api/rooms/{quote(namespace.room, safe='')}/events"
    sys.stdout.write(f"{_run(_post(url, body, headers))}\n")
    return OK


def _data_of(argument: str) -> bytes:
    # What the shell passed need not be UTF-8; Python has kept the odd bytes.
    is_piped = argument == "-"
    return sys.stdin.buffer.read() if is_piped else argument.encode("utf-8", "surrogateescape")


def _mistakes_in(address: str, room: str, data: bytes, headers: Mapping[str, str]) -> Iterator[str]:
    if not _is_address(address):
        yield "--url (PACELINE_URL) must begin with http:// or https://, and have a host."
    if not is_room_name(room):
        yield "--room must be 1 to 200 printable characters."
    try:
        codec.plain_json(data)
    except Refused as refused:
        yield f"DATA: {refused.message}"
    if not _is_plain(headers.get("Idempotency-Key", "")):
        yield "--idempotency-key must be printable ASCII."
    if not _is_plain(headers.get("Authorization", "")):
        yield "PACELINE_TOKEN holds characters that no token has."


def _is_address(text: str) -> bool:
    try:
        url = URL(text)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.host)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> str:
    timeout = aiohttp.ClientTimeout(total=_PUBLISH_TIMEOUT_SECONDS)
    # The room's name is percent-encoded already; and a redirect would carry the token elsewhere.
    exact = URL(url, encoded=True)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(exact, data=body, headers=headers, allow_redirects=False) as response,
        ):
            answer = await response.text(errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CommandFailed(f"The gateway was not reached: {reason_of(error)}.") from error
    if response.status != HTTPStatus.OK:
        raise CommandFailed(f"The gateway answered {response.status}: {answer}")
    return answer


def _config_check(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:  # noqa: ARG001
    settings = _settings_of(environ)
    rows = describe(settings)
    width = max(len(name) for name, _, _ in rows)
    for name, value, source in rows:
        sys.stdout.write(f"{name:{width}}  {value}  ({source})\n")
    for warning in warnings_of(settings):
        sys.stdout.write(f"warning: {warning}\n")
    if problems := _not_yet(settings):
        raise SettingsInvalid(problems)
    return OK


def _bridge_gbfs(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    options = bridge_options.options_from(namespace, environ)
    _log_to_stderr(environ)
    result: BridgeResult = _run(run_bridge(options))
    return result.exit_code


def _demo(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    options = show.options_from(namespace, environ)
    _log_to_stderr(environ)
    _run(show.run_demo(options))
    return OK


def _log_to_stderr(environ: Mapping[str, str]) -> None:
    level = (environ.get("LOG_LEVEL", "").strip() or "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise ArgumentsInvalid(f"LOG_LEVEL is {level[:100]!r}: not one of the values there are.")
    logs.configure("auto", level, sys.stderr)


def _run(work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever the work returns
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def _complain(*lines: str) -> None:
    sys.stderr.write("\n".join(lines) + "\n")
