"""Fixtures for every test: real servers on free ports, programs, and no task left behind."""

import asyncio
import inspect
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import hypothesis
import pytest

from tests.toolbox import ports, programs
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.postgres_server import PostgresServer
from tests.toolbox.redis_cluster import RedisCluster
from tests.toolbox.redis_sentinel import SentinelTrio
from tests.toolbox.redis_server import RedisServer

# No deadlines: a busy machine is not a bug. In CI always the same examples: a red run repeats.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

Completed: TypeAlias = "subprocess.CompletedProcess[str]"
RunNode = Callable[..., Completed]
StartGateway = Callable[..., GatewayProcess]
StartRedis = Callable[..., RedisServer]

# Turns of the event loop that a cancelled task may take to end, exception handlers and all.
_TURNS_TO_END = 10


@pytest.fixture(autouse=True)
def _no_task_outlives_its_test(request: pytest.FixtureRequest) -> None:
    """Being autouse it is set up first and torn down last: after the test's own fixtures."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_tasks_end_with_the_test")


@pytest.fixture
async def _tasks_end_with_the_test() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    for _ in range(_TURNS_TO_END):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, f"tasks outlive the test: {left}"


@pytest.fixture
def free_port() -> int:
    return ports.free_port()


@pytest.fixture
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed, paused and restarted at will."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def start_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRedis]:
    """`start_redis("--appendonly", "yes")`: one more, with options; killed after the test."""
    started: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        server = RedisServer(tmp_path_factory.mktemp("redis"), *options)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def _shared_redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("shared-redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_url(_shared_redis_server: RedisServer) -> str:
    """An empty Redis, shared by the tests of one process one after the other: not to be killed."""
    _shared_redis_server.command("FLUSHALL")
    return _shared_redis_server.url


@pytest.fixture(scope="session")
def shared_redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A cluster for tests whose keys have a prefix of their own: nothing in it is to be killed."""
    cluster = RedisCluster(tmp_path_factory.mktemp("shared-cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()


@pytest.fixture(scope="session")
def shared_sentinel_trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelTrio]:
    """The same with Sentinels."""
    trio = SentinelTrio(tmp_path_factory.mktemp("shared-sentinels"))
    try:
        trio.start()
        yield trio
    finally:
        trio.kill()


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, to be killed and restarted at will."""
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="paceline-postgres-")))
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def shared_postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for the tests of one process, one after the other: not to be killed."""
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="paceline-postgres-")))
    server.start()
    yield server
    server.remove()


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[StartGateway]:
    """`start_gateway(REDIS_URL=...)`: a real gateway in its own process, killed after the test."""
    started: list[GatewayProcess] = []

    def start(**settings: str) -> GatewayProcess:
        gateway = GatewayProcess(tmp_path, **settings)
        started.append(gateway)
        gateway.start()
        return gateway

    yield start
    for gateway in started:
        gateway.kill()


@pytest.fixture
def run_node() -> RunNode:
    """`run_node("script.mjs", "argument")`: a script of tests/clients, run to its end."""

    def run(script: str, *arguments: str, timeout_seconds: float = 60) -> Completed:
        command = [str(programs.node()), str(programs.CLIENTS / script), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=timeout_seconds
        )

    return run
