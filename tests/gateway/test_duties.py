"""What there is to do beside serving, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.backends import Stores, database_of, stores_of
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.duties import outbox_of, runner_of, teller_of
from gateway.hub import Hub
from gateway.metrics import Metrics, render
from gateway.settings import RoomKind, Settings
from gateway.settings.webhooks import Webhook
from gateway.users.outbox import UserEvent
from tests.gateway.recorded_peers import RecordedPeers
from tests.gateway.users.people import person

SHOP = Webhook(name="shop", url="https://shop.example", secret="whsec_" + "c2hv" * 8)
CREATED = UserEvent(name="created", user=person(1), at_ms=1)


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    database = database_of(Settings(database_url=f"sqlite:///{tmp_path}/users.db"))
    await database.start()
    yield stores_of(database)
    await database.stop()


def test_what_a_new_user_causes_depends_on_what_is_set() -> None:
    def lanes(settings: Settings) -> list[str]:
        outbox = outbox_of(settings)
        return [] if outbox is None else [job.lane for job in outbox(CREATED)]

    assert outbox_of(Settings()) is None
    assert lanes(Settings(environment="development")) == ["mail"]
    assert lanes(Settings(webhooks=(SHOP,))) == ["webhook shop"]
    assert lanes(Settings(mail_dir="mail", webhooks=(SHOP,))) == ["mail", "webhook shop"]


async def test_the_numbers_of_a_runner_are_among_the_metrics(
    stores: Stores, tmp_path: Path
) -> None:
    metrics = Metrics()
    runner_of(Settings(backup_dir=str(tmp_path)), stores, metrics)

    assert "paceline_jobs_waiting 0.0" in render(metrics)


async def test_rooms_are_told_of_where_somebody_wants_to_hear_and_a_room_asks(
    stores: Stores,
) -> None:
    loud = RoomKind(pattern="city:*", webhooks=True)

    def is_told(settings: Settings) -> bool:
        broker = MemoryBroker(MemoryRooms(settings.kind_of))
        hub = Hub(settings, broker, RecordedPeers())
        return teller_of(settings, stores, hub, broker, Metrics()) is not None

    assert is_told(Settings(webhooks=(SHOP,), room_kinds=(loud,)))
    assert not is_told(Settings(webhooks=(SHOP,)))
    assert not is_told(Settings(room_kinds=(loud,)))
