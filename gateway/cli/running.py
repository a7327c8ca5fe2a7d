"""This module owns how every command meets the world: settings, event loop, exit codes."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeAlias

from gateway import logs
from gateway.settings import Settings
from gateway.users.acting import Actor

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2  # argparse's own: the arguments or the settings are wrong
DEFAULT_URL: Final = "http://127.0.0.1:8080"
_OF_OTHER_COMMANDS: Final = frozenset({"PACELINE_URL", "PACELINE_TOKEN"})

Command = Callable[[argparse.Namespace, Mapping[str, str]], int]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse has no other name for it


class ArgumentsInvalid(Exception):
    """What was asked for makes no sense; the message lists every mistake, one a line."""


class CommandFailed(Exception):
    """What was asked for could not be done; the message is for whoever asked."""


def settings_of(environ: Mapping[str, str]) -> Settings:
    """The gateway's settings; variables of the other commands are none of them, and no mistake."""
    return Settings.from_env(
        {name: value for name, value in environ.items() if name not in _OF_OTHER_COMMANDS}
    )


def run_to_end(work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever the work returns
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def person_at_the_shell() -> Actor:
    """Whom the trail names for what a command changes: the machine's own name of its user."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container need not know the number that it runs as
        name = str(os.getuid())
    return Actor(name, "command")


def complain(*lines: str) -> None:
    """Say what is wrong; what it quotes, of a file or a server, gets no hold of the terminal."""
    sys.stderr.write(logs.escaped_lines("\n".join(lines)) + "\n")


def log_to_stderr(environ: Mapping[str, str]) -> None:
    """What a command has to say while it works; raises `ArgumentsInvalid`."""
    level = (environ.get("LOG_LEVEL", "").strip() or "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise ArgumentsInvalid(f"LOG_LEVEL is {level[:100]!r}: not one of the values there are.")
    logs.configure("auto", level, sys.stderr)
