"""`paceline publish`."""

from __future__ import annotations

import asyncio
import io
import json
import sys

import pytest

from gateway.cli import run
from tests.conftest import StartGateway
from tests.toolbox import raw_socket
from tests.toolbox.gateway_process import GatewayProcess

SECRET = "a-secret-of-thirty-two-bytes-or-more"
PRODUCTION = {"PACELINE_JWT_SECRET": SECRET}
Captured = pytest.CaptureFixture[str]


async def test_an_event_from_an_argument_or_a_pipe_reaches_the_room_as_written(
    gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    room = "both ways / ü"
    text = '{"bike_id":"1","lat":48.12345678901234567,"roomId":"both ways / ü"}'
    piped = io.TextIOWrapper(io.BytesIO(f"{text}\n".encode()))
    monkeypatch.setattr(sys, "stdin", piped)
    environ = {"PACELINE_URL": gateway.url + "/"}
    async with raw_socket.connected(gateway.url) as rider:
        await rider.ask("join-room", json.dumps(room))
        assert await asyncio.to_thread(run, ["publish", "--room", room, text], environ) == 0
        shop = ["--event", "shop-item", "--idempotency-key", "7", "-"]
        assert await asyncio.to_thread(run, ["publish", "--room", room, *shop], environ) == 0

        assert await rider.event() == f'["bike-updated",{text}]'
        assert await rider.event() == f'["shop-item",{text}]'

    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["data"]["roomId"] for answer in answers] == [room, room]


def test_a_refusal_is_told_on_standard_error(gateway: GatewayProcess, capsys: Captured) -> None:
    arguments = ["publish", "--room", "r", "--event", "goodbye", "--url", gateway.url, "1"]

    assert run(arguments, {"PACELINE_TOKEN": "not.a.token"}) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith('The gateway answered 401: {"error":{"code":"TOKEN_INVALID"')
    assert "not.a.token" not in err


def test_a_gateway_that_is_not_there_is_said_plainly(free_port: int, capsys: Captured) -> None:
    arguments = ["publish", "--room", "r", "--url", f"http://127.0.0.1:{free_port}", "1"]

    assert run(arguments, {}) == 1
    assert capsys.readouterr().err == (
        f"The gateway was not reached: cannot connect to 127.0.0.1:{free_port}.\n"
    )


async def test_with_a_token_production_takes_what_it_grants(
    start_gateway: StartGateway, capsys: Captured
) -> None:
    gateway = start_gateway(PACELINE_ENV="production", PACELINE_JWT_SECRET=SECRET)
    run(["token", "--sub", "backend", "--role", "service", "--publish", "city:*"], PRODUCTION)
    environ = {"PACELINE_URL": gateway.url, "PACELINE_TOKEN": capsys.readouterr().out}

    def publish(room: str, with_token: dict[str, str]) -> int:
        return run(["publish", "--room", room, "{}"], with_token)

    assert await asyncio.to_thread(publish, "city:paris", environ) == 0
    assert await asyncio.to_thread(publish, "lyon", environ) == 1
    assert await asyncio.to_thread(publish, "city:paris", environ | {"PACELINE_TOKEN": ""}) == 1
    assert SECRET not in gateway.log
