"""This module owns `paceline db`: backups of the user store, taken while the gateway runs."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from gateway import backends
from gateway.cli import seed
from gateway.cli.running import OK, CommandFailed, Commands, run_to_end, settings_of
from gateway.users.backup import BackupUnusable, restore_backup, write_backup_file


def add_to(commands: Commands) -> None:
    """What the command understands."""
    db = commands.add_parser("db", help="back the user store up, restore it, fill it for a try")
    db_commands = db.add_subparsers(required=True, metavar="COMMAND")
    backup = db_commands.add_parser("backup", help="write one moment of all users to a file")
    backup.add_argument("file", metavar="FILE", type=Path)
    backup.set_defaults(command=_backup)
    restore = db_commands.add_parser("restore", help="fill an empty database from such a file")
    restore.add_argument("file", metavar="FILE", type=Path)
    restore.set_defaults(command=_restore)
    seed.add_to(db_commands)


def _backup(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    database = backends.database_of(settings_of(environ))

    async def work() -> dict[str, int]:
        try:
            return await write_backup_file(database, namespace.file)
        finally:
            await database.stop()

    return _told("Backed up", work)


def _restore(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    database = backends.database_of(settings_of(environ))

    async def work() -> dict[str, int]:
        try:
            with namespace.file.open("rb") as file:
                return await restore_backup(database, file)
        finally:
            await database.stop()

    return _told("Restored", work)


def _told(done: str, work: Callable[[], Coroutine[Any, Any, dict[str, int]]]) -> int:
    began_seconds = time.monotonic()
    try:
        counts = run_to_end(work())
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}.") from error
    except BackupUnusable as unusable:
        raise CommandFailed(str(unusable)) from unusable
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    sys.stdout.write(f"{done} in {time.monotonic() - began_seconds:.1f} s: {told}.\n")
    return OK
