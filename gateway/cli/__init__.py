"""The command: what `paceline` can be asked, one module for each thing to ask for."""

from gateway.cli.command import run

__all__ = ["run"]
