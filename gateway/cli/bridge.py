"""This module owns `paceline bridge`: a feed from outside, kept in step with a room."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from gateway.cli.running import Commands, log_to_stderr, run_to_end
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
    log_to_stderr(environ)
    result: BridgeResult = run_to_end(run_bridge(options))
    return result.exit_code
