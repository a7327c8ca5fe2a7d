"""This module owns `paceline db seed`: people to try things with, in development."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Mapping
from itertools import islice
from typing import Final

from gateway import backends
from gateway.cli.running import (
    OK,
    ArgumentsInvalid,
    CommandFailed,
    Commands,
    person_at_the_shell,
    run_to_end,
    settings_of,
)
from gateway.settings import Settings
from gateway.users.acting import acting
from gateway.users.passwords import Passwords
from gateway.users.seeding import RIDERS_LIMIT, riders, staff
from gateway.users.user import User

_PASSWORD_BYTES: Final = 12
_AT_ONCE: Final = 500


def add_to(commands: Commands) -> None:
    """What the command understands."""
    seed = commands.add_parser("seed", help="make people to try things with, in development")
    seed.add_argument(
        "--riders", type=int, default=0, metavar="N", help="so many more, without passwords"
    )
    seed.add_argument("--force", action="store_true", help="in production as well")
    seed.set_defaults(command=_seed)


def _seed(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = settings_of(environ)
    if not settings.is_development and not namespace.force:
        raise CommandFailed(
            "This is production, where nobody wants an administrator of a demonstration;"
            " --force overrules this."
        )
    if not 0 <= namespace.riders <= RIDERS_LIMIT:
        raise ArgumentsInvalid(f"--riders is a number from 0 to {RIDERS_LIMIT}.")
    with acting(person_at_the_shell()):
        made, given = run_to_end(_make(settings, namespace.riders))
    for user, password in given:
        sys.stdout.write(f"{user.email}  {user.role}  {password}\n")
    sys.stderr.write(f"{made} users made; passwords are shown this once.\n")
    return OK


async def _make(settings: Settings, count: int) -> tuple[int, list[tuple[User, str]]]:
    """How many were not there yet, and the passwords of those who got one."""
    database = backends.database_of(settings)
    stores = backends.stores_of(database)
    passwords = Passwords()
    await database.start()
    try:
        people = staff()
        kept = await stores.users.save_new(people)
        given = []
        for user in people:
            if user.id in kept:
                password = secrets.token_urlsafe(_PASSWORD_BYTES)
                now_ms = time.time_ns() // 1_000_000
                password_hash = await passwords.hash(password)
                await stores.sessions.set_password(user.id, password_hash, now_ms, None)
                given.append((user, password))
        made, more = len(kept), riders(count)
        while some := list(islice(more, _AT_ONCE)):
            made += len(await stores.users.save_new(some))
        return made, given
    finally:
        passwords.stop()
        await database.stop()
