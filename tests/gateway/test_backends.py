"""Which backends there are, by what is set."""

from __future__ import annotations

import pytest

from gateway.backends import between_workers, database_of, ingest_of, stores_of
from gateway.broker.memory import MemoryBroker
from gateway.broker.redis.broker import RedisBroker
from gateway.hub import Hub
from gateway.metrics import Metrics
from gateway.settings import Settings, SettingsInvalid
from tests.gateway.recorded_peers import RecordedPeers

REDIS = Settings(redis_url="redis://localhost:1")
DEAF = Settings(redis_url="redis://localhost:1", ingest=False)


async def test_without_redis_everything_is_in_this_process() -> None:
    between = between_workers(Settings(), "worker")
    assert isinstance(between.broker, MemoryBroker)
    assert between.hosts is None


async def test_with_redis_workers_are_found_through_it_and_called_as_they_are() -> None:
    between = between_workers(REDIS, "worker")
    assert isinstance(between.broker, RedisBroker)
    assert between.intercom.worker_id == "worker"
    assert between.hosts is not None


@pytest.mark.parametrize(
    ("settings", "is_read"),
    [
        (Settings(), False),
        (REDIS, True),
        (DEAF, False),
    ],
)
async def test_the_stream_is_read_where_there_is_one_and_it_is_wanted(
    settings: Settings, *, is_read: bool
) -> None:
    broker = between_workers(settings, "worker").broker
    hub = Hub(settings, broker, RecordedPeers())
    assert (ingest_of(settings, broker, hub, Metrics(), "worker") is not None) is is_read


def test_a_database_that_cannot_be_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(SettingsInvalid):
        database_of(Settings(database_url="mysql://localhost/users"))


def test_all_stores_are_of_one_database() -> None:
    stores = stores_of(database_of(Settings(database_url="sqlite:///users.db")))
    assert len({type(store) for store in (stores.users, stores.sessions, stores.keys)}) == 3
