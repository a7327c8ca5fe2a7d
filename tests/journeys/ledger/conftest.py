from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.ledger.faults import KEEP
from tests.toolbox.redis_server import RedisServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A request that is given up while its answer begins leaves aiohttp's client a connection.

    The publishers here give up many, by design; it is collected, and says so.
    """
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(
                pytest.mark.filterwarnings("ignore:Unclosed connection Connection:ResourceWarning")
            )


@pytest.fixture
def durable_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that comes back with everything that it has acknowledged."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder, *KEEP)
    server.start()
    yield server
    server.kill()
