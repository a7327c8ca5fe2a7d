from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.ledger.faults import KEEP
from tests.toolbox.redis_server import RedisServer


@pytest.fixture
def durable_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that comes back with everything that it has acknowledged."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder, *KEEP)
    server.start()
    yield server
    server.kill()
