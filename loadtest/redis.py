"""This module owns the Redis between the workers under test: a fresh one, beside the load."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from loadtest.ports import PeerUnavailable, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS: Final = 10.0


@contextmanager
def running() -> Iterator[str]:
    """The URL of an empty Redis that keeps nothing on disk. Raises PeerUnavailable.

    `REDIS_SERVER` in the environment names the program of another one, such as Valkey's.
    """
    program = (
        os.environ.get("REDIS_SERVER")
        or shutil.which("redis-server")
        or shutil.which("valkey-server")
    )
    if program is None:
        raise PeerUnavailable("redis-server is not installed, and several workers need one")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="loadtest-redis-") as folder:
        options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", ""]
        process = subprocess.Popen(  # noqa: S603 - the program above
            [program, *options], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        try:
            _wait_until_open(port, process)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + _START_SECONDS
    while monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        sleep(0.02)
    raise PeerUnavailable(f"redis-server did not start (exit {process.poll()})")
