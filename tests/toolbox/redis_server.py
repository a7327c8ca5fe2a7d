"""This module owns a real Redis server for tests: it may be killed, paused and brought back."""

import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import redis

from tests.toolbox import programs
from tests.toolbox.ports import free_port

_START_SECONDS = 15.0
_START_ATTEMPTS = 5


class RedisServer:
    """A redis-server on a free port of 127.0.0.1, writing into a folder of its own.

    Without options it keeps nothing on disk and comes back empty; with `"--appendonly", "yes",
    "--appendfsync", "always"` it comes back with everything that it has acknowledged.
    A node of a cluster has a second port, the bus on which nodes speak among themselves.
    """

    def __init__(self, folder: Path, *options: str, with_bus: bool = False) -> None:
        self.folder = folder
        self.options = options
        self.port = free_port()
        self.bus_port = free_port() if with_bus else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def process_id(self) -> int:
        return self._running().pid

    def start(self) -> None:
        """Return when it accepts connections; move to other ports if somebody took these."""
        for _ in range(_START_ATTEMPTS):
            if self._starts():
                return
            self.port = free_port()
            self.bus_port = free_port() if self.bus_port is not None else None
        raise RuntimeError(f"redis-server does not start:\n{self.log}")

    def kill(self) -> None:
        """SIGKILL: no good-bye to anybody. Harmless when it is down already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGTERM: connections are closed, what is kept is written. Harmless when it is down."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it if it lives, and bring it back on the same port."""
        self.kill()
        if not self._starts():
            raise RuntimeError(f"redis-server does not come back:\n{self.log}")

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers, as on a frozen machine."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def command(self, *words: str) -> str:
        """Send one command; the first line of the answer as it comes, such as "+OK" or ":3"."""
        sized = (f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(f"*{len(words)}\r\n{''.join(sized)}".encode())
            with connection.makefile("rb") as answers:
                answer = answers.readline().decode().rstrip()
        if answer.startswith("-"):
            raise RuntimeError(f"redis-server refused {words}: {answer}")
        return answer

    def channels(self) -> list[str]:
        """The channels that somebody follows."""
        with redis.Redis(port=self.port, decode_responses=True) as client:
            return [*client.pubsub_channels(), *client.pubsub_shardchannels()]

    def keys(self, pattern: str) -> list[str]:
        """The names of keys."""
        with redis.Redis(port=self.port, decode_responses=True) as client:
            return [*client.scan_iter(pattern)]

    def info(self, section: str) -> dict[str, Any]:
        """A section of what it says of itself."""
        with redis.Redis(port=self.port, decode_responses=True) as client:
            found: dict[str, Any] = client.info(section)
            return found

    @property
    def log(self) -> str:
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def _starts(self) -> bool:
        self._log_path.unlink(missing_ok=True)
        here = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        forgetful = ["--save", "", "--appendonly", "no"]
        log = ["--logfile", str(self._log_path)]
        bus = [] if self.bus_port is None else ["--cluster-port", str(self.bus_port)]
        program = str(programs.redis_server())
        self._process = subprocess.Popen([program, *here, *forgetful, *log, *bus, *self.options])
        # the port alone would not do: the one who answers there may be a stranger
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if "Ready to accept connections" in self.log:
                return True
            time.sleep(0.01)
        self.kill()
        return False

    @property
    def _log_path(self) -> Path:
        return self.folder / "redis.log"

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("redis-server is not running")
        return self._process
