"""This module owns the servers under test: how each is started on its own core, and stopped."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

import msgspec

from loadtest import cpu, redis
from loadtest.handshake import Address
from loadtest.ports import PeerUnavailable, free_port
from loadtest.tokens import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PEERS: Final = Path(__file__).parent / "peers"
_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 5.0
_LOG_TAIL_BYTES: Final = 2000


class Server(msgspec.Struct, frozen=True):
    """A running server: where its workers are, and as which processes (0: somebody else's)."""

    peer: str
    addresses: tuple[Address, ...]
    pids: tuple[int, ...]


def raise_file_limit() -> int:
    """Allow this process and its children all open files that may be; the limit that holds now."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _gateway_command() -> list[str]:
    return [sys.executable, "-m", "gateway", "serve"]


def _node_command() -> list[str]:
    node, npm, folder = shutil.which("node"), shutil.which("npm"), _PEERS / "node"
    if node is None:
        raise PeerUnavailable("node is not installed")
    if not (folder / "node_modules" / "@socket.io" / "redis-adapter").exists():
        if npm is None:
            raise PeerUnavailable(
                "npm is not installed, and loadtest/peers/node has no node_modules"
            )
        _run_or_explain([npm, "ci", "--omit=dev", "--no-audit", "--no-fund"], folder)
    return [node, str(folder / "server.js")]


def _stock_command() -> list[str]:
    return [sys.executable, "-m", "loadtest.peers.stock"]


def _bare_command() -> list[str]:
    return [sys.executable, "-m", "loadtest.peers.bare"]


def _fastapi_command() -> list[str]:
    """In a virtual environment of its own, made when it is wanted for the first time."""
    folder = _PEERS / "fastapi"
    python, lock = folder / ".venv" / "bin" / "python", folder / "requirements.lock"
    installed = folder / ".venv" / ".installed"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        _run_or_explain([sys.executable, "-m", "venv", str(folder / ".venv")], folder)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        _run_or_explain([*pip, "--require-hashes", "-r", str(lock)], folder)
        installed.write_bytes(lock.read_bytes())
    return [str(python), str(folder / "server.py")]


def _floor_command() -> list[str]:
    compiler = shutil.which("cc")
    if compiler is None:
        raise PeerUnavailable("no C compiler (cc)")
    program = Path(tempfile.gettempdir()) / f"paceline-loadtest-floor-{os.getuid()}"
    source = _PEERS / "floor.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        _run_or_explain([compiler, "-O2", "-Wall", "-o", str(program), str(source)], _PEERS)
    return [str(program)]


def _run_or_explain(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    if done.returncode:
        raise PeerUnavailable(
            f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-400:].strip()}"
        )


GATEWAY: Final = "paceline"
COMMANDS: Final = {
    GATEWAY: _gateway_command,
    "node": _node_command,
    "python-socketio": _stock_command,
    "floor": _floor_command,
    "bare-aiohttp": _bare_command,
    "fastapi": _fastapi_command,
}


def environment_of(port: int, extra: Mapping[str, str]) -> dict[str, str]:
    """What the server is told.

    Settings of this shell do not leak in: only the neutral ones are kept.
    """
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
    }
    return (
        kept
        | {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "JWT_SECRET": SECRET,
            "PACELINE_ENV": "production",
            "PACELINE_JWT_SECRET": SECRET,
            # What is measured is speed; the gateway would hold a saturating publisher back.
            "PACELINE_MESSAGES_PER_SECOND_PER_PEER": "0",
            "PACELINE_BYTES_PER_SECOND_PER_PEER": "0",
            "PACELINE_HANDSHAKES_PER_SECOND_PER_ADDRESS": "0",
            "LOG_LEVEL": "WARNING",
            "NODE_ENV": "production",
            "PYTHONUNBUFFERED": "1",
        }
        | dict(extra)
    )


@contextmanager
def running(peer: str, extra: Mapping[str, str], workers: int = 1) -> Iterator[Server]:
    """A fresh server of that kind, alone on its core; several workers share a Redis beside it.

    Raises PeerUnavailable.
    """
    command = COMMANDS[peer]()
    with ExitStack() as stack:
        shared = dict(extra)
        if workers > 1:
            shared |= {"REDIS_URL": stack.enter_context(redis.running())}
        started = [stack.enter_context(_worker(peer, command, shared)) for _ in range(workers)]
        yield Server(
            peer, tuple(address for address, _ in started), tuple(pid for _, pid in started)
        )


@contextmanager
def _worker(
    peer: str, command: list[str], extra: Mapping[str, str]
) -> Iterator[tuple[Address, int]]:
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="loadtest-") as folder,
        (Path(folder) / "log").open("wb+") as log,
    ):
        settings = environment_of(
            port, {"DATABASE_URL": f"sqlite:///{folder}/users.sqlite3"} | dict(extra)
        )
        process = _start_on_core(command, settings, log.fileno())
        try:
            _wait_until_open(peer, port, process, Path(log.name))
            yield Address("127.0.0.1", port), process.pid
        finally:
            _stop(process)


def _start_on_core(
    command: list[str], settings: dict[str, str], log: int
) -> subprocess.Popen[bytes]:
    # A child inherits the affinity that its parent has at the fork, and so do all its threads.
    server_core, load_cores = cpu.cores_at_start()
    os.sched_setaffinity(0, {server_core})
    try:
        return subprocess.Popen(  # noqa: S603 - the commands above
            command,
            env=settings,
            cwd=Path(__file__).parents[1],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    finally:
        os.sched_setaffinity(0, load_cores)


def _wait_until_open(peer: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = monotonic() + _START_SECONDS
    while monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        sleep(0.05)
    lines = log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "it said nothing"
    raise PeerUnavailable(f"{peer} did not start (exit {process.poll()}): {last}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Killed, not asked: what is measured is over, and draining 10,000 connections would only cost
    # time.
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
