"""This module owns `python -m gateway`, which is `paceline`."""

from __future__ import annotations

import os
import sys

from gateway.cli import run


def main() -> None:
    """Run the command with this process's arguments and environment."""
    sys.exit(run(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
