"""This module owns `paceline bridge`: a feed from outside, kept in step with a room."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping

from gateway import logs
from gateway.cli.running import ArgumentsInvalid, Commands, run_to_end
from gateway.feeds import options as bridge_options
from gateway.feeds.bridge import BridgeResult, run_bridge


def add_to(commands: Commands) -> None:
    """What the command understands."""
    bridge = commands.add_parser("bridge", help="bring an outside feed into a room")
    bridge_commands = bridge.add_subparsers(required=True, metavar="SOURCE")
    gbfs = bridge_commands.add_parser("gbfs", help="vehicles and stations of a GBFS system")
    bridge_options.add_arguments(gbfs)
    gbfs.set_defaults(command=_bridge_gbfs)


def _bridge_gbfs(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    options = bridge_options.options_from(namespace, environ)
    level = (environ.get("LOG_LEVEL", "").strip() or "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise ArgumentsInvalid(f"LOG_LEVEL is {level[:100]!r}: not one of the values there are.")
    logs.configure("auto", level, sys.stderr)
    result: BridgeResult = run_to_end(run_bridge(options))
    return result.exit_code
