"""This module owns `paceline config`: what is in force, and what to think of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from gateway.cli.running import OK, Commands, settings_of
from gateway.settings import describe, warnings_of


def add_to(commands: Commands) -> None:
    """What the command understands."""
    config = commands.add_parser("config", help="look at the settings")
    config_commands = config.add_subparsers(required=True, metavar="COMMAND")
    check = config_commands.add_parser("check", help="print what is in force, secrets masked")
    check.set_defaults(command=_config_check)


def _config_check(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:  # noqa: ARG001
    settings = settings_of(environ)
    rows = describe(settings)
    width = max(len(name) for name, _, _ in rows)
    for name, value, source in rows:
        sys.stdout.write(f"{name:{width}}  {value}  ({source})\n")
    for warning in warnings_of(settings):
        sys.stdout.write(f"warning: {warning}\n")
    return OK
