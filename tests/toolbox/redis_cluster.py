"""This module owns a Redis Cluster for tests: three masters, each with a replica."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis

from tests.toolbox.redis_server import RedisServer

MASTERS: Final = 3
NODE_TIMEOUT_MS: Final = 1000
_SLOTS: Final = 16_384
_START_SECONDS: Final = 30.0
_MOVED_AT_ONCE: Final = 100


class RedisCluster:
    """Six servers; a master that is gone for a second is replaced by its replica."""

    def __init__(self, folder: Path) -> None:
        self.servers: list[RedisServer] = []
        for number in range(2 * MASTERS):
            home = folder / f"node-{number}"
            home.mkdir()
            server = RedisServer(
                home,
                "--cluster-enabled",
                "yes",
                "--cluster-config-file",
                "nodes.conf",
                "--cluster-node-timeout",
                str(NODE_TIMEOUT_MS),
                "--repl-diskless-sync-delay",
                "0",
                with_bus=True,
            )
            self.servers.append(server)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers[:MASTERS])
        return f"redis+cluster://{hosts}"

    def start(self) -> None:
        """Return when every slot is served and every replica follows."""
        for server in self.servers:
            server.start()
        first = self.servers[0]
        for number, server in enumerate(self.servers[:MASTERS]):
            slots = range(number * _SLOTS // MASTERS, (number + 1) * _SLOTS // MASTERS)
            server.command("CLUSTER", "ADDSLOTSRANGE", str(slots[0]), str(slots[-1]))
            server.command("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for server in self.servers[1:]:
            server.command("CLUSTER", "MEET", "127.0.0.1", str(first.port), str(first.bus_port))
        self._wait(lambda info: info["cluster_known_nodes"] == str(2 * MASTERS))
        for master, replica in zip(self.servers[:MASTERS], self.servers[MASTERS:], strict=True):
            self._replicate(master, replica)
        self._wait(lambda info: info["cluster_state"] == "ok")
        self._wait_for_replicas()

    def _replicate(self, master: RedisServer, replica: RedisServer) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                replica.command("CLUSTER", "REPLICATE", self.id_of(master))
            except RuntimeError:  # it has not heard of the master yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def _wait(self, is_enough: Any) -> None:  # noqa: ANN401 - of what CLUSTER INFO says
        deadline = time.monotonic() + _START_SECONDS
        while True:
            if all(is_enough(self._info(server)) for server in self.servers):
                return
            if time.monotonic() > deadline:
                raise RuntimeError("the cluster does not come together")
            time.sleep(0.05)

    def _wait_for_replicas(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with _client(self.servers[0]) as client:
                nodes = client.cluster("nodes")
            followed = sum("slave" in node["flags"] for node in nodes.values())
            links = [self._link(server) for server in self.servers[MASTERS:]]
            if followed == MASTERS and set(links) == {"up"}:
                return
            if time.monotonic() > deadline:
                raise RuntimeError("the replicas do not follow")
            time.sleep(0.05)

    @staticmethod
    def _link(server: RedisServer) -> str:
        with _client(server) as client:
            return str(client.info("replication").get("master_link_status"))

    @staticmethod
    def _info(server: RedisServer) -> dict[str, str]:
        with _client(server) as client:
            info: dict[str, str] = client.cluster("info")
            return info

    @staticmethod
    def id_of(server: RedisServer) -> str:
        with _client(server) as client:
            return str(client.cluster("myid"))

    # ---- what may happen to it

    def slot_of(self, tag: str) -> int:
        """The slot of all keys with this hash tag."""
        with _client(self.servers[0]) as client:
            return int(client.cluster("keyslot", tag))

    def masters(self) -> list[RedisServer]:
        """Who serves slots now, of those that run."""
        found = []
        for server in self.servers:
            if not server.is_running:
                continue
            with _client(server) as client:
                if client.info("replication")["role"] == "master":
                    found.append(server)
        return found

    def master_of(self, slot: int) -> RedisServer:
        """Who serves a slot now."""
        for server in self.masters():
            with _client(server) as client:
                if int(client.cluster("countkeysinslot", slot)) or self._owns(client, slot):
                    return server
        raise RuntimeError(f"nobody serves {slot}")

    @staticmethod
    def _owns(client: Any, slot: int) -> bool:  # noqa: ANN401 - redis-py's types are its own
        me = client.cluster("myid")
        ranges = client.execute_command("CLUSTER", "SLOTS")
        return any(
            int(low) <= slot <= int(high) and primary[2] == me for low, high, primary, *_ in ranges
        )

    def move(self, slot: int, target: RedisServer) -> None:
        """Migrate a slot with all its keys, as an operator does who adds a node."""
        source = self.master_of(slot)
        source_id, target_id = self.id_of(source), self.id_of(target)
        with _client(source) as old, _client(target) as new:
            new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
            old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
            while keys := old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, _MOVED_AT_ONCE):
                where = ["127.0.0.1", target.port, "", 0, 5000]
                old.execute_command("MIGRATE", *where, "KEYS", *keys)
            new.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
            old.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)

    def kill(self) -> None:
        """End everything."""
        for server in self.servers:
            server.kill()


@contextmanager
def _client(server: RedisServer) -> Iterator[Any]:
    client = redis.Redis(port=server.port, decode_responses=True)
    try:
        yield client
    finally:
        client.close()
