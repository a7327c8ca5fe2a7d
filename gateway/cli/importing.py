"""This module owns `paceline users import`: many users at once, and what became of each line."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from gateway import backends
from gateway.cli.running import (
    FAILED,
    OK,
    ArgumentsInvalid,
    Commands,
    complain,
    person_at_the_shell,
    run_to_end,
    settings_of,
)
from gateway.duties import outbox_of
from gateway.settings import Settings
from gateway.users.acting import acting
from gateway.users.importing import Accepted, Rejected, from_csv, from_ndjson
from gateway.users.store import UserStore
from gateway.users.user import ID_RANDOM_BYTES, new_user
from protocol.refusals import Refusal

_AT_ONCE: Final = 500
_SHOWN_LIMIT: Final = 20  # of rejected lines; the file has all of them
_READERS: Final = {"csv": from_csv, "ndjson": from_ndjson}


def add_to(users_commands: Commands) -> None:
    """What the command understands."""
    command = users_commands.add_parser("import", help="make many users, from CSV or NDJSON")
    command.add_argument("file", metavar="FILE", type=Path)
    command.add_argument(
        "--format", choices=sorted(_READERS), help="what the file is; its name tells unless told"
    )
    command.add_argument(
        "--rejected", metavar="FILE", type=Path, help="where to write the lines that made no user"
    )
    command.set_defaults(command=_import)


def _import(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = settings_of(environ)
    kind = namespace.format or namespace.file.suffix.removeprefix(".").lower()
    if kind not in _READERS:
        raise ArgumentsInvalid(f"--format is needed: the name of {namespace.file} tells none.")
    with ExitStack() as stack:
        try:
            size_bytes = namespace.file.stat().st_size
            source = stack.enter_context(namespace.file.open("rb"))
            report = _Report(stack, namespace.rejected)
        except OSError as error:
            raise ArgumentsInvalid(f"{error.filename}: {error.strerror}.") from error
        progress = stack.enter_context(_progress())
        lines = _watched(source, progress, size_bytes)
        stack.enter_context(acting(person_at_the_shell()))
        made = run_to_end(_make_all(settings, _READERS[kind](lines), report))
    sys.stdout.write(f"{made} users made, {report.count} lines rejected.\n")
    return FAILED if report.count else OK


async def _make_all(
    settings: Settings, entries: Iterator[Accepted | Rejected], report: _Report
) -> int:
    database = backends.database_of(settings)
    await database.start()
    made, waiting = 0, []
    try:
        users = backends.stores_of(database, outbox_of(settings)).users
        for entry in entries:
            if isinstance(entry, Rejected):
                report.add(entry)
                continue
            waiting.append(entry)
            if len(waiting) == _AT_ONCE:
                made += await _make(users, waiting, report)
                waiting.clear()
        return made + await _make(users, waiting, report)
    finally:
        await database.stop()


async def _make(users: UserStore, entries: list[Accepted], report: _Report) -> int:
    now_ms = time.time_ns() // 1_000_000
    people = [
        new_user(entry.body, now_ms, secrets.token_bytes(ID_RANDOM_BYTES)) for entry in entries
    ]
    kept = await users.save_new(people)
    for entry, user in zip(entries, people, strict=True):
        if user.id not in kept:
            report.add(Rejected(entry.line, {"email": Refusal.EMAIL_TAKEN.sentence}))
    return len(kept)


class _Report:
    """The rejected lines: the first few for who is looking, all of them in a file if wanted."""

    def __init__(self, stack: ExitStack, path: Path | None) -> None:
        self.count = 0
        self._file = None if path is None else stack.enter_context(path.open("wb"))

    def add(self, rejected: Rejected) -> None:
        self.count += 1
        if self._file is not None:
            self._file.write(msgspec.json.encode(rejected) + b"\n")
        if self.count <= _SHOWN_LIMIT:
            said = " ".join(f"{name}: {reason}" for name, reason in rejected.fields.items())
            complain(f"line {rejected.line}: {said}")
        elif self.count == _SHOWN_LIMIT + 1:
            complain("... and more")


def _progress() -> Progress:
    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _watched(source: IO[bytes], progress: Progress, size_bytes: int) -> Iterator[str]:
    """The lines as text; bytes that are not UTF-8 are kept as Python keeps them."""
    task = progress.add_task("", total=size_bytes)
    is_first = True
    for line in source:
        progress.advance(task, len(line))
        text = line.decode("utf-8-sig" if is_first else "utf-8", "surrogateescape")
        is_first = False
        yield text
