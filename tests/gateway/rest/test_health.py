"""What balancers and Prometheus ask."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.memory import MemoryBroker
from gateway.rest import readiness
from tests.gateway.rest.conftest import DEVELOPMENT, Door, OpenDoor
from tests.toolbox.ports import free_port


class BrokerAway(MemoryBroker):
    async def ping(self) -> None:
        raise BrokerUnavailable(reason="not heard for 3.0 s")


class BrokerSilent(MemoryBroker):
    async def ping(self) -> None:
        await asyncio.Event().wait()


async def test_a_process_that_answers_lives_whatever_else_is_wrong(open_door: OpenDoor) -> None:
    door = await open_door(DEVELOPMENT, BrokerAway)
    door.health.is_draining = True

    async with door.client.get("/healthz") as response:
        assert (response.status, await response.json()) == (200, {"data": {"status": "ok"}})


async def test_a_gateway_in_good_order_is_ready(door: Door) -> None:
    async with door.client.get("/readyz") as response:
        answer = await response.json()

    checks = {"accepting": "ok", "broker": "ok", "store": "ok"}
    assert response.status == 200
    assert answer == {"data": {"status": "ready", "checks": checks}}


async def test_a_gateway_that_is_going_away_says_so(door: Door) -> None:
    door.health.is_draining = True

    async with door.client.get("/readyz") as response:
        answer = await response.json()

    checks = {"accepting": "draining", "broker": "ok", "store": "ok"}
    assert response.status == 503
    assert answer["data"]["status"] == "not ready"
    assert answer["data"]["checks"] == checks
    assert "told to stop" in answer["data"]["reasons"]["accepting"]["reason"]


@pytest.mark.parametrize(
    ("broker", "reason"),
    [(BrokerAway, "not heard for 3.0 s"), (BrokerSilent, "no answer within 0.05 s")],
)
async def test_without_its_broker_a_gateway_is_not_ready(
    open_door: OpenDoor,
    broker: type[MemoryBroker],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "_PING_TIMEOUT_SECONDS", 0.05)
    door = await open_door(DEVELOPMENT, broker)

    async with door.client.get("/readyz") as response:
        answer = await response.json()

    assert response.status == 503
    checks = {"accepting": "ok", "broker": "unavailable", "store": "ok"}
    assert answer["data"]["checks"] == checks
    assert answer["data"]["reasons"]["broker"]["reason"] == reason


async def test_prometheus_can_read_the_numbers(door: Door) -> None:
    await door.post("paris", [{"event": "tick"}, {"event": "tock"}, {"event": "connect"}])

    async with door.client.get("/metrics") as response:
        text = await response.text()

    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert samples["paceline_publications_total", "accepted"] == 2
    assert samples["paceline_refusals_total", "RESERVED_EVENT"] == 1


async def test_head_is_answered_without_a_body(door: Door) -> None:
    async with door.client.head("/readyz") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_without_its_user_store_a_gateway_is_ready_for_sockets(open_door: OpenDoor) -> None:
    nowhere = f"postgresql://paceline@127.0.0.1:{free_port()}/users"
    door = await open_door(DEVELOPMENT | {"DATABASE_URL": nowhere})

    async with door.client.get("/readyz") as response:
        answer = await response.json()

    assert response.status == 200
    checks = {"accepting": "ok", "broker": "ok", "store": "unavailable"}
    assert answer["data"]["status"] == "ready"
    assert answer["data"]["checks"] == checks
    reason = answer["data"]["reasons"]["store"]["reason"]
    assert "does not answer" in reason
    assert "127.0.0.1" not in reason, "strangers read this"

    async with door.client.get("/metrics") as response:
        text = await response.text()
    assert 'paceline_check_passed{check="store"} 0.0' in text
    assert 'paceline_check_passed{check="broker"} 1.0' in text
    assert "paceline_ready 1.0" in text
