"""This module owns `paceline users`: the people in the store, from the machine of the gateway."""

from __future__ import annotations

import argparse
import getpass
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from gateway import backends
from gateway.cli import importing
from gateway.cli.running import (
    OK,
    ArgumentsInvalid,
    CommandFailed,
    Commands,
    person_at_the_shell,
    run_to_end,
    settings_of,
)
from gateway.duties import outbox_of
from gateway.users.accounts import Accounts
from gateway.users.acting import acting
from gateway.users.passwords import Passwords, check_password
from gateway.users.session import SessionStore
from gateway.users.store import UserStore
from gateway.users.user import User
from protocol.bodies import body_of
from protocol.sessions import GivenPassword
from protocol.users import NewUser, UserChanges

_GENERATED_BYTES: Final = 18


class People(msgspec.Struct, frozen=True):
    """What the commands need of the store."""

    users: UserStore
    sessions: SessionStore
    accounts: Accounts
    passwords: Passwords


Work = Callable[[People], Awaitable[None]]


def add_to(commands: Commands) -> None:
    """What the command understands."""
    users = commands.add_parser("users", help="make and manage users")
    users_commands = users.add_subparsers(required=True, metavar="COMMAND")

    create = users_commands.add_parser("create", help="make a user, the first administrator too")
    create.add_argument("--email", required=True)
    create.add_argument("--name", help="the part of the address before the @ unless told")
    create.add_argument("--role", default="rider", help="rider unless told")
    create.add_argument(
        "--no-password", action="store_true", help="make somebody who cannot sign in yet"
    )
    create.set_defaults(command=_create)

    importing.add_to(users_commands)

    password = users_commands.add_parser("password", help="give a user a new password")
    password.add_argument("email", metavar="EMAIL")
    password.set_defaults(command=_password)

    for name, told in (("disable", "let a user in no more"), ("enable", "let a user in again")):
        switch = users_commands.add_parser(name, help=told)
        switch.add_argument("email", metavar="EMAIL")
        switch.set_defaults(command=_switch, disabled=name == "disable")


def _create(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    name = namespace.name or namespace.email.partition("@")[0]
    given = {"email": namespace.email, "name": name, "role": namespace.role}
    body = body_of(msgspec.json.encode(given), NewUser)
    password = None
    if not namespace.no_password:
        password = _asked_for_password()
        check_password(password, body.email, body.name)

    async def work(people: People) -> None:
        user = await people.accounts.create(body, _now_ms())
        if password is not None:
            await _set_password(people, user, password)
        sys.stdout.write(f"{user.id}\n")

    return _with_people(work, environ)


def _password(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    password = _asked_for_password()

    async def work(people: People) -> None:
        user = await _found(people, namespace.email)
        check_password(password, user.email, user.name)
        await _set_password(people, user, password)

    return _with_people(work, environ)


def _switch(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    async def work(people: People) -> None:
        user = await _found(people, namespace.email)
        changes = UserChanges(disabled=namespace.disabled)
        await people.accounts.change(user.id, changes, _now_ms())

    return _with_people(work, environ)


def _asked_for_password() -> str:
    """Never an argument, which others on the machine could see. Generated where nobody types."""
    if sys.stdin.isatty():
        typed = getpass.getpass("Password (empty: make one): ")
        if typed and typed != getpass.getpass("Once more: "):
            raise ArgumentsInvalid("The two are not the same.")
        if typed:
            return body_of(msgspec.json.encode({"newPassword": typed}), GivenPassword).new_password
    generated = secrets.token_urlsafe(_GENERATED_BYTES)
    sys.stderr.write(f"The password, shown this once: {generated}\n")
    return generated


async def _set_password(people: People, user: User, password: str) -> None:
    password_hash = await people.passwords.hash(password)
    await people.sessions.set_password(user.id, password_hash, _now_ms(), None)


async def _found(people: People, email: str) -> User:
    user = await people.users.find_by_email(email)
    if user is None:
        raise CommandFailed(f"There is no user with the address {email}.")
    return user


def _with_people(work: Work, environ: Mapping[str, str]) -> int:
    settings = settings_of(environ)

    async def whole() -> None:
        database = backends.database_of(settings)
        stores = backends.stores_of(database, outbox_of(settings))
        passwords = Passwords()
        await database.start()
        try:
            await work(People(stores.users, stores.sessions, Accounts(stores.users), passwords))
        finally:
            passwords.stop()
            await database.stop()

    with acting(person_at_the_shell()):
        run_to_end(whole())
    return OK


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
