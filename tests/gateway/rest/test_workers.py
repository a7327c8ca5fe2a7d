"""`/api/workers`: who there is, and how one of them is made to leave."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from gateway.identity import Role
from tests.gateway.rest.conftest import PRODUCTION, WORKER, OpenDoor

DRAIN = f"/api/workers/{WORKER.worker_id}/drain"


async def test_workers_are_listed(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    answer = await door.ask("GET", "/api/workers", role=Role.OPERATOR)

    assert answer.status == 200
    assert answer.data[0]["workerId"] == WORKER.worker_id
    assert answer.body["meta"] == {"total": 1}


async def test_a_worker_is_drained_and_the_log_says_by_whom(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    with capture_logs() as lines:
        answer = await door.ask("POST", DRAIN, role=Role.OPERATOR, subject="olga")

    assert (answer.status, answer.data) == (202, {"workerId": WORKER.worker_id})
    assert door.drained == ["this one"]
    (audit,) = (line for line in lines if line["event"] == "= audit")
    assert (audit["by"], audit["action"], audit["whom"]) == (
        "olga",
        "worker.drained",
        WORKER.worker_id,
    )


async def test_a_worker_that_there_is_not_is_not_found(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    answer = await door.ask("POST", "/api/workers/nobody/drain", role=Role.ADMIN)

    assert (answer.status, answer.code, door.drained) == (404, "NOT_FOUND", [])


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/workers"), ("POST", DRAIN)])
@pytest.mark.parametrize("role", [Role.VIEWER, Role.RIDER, Role.SERVICE, None])
async def test_it_takes_an_operator(
    open_door: OpenDoor, method: str, path: str, role: Role | None
) -> None:
    door = await open_door(PRODUCTION)
    answer = await door.ask(method, path, role=role)

    assert answer.status == (401 if role is None else 403)
    assert door.drained == []
