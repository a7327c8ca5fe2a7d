"""This module owns `paceline migrate`: the schema of the user store, forward or back."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from gateway import backends
from gateway.cli.running import OK, ArgumentsInvalid, Commands, run_to_end, settings_of
from gateway.settings import Settings
from gateway.users.schema import RevisionUnknown


def add_to(commands: Commands) -> None:
    """What the command understands."""
    migrate = commands.add_parser("migrate", help="bring the user store's schema up to date")
    migrate.add_argument(
        "--to",
        default="head",
        metavar="SCHEMA",
        help="a version of the schema, older or newer; the newest unless told",
    )
    migrate.set_defaults(command=_migrate)


def _migrate(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        before, after = run_to_end(_to(settings_of(environ), namespace.to))
    except RevisionUnknown as unknown:
        raise ArgumentsInvalid(str(unknown)) from unknown
    if before == after:
        sys.stdout.write(f"The schema is {after or 'none'}, as it was.\n")
    else:
        sys.stdout.write(f"The schema is {after or 'none'}; it was {before or 'none'}.\n")
    return OK


async def _to(settings: Settings, revision: str) -> tuple[str | None, str | None]:
    database = backends.database_of(settings)
    try:
        return await database.migrate(revision)
    finally:
        await database.stop()
