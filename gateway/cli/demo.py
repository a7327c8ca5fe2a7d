"""This module owns `paceline demo`: a fleet that does not exist, published like any other."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from gateway.cli.running import OK, Commands, log_to_stderr, run_to_end
from gateway.feeds.demo import show


def add_to(commands: Commands) -> None:
    """What the command understands."""
    demo = commands.add_parser("demo", help="publish a fleet that does not exist")
    show.add_arguments(demo)
    demo.set_defaults(command=_demo)


def _demo(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    options = show.options_from(namespace, environ)
    log_to_stderr(environ)
    run_to_end(show.run_demo(options))
    return OK
