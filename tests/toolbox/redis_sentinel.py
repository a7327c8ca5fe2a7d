"""This module owns a Redis with replicas and Sentinels, one of which promotes another master."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import redis

from tests.toolbox import programs
from tests.toolbox.ports import free_port, wait_until_listening
from tests.toolbox.redis_server import RedisServer

NAME: Final = "bikes"
DOWN_AFTER_MS: Final = 1000
_START_SECONDS: Final = 20.0
_CONFIGURATION: Final = """
port {port}
bind 127.0.0.1
dir {folder}
logfile {folder}/sentinel-{port}.log
sentinel monitor {name} 127.0.0.1 {master} 2
sentinel down-after-milliseconds {name} {down_after}
sentinel failover-timeout {name} 4000
sentinel parallel-syncs {name} 2
"""


class SentinelTrio:
    """One master, two replicas, three Sentinels; they agree after a second of silence."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.servers = [self._server(folder / "redis-0")]
        self._sentinels: list[subprocess.Popen[bytes]] = []
        self.sentinel_ports: list[int] = []

    @staticmethod
    def _server(folder: Path, *options: str) -> RedisServer:
        folder.mkdir()
        # who lost the others must not go on accepting
        safe = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"]
        return RedisServer(folder, "--repl-diskless-sync-delay", "0", *safe, *options)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)
        return f"redis+sentinel://{hosts}/{NAME}"

    @property
    def master(self) -> RedisServer:
        """Who is the master, by the first Sentinel."""
        with redis.Redis(port=self.sentinel_ports[0], decode_responses=True) as sentinel:
            _, port = sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return next(server for server in self.servers if server.port == int(port))

    def start(self) -> None:
        """Return when the replicas follow and the Sentinels know them and each other."""
        self.servers[0].start()
        for number in (1, 2):
            replica = self._server(
                self._folder / f"redis-{number}",
                "--replicaof",
                "127.0.0.1",
                str(self.servers[0].port),
            )
            replica.start()
            self.servers.append(replica)
        # A Sentinel looks for replicas when it starts, and then only every ten seconds.
        self._wait(self._is_followed, "the replicas do not follow")
        for _ in range(3):
            self._start_sentinel(self.servers[0].port)
        self._wait(self._is_watched, "the Sentinels do not find each other")

    @staticmethod
    def _wait(is_enough: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not is_enough():
            if time.monotonic() > deadline:
                raise RuntimeError(complaint)
            time.sleep(0.05)

    def _start_sentinel(self, master_port: int) -> None:
        port = free_port()
        file = self._folder / f"sentinel-{port}.conf"
        file.write_text(
            _CONFIGURATION.format(
                port=port,
                folder=self._folder,
                name=NAME,
                master=master_port,
                down_after=DOWN_AFTER_MS,
            )
        )
        command = [str(programs.redis_server()), str(file), "--sentinel"]
        self._sentinels.append(subprocess.Popen(command))
        self.sentinel_ports.append(port)
        if not wait_until_listening(port, _START_SECONDS):
            raise RuntimeError("a Sentinel does not listen")

    def _is_followed(self) -> bool:
        replicas = self.servers[0].info("replication")
        return all(replicas.get(f"slave{n}", {}).get("state") == "online" for n in (0, 1))

    def _is_watched(self) -> bool:
        for port in self.sentinel_ports:
            with redis.Redis(port=port, decode_responses=True) as sentinel:
                master = sentinel.sentinel_master(NAME)
            if (master["num-slaves"], master["num-other-sentinels"]) != (2, 2):
                return False
        return True

    def kill(self) -> None:
        """End everything."""
        for process in self._sentinels:
            process.kill()
            process.wait()
        self._sentinels.clear()
        for server in self.servers:
            server.kill()
