"""This module owns `paceline keys`: API keys of backends, from the machine of the gateway."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from gateway import backends
from gateway.cli.running import OK, Commands, person_at_the_shell, run_to_end, settings_of
from gateway.users.acting import acting
from gateway.users.api_key import ApiKey
from gateway.users.api_keys import ApiKeys
from protocol.bodies import body_of
from protocol.keys import NewKey, Rotation

_DAY_SECONDS: Final = 86_400


def add_to(commands: Commands) -> None:
    """What the command understands."""
    keys = commands.add_parser("keys", help="make and manage API keys of backends")
    keys_commands = keys.add_subparsers(required=True, metavar="COMMAND")

    create = keys_commands.add_parser("create", help="make a key and print it, alone")
    create.add_argument("--name", required=True, help="whom it is for")
    create.add_argument("--join", action="append", metavar="PATTERN", help="rooms it may join")
    create.add_argument("--publish", action="append", metavar="PATTERN", help="and publish into")
    create.add_argument(
        "--tracker",
        action="store_true",
        help="make a tracker code: a phone reports one bike into one room with it",
    )
    create.add_argument(
        "--expires-in",
        type=int,
        metavar="SECONDS",
        help="how long it is good for; unless told, for ever",
    )
    create.set_defaults(command=_create)

    listed = keys_commands.add_parser("list", help="show every key, without its secret")
    listed.set_defaults(command=_list)

    rotate = keys_commands.add_parser("rotate", help="give a key a new secret and print it, alone")
    rotate.add_argument("id", metavar="ID")
    rotate.add_argument(
        "--overlap",
        type=int,
        default=_DAY_SECONDS,
        metavar="SECONDS",
        help="how long the secret before stays good; a day unless told",
    )
    rotate.set_defaults(command=_rotate)

    revoke = keys_commands.add_parser("revoke", help="make a key worth nothing")
    revoke.add_argument("id", metavar="ID")
    revoke.set_defaults(command=_revoke)


def _create(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    given = {
        "name": namespace.name,
        "join": namespace.join or [],
        "publish": namespace.publish or [],
        "tracker": namespace.tracker,
        "expiresInSeconds": namespace.expires_in,
    }
    body = body_of(msgspec.json.encode(given), NewKey)

    async def work(keys: ApiKeys) -> None:
        _, text = await keys.create(body, _now_ms())
        sys.stdout.write(f"{text}\n")

    return _with_keys(work, environ)


def _list(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:  # noqa: ARG001
    async def work(keys: ApiKeys) -> None:
        for key in await keys.all():
            sys.stdout.write(f"{_line_of(key)}\n")

    return _with_keys(work, environ)


def _rotate(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    rotation = body_of(msgspec.json.encode({"overlapSeconds": namespace.overlap}), Rotation)

    async def work(keys: ApiKeys) -> None:
        _, text = await keys.rotate(namespace.id, _now_ms(), rotation.overlap_seconds * 1000)
        sys.stdout.write(f"{text}\n")

    return _with_keys(work, environ)


def _revoke(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    async def work(keys: ApiKeys) -> None:
        await keys.revoke(namespace.id, _now_ms())

    return _with_keys(work, environ)


def _line_of(key: ApiKey) -> str:
    view = key.view()
    parts = [key.id, key.name, *(["tracker"] if key.is_tracker else [])]
    parts += [f"join {pattern}" for pattern in key.join]
    parts += [f"publish {pattern}" for pattern in key.publish]
    parts.append("never used" if view.used_at is None else f"used {view.used_at:%Y-%m-%d %H:%M}")
    if view.expires_at is not None:
        parts.append(f"expires {view.expires_at:%Y-%m-%d %H:%M}")
    return "  ".join(parts)


def _with_keys(work: Callable[[ApiKeys], Awaitable[None]], environ: Mapping[str, str]) -> int:
    settings = settings_of(environ)

    async def whole() -> None:
        database = backends.database_of(settings)
        await database.start()
        try:
            await work(ApiKeys(backends.stores_of(database).keys))
        finally:
            await database.stop()

    with acting(person_at_the_shell()):
        run_to_end(whole())
    return OK


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
