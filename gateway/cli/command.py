"""This module owns the command as a whole: its parts, and the exit code of what they raise."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from gateway.cli import (
    audit,
    bridge,
    config,
    db,
    demo,
    jobs,
    keys,
    migrate,
    publish,
    serve,
    tokens,
    users,
)
from gateway.cli.running import (
    FAILED,
    OK,
    USAGE,
    ArgumentsInvalid,
    Command,
    CommandFailed,
    complain,
)
from gateway.feeds.demo.show import DemoOptionsInvalid
from gateway.feeds.options import BridgeOptionsInvalid
from gateway.identity import KeyUnusable
from gateway.listening import CannotListen
from gateway.settings import SettingsInvalid
from gateway.users.store import StoreUnavailable
from protocol.refusals import Refused

# Asked rightly, and yet not to be done as things are.
_NOT_DONE: Final = frozenset(
    {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
)
# In the order in which --help tells of them.
_MODULES: Final = (
    serve,
    jobs,
    migrate,
    db,
    users,
    keys,
    audit,
    tokens,
    publish,
    config,
    bridge,
    demo,
)


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the arguments ask for; return the exit code: 0 done, 1 not done, 2 asked wrongly."""
    namespace = _parser().parse_args(arguments)
    command: Command = namespace.command
    try:
        return command(namespace, environ)
    except SettingsInvalid as invalid:
        complain("The settings are not right:", *(f"  {problem}" for problem in invalid.problems))
        return USAGE
    except (ArgumentsInvalid, BridgeOptionsInvalid, DemoOptionsInvalid, KeyUnusable) as invalid:
        complain(str(invalid))
        return USAGE
    except Refused as refused:
        complain(*_sentences_of(refused))
        return FAILED if refused.refusal.status in _NOT_DONE else USAGE
    except (CommandFailed, CannotListen, StoreUnavailable) as failed:
        complain(str(failed))
        return FAILED
    except KeyboardInterrupt:
        return OK


def _sentences_of(refused: Refused) -> list[str]:
    """What is wrong with each field, where a refusal names fields."""
    fields: dict[str, str] = (refused.details or {}).get("fields", {})
    return [f"{name}: {said}" for name, said in fields.items()] or [refused.message]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="paceline", description="A real-time pub/sub gateway over Socket.IO."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in _MODULES:
        module.add_to(commands)
    return parser
