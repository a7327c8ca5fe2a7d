"""This module owns a balancer for tests: HAProxy, plain round robin, without sticky sessions."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.toolbox import programs
from tests.toolbox.ports import free_port, wait_until_listening

_START_SECONDS: Final = 10.0
_CONFIGURATION: Final = """
global
    maxconn 8000
    nbthread 1

defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    # who has much to do is not dead
    timeout check 2s
    # who is not there is not asked again: nothing has been sent yet
    retries 3
    retry-on conn-failure
    option redispatch 1
    option forwardfor

frontend door
    bind 127.0.0.1:{port}
    default_backend workers

backend workers
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 300ms fall 2 rise 1
{servers}
"""


class Balancer:
    """HAProxy on a free port of 127.0.0.1, in front of workers at (host, port).

    It asks each worker's /readyz, and sends nothing new to one that is not ready.
    """

    def __init__(self, folder: Path, workers: Iterable[tuple[str, int]]) -> None:
        self.port = free_port()
        self._file = folder / "haproxy.cfg"
        self._log = folder / "haproxy.log"
        servers = "\n".join(
            f"    server worker{index} {host}:{port}" for index, (host, port) in enumerate(workers)
        )
        self._file.write_text(_CONFIGURATION.format(port=self.port, servers=servers))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it listens. Raises with what it says when it does not."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(programs.haproxy()), "-db", "-f", str(self._file)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        listens = wait_until_listening(self.port, _START_SECONDS)
        if not listens or self._process.poll() is not None:
            self.kill()
            raise RuntimeError(f"HAProxy does not listen:\n{self._log.read_text()}")

    def kill(self) -> None:
        """SIGKILL, which resets all connections. Harmless when it is down already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
