"""This module owns the command: what `paceline` can be asked, and its exit codes."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec
import structlog

from gateway import app, logs
from gateway.feeds import options as bridge_options
from gateway.feeds.bridge import BridgeResult, run_bridge
from gateway.identity import Grants, KeySet, KeyUnusable, Role, TokenRules, sign_token
from gateway.settings import Settings, SettingsInvalid, describe, warnings_of

OK: Final = 0
USAGE: Final = 2  # argparse's own
_DEFAULT_URL: Final = "http://127.0.0.1:8080"
_PUBLISH_TIMEOUT_SECONDS: Final = 10.0
_DAY_SECONDS: Final = 86_400.0

logger = structlog.get_logger(__name__)

Command = Callable[[argparse.Namespace, Mapping[str, str]], int]


class CommandFailed(Exception):
    """What was asked for could not be done; the message is for whoever asked."""


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the arguments ask for; return the process's exit code."""
    namespace = _parser().parse_args(arguments)
    command: Command = namespace.command
    try:
        return command(namespace, environ)
    except SettingsInvalid as invalid:
        return _complain("The settings are not right:", *(f"  {p}" for p in invalid.problems))
    except bridge_options.BridgeOptionsInvalid as invalid:
        return _complain(str(invalid))
    except (CommandFailed, KeyUnusable) as failed:
        return _complain(str(failed))
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
    serve.set_defaults(command=_serve)

    token = commands.add_parser("token", help="sign a token and print it, alone")
    token.add_argument("--sub", required=True, metavar="ID", help="whom it stands for")
    token.add_argument("--role", default="rider", choices=[role.value for role in Role])
    token.add_argument("--join", action="append", metavar="PATTERN", help="rooms it may join")
    token.add_argument("--publish", action="append", metavar="PATTERN", help="and publish into")
    token.add_argument("--ttl", type=float, default=_DAY_SECONDS, metavar="SECONDS")
    token.set_defaults(command=_token)

    publish = commands.add_parser("publish", help="publish one event into a room")
    publish.add_argument("--room", required=True)
    publish.add_argument("--event", default="bike-update", metavar="NAME")
    publish.add_argument("--url", help=f"the gateway (PACELINE_URL; default {_DEFAULT_URL})")
    publish.add_argument("--idempotency-key", metavar="KEY")
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
    return parser


def _serve(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    given = {"HOST": namespace.host, "PORT": namespace.port}
    settings = Settings.from_env(
        {**environ, **{name: value for name, value in given.items() if value is not None}}
    )
    if settings.redis_url is not None:
        raise CommandFailed("REDIS_URL is set, but this version has only the embedded broker.")
    if settings.workers > 1:
        raise CommandFailed("More than one worker needs a broker between them; set it to 1.")
    logs.configure(settings.log_format, settings.log_level, sys.stdout)
    for warning in warnings_of(settings):
        logger.warning("! " + warning)
    try:
        _run(app.serve(settings, announce=_announcement(settings)))
    except OSError as error:
        raise CommandFailed(f"Cannot listen on {settings.host}:{settings.port}: {error}") from error
    return OK


def _announcement(settings: Settings) -> Callable[[int], None]:
    def announce(port: int) -> None:
        url = f"http://{settings.host}:{port}"
        logger.info("= listening", url=url, environment=settings.environment)
        if settings.is_development and sys.stdout.isatty():
            sys.stdout.write(_NEXT_STEPS.format(url=url))
            sys.stdout.flush()

    return announce


_NEXT_STEPS = """
  Paceline is running at {url}        (Ctrl-C stops it)

  See bikes move, in another terminal:
    .venv/bin/paceline bridge gbfs URL-OR-FOLDER --room city:demo
  Or move one by hand:
    .venv/bin/paceline publish --room city:demo '{{"bike_id": "1", "lat": 48.86, "lon": 2.35}}'
  And watch, with any Socket.IO client:
    socket.emit('join-room', 'city:demo'); socket.on('bike-updated', console.log)

"""


def _token(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = Settings.from_env(environ)
    if not settings.jwt_secrets:
        raise CommandFailed("There is no secret to sign with: set PACELINE_JWT_SECRET.")
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
    text = sys.stdin.read() if namespace.data == "-" else namespace.data
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandFailed(f"DATA is not JSON: {error}") from error
    answer = _run(
        _post_event(
            namespace.url or environ.get("PACELINE_URL") or _DEFAULT_URL,
            namespace.room,
            msgspec.json.encode({"event": namespace.event, "data": msgspec.Raw(text.encode())}),
            environ.get("PACELINE_TOKEN"),
            namespace.idempotency_key,
        )
    )
    sys.stdout.write(f"{answer}\n")
    return OK


async def _post_event(
    url: str, room: str, body: bytes, token: str | None, idempotency_key: str | None
) -> str:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if idempotency_key:
        headers["Idempotency-Key"] = idempotency_key
    timeout = aiohttp.ClientTimeout(total=_PUBLISH_TIMEOUT_SECONDS)
    address = f"{url.rstrip('/')}/api/rooms/{quote(room, safe='')}/events"
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(_exactly(address), data=body, headers=headers) as response,
        ):
            answer = await response.text()
            if response.status != 200:  # noqa: PLR2004 - HTTP's own number
                raise CommandFailed(f"The gateway answered {response.status}: {answer}")
            return answer
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CommandFailed(f"Cannot reach the gateway at {url}: {error}") from error


def _config_check(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:  # noqa: ARG001
    settings = Settings.from_env(environ)
    rows = describe(settings)
    width = max(len(name) for name, _, _ in rows)
    for name, value, source in rows:
        sys.stdout.write(f"{name:{width}}  {value}  ({source})\n")
    for warning in warnings_of(settings):
        sys.stdout.write(f"warning: {warning}\n")
    return OK


def _bridge_gbfs(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    options = bridge_options.options_from(namespace, environ)
    logs.configure("auto", environ.get("LOG_LEVEL", "INFO"), sys.stderr)
    result: BridgeResult = _run(run_bridge(options))
    return result.exit_code


def _run(work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever the work returns
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def _exactly(address: str) -> Any:  # noqa: ANN401 - a yarl URL
    """The address as it is: a room's name is percent-encoded already."""
    from yarl import URL  # noqa: PLC0415 - needed by one command

    return URL(address, encoded=True)


def _complain(*lines: str) -> int:
    sys.stderr.write("\n".join(lines) + "\n")
    return USAGE
