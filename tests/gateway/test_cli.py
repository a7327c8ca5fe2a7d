"""The command: what it prints, where, and with which exit code."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import run
from gateway.identity import Grants, KeySet, Role, TokenRules, identity_of_token
from tests.conftest import StartGateway
from tests.gateway.feeds import system
from tests.toolbox import raw_socket
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.ports import wait_until_listening
from tests.toolbox.programs import REPOSITORY

SECRET = "a-secret-of-thirty-two-bytes-or-more"
PRODUCTION = {"PACELINE_JWT_SECRET": SECRET}
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("gateway"))
    process.start()
    yield process
    process.kill()


# ---- what is asked wrongly


@pytest.mark.parametrize("arguments", [[], ["server"], ["config"], ["bridge"], ["token"]])
def test_an_unknown_command_is_argparse_s_own_complaint(
    arguments: list[str], capsys: Captured
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(arguments, {})

    assert ended.value.code == 2
    assert "usage: paceline" in capsys.readouterr().err


def test_every_mistake_in_the_settings_is_told_at_once_on_standard_error(capsys: Captured) -> None:
    environ = {"PORT": "http", "LOG_LEVEL": "loud", "PACELINE_JWT_SECRET": "short"}

    assert run(["serve"], environ) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "The settings are not right:",
        "  PORT is 'http': Expected `int`.",
        "  LOG_LEVEL is 'loud': not one of the values there are.",
        "  PACELINE_JWT_SECRET: secret number 1 has 5 bytes; 32 are needed (openssl rand -hex 32).",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publish", "--room", "", "{}"], "--room must be 1 to 200 printable characters."),
        (["publish", "--room", "r", "{"], "DATA: Not plain JSON"),
        (["publish", "--room", "r", "NaN"], "DATA: Not plain JSON"),
        (["publish", "--room", "r", "\udcff"], "DATA: Not plain JSON"),
        (["publish", "--room", "r", "--url", "localhost:8080", "1"], "--url (PACELINE_URL) must"),
        (["publish", "--room", "r", "--url", "http://h:99999", "1"], "--url (PACELINE_URL) must"),
        (["publish", "--room", "r", "--idempotency-key", "a\nb", "1"], "--idempotency-key must"),
        (["token", "--sub", ""], "The token's claims are not right"),
        (["token", "--sub", "a", "--join", ""], "The token's claims are not right"),
        (["token", "--sub", "a", "--ttl", "nan"], "--ttl must be a number of seconds above 0."),
        (["token", "--sub", "a", "--ttl", "inf"], "--ttl must be a number of seconds above 0."),
        (["token", "--sub", "a", "--ttl", "-1"], "--ttl must be a number of seconds above 0."),
        (["bridge", "gbfs", "--room", "r"], "give either an address or --replay SERIES"),
        (["bridge", "gbfs", "x", "--room", "r", "--speed", "-1"], "--speed must be 0 or more"),
    ],
    ids=lambda value: " ".join(value).encode("ascii", "backslashreplace").decode(),
)
def test_an_argument_that_cannot_be_is_complained_about(
    arguments: list[str], said: str, capsys: Captured
) -> None:
    assert run(arguments, PRODUCTION) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(said)


def test_a_token_that_is_none_is_not_sent_nor_shown(capsys: Captured) -> None:
    assert run(["publish", "--room", "", "1"], {"PACELINE_TOKEN": "se\ncret"}) == 2

    assert capsys.readouterr().err.splitlines() == [
        "--room must be 1 to 200 printable characters.",
        "PACELINE_TOKEN holds characters that no token has.",
    ]


# ---- token


def test_a_token_is_printed_alone_and_proves_what_was_asked_for(capsys: Captured) -> None:
    arguments = ["--sub", "ada", "--role", "service", "--join", "city:*", "--join", "x"]
    environ = PRODUCTION | {"PACELINE_JWT_ISSUER": "us", "PACELINE_JWT_AUDIENCE": "paceline"}

    assert run(["token", *arguments, "--publish", "city:paris", "--ttl", "60"], environ) == 0

    out, err = capsys.readouterr()
    now = time.time()
    rules = TokenRules("us", "paceline")
    identity = identity_of_token(out.removesuffix("\n"), KeySet.of([SECRET]), now, rules)
    assert err == ""
    assert (identity.subject, identity.role) == ("ada", Role.SERVICE)
    assert identity.grants == Grants(("city:*", "x"), ("city:paris",))
    assert identity.expires_at_seconds is not None
    assert 50 < identity.expires_at_seconds - now <= 60


def test_a_token_is_signed_with_the_newest_secret(capsys: Captured) -> None:
    newest = "the-newest-secret-of-them-all-is-first"

    assert run(["token", "--sub", "ada"], {"PACELINE_JWT_SECRET": f"{newest},{SECRET}"}) == 0

    token = capsys.readouterr().out.strip()
    identity = identity_of_token(token, KeySet.of([newest]), time.time(), TokenRules())
    assert (identity.role, identity.grants) == (Role.RIDER, Grants())


def test_without_a_secret_there_is_no_token(capsys: Captured) -> None:
    assert run(["token", "--sub", "ada"], {"PACELINE_ENV": "development"}) == 2
    assert "set PACELINE_JWT_SECRET" in capsys.readouterr().err


# ---- config check


def test_what_is_in_force_is_shown_without_its_secrets(capsys: Captured) -> None:
    environ = PRODUCTION | {
        "PORT": "9000",
        "DATABASE_URL": "postgresql://paceline:hunter2@db/paceline",
    }

    assert run(["config", "check"], environ) == 0

    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert rows["PORT"] == ["9000", "(environment)"]
    assert rows["PACELINE_DRAIN_SECONDS"] == ["20.0", "(default)"]
    assert rows["PACELINE_JWT_SECRET"] == ["********", "(environment)"]
    assert SECRET not in out
    assert "hunter2" not in out


def test_a_setting_that_is_none_is_warned_of(capsys: Captured) -> None:
    of_other_commands = {"PACELINE_URL": "http://gateway", "PACELINE_TOKEN": "x.y.z"}
    environ = PRODUCTION | {"PACELINE_COLOUR": "blue"} | of_other_commands

    assert run(["config", "check"], environ) == 0

    warnings = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert warnings == ["warning: PACELINE_COLOUR is not a setting and has no effect."]


# ---- publish


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


# ---- bridge


def test_the_bridge_tells_a_fleet_and_ends_with_0(gateway: GatewayProcess, tmp_path: Path) -> None:
    folder = system.write(tmp_path, system.feeds(bikes=3, stations=2))
    arguments = ["bridge", "gbfs", str(folder), "--room", "small city", "--once"]

    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env={"PACELINE_URL": gateway.url},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_bridge_ends_with_1_when_nothing_could_be_read(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    arguments = ["bridge", "gbfs", str(tmp_path), "--room", "r", "--once", "--url", gateway.url]

    assert run(arguments, {}) == 1


def test_a_level_that_the_log_has_not_is_complained_about(capsys: Captured) -> None:
    arguments = ["bridge", "gbfs", "x", "--room", "r", "--once"]

    assert run(arguments, {"LOG_LEVEL": "loud"}) == 2
    assert capsys.readouterr().err == "LOG_LEVEL is 'LOUD': not one of the values there are.\n"


# ---- serve


def test_a_log_that_cannot_be_written_is_counted_and_stops_nobody(free_port: int) -> None:
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--port", str(free_port)],
            env={"PACELINE_ENV": "development"},
            cwd=REPOSITORY,
            stdout=full,
            stderr=subprocess.DEVNULL,
        )
    try:
        assert wait_until_listening(free_port, 20)
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/metrics") as response:
            lines = response.read().decode().splitlines()
    finally:
        # The exit code is 120, Python's own word on a standard output that cannot be flushed.
        process.terminate()
        process.wait(20)

    dropped = next(line for line in lines if line.startswith("paceline_log_lines_dropped_total"))
    assert float(dropped.split()[1]) >= 2


def test_it_listens_on_a_port_of_the_system_s_choice_and_says_which(tmp_path: Path) -> None:
    said = _served(tmp_path, ["--port", "0"], {"PACELINE_ENV": "development"})

    listening = next(line for line in said if line["event"] == "= listening")
    assert wait_until_listening(int(listening["url"].rsplit(":", 1)[1]), 0.1) is False
    assert listening["environment"] == "development"
    assert any("a peer without a token is a rider" in line["event"] for line in said)


def test_it_says_nothing_but_lines_of_json_where_no_one_reads(tmp_path: Path) -> None:
    said = _served(tmp_path, ["--port", "0", "--host", "127.0.0.1"], PRODUCTION)

    assert [line["event"] for line in said] == ["= listening", "= stopping"]


def test_in_development_it_tells_a_person_what_to_do_next(tmp_path: Path) -> None:
    environ = {"PACELINE_ENV": "development", "PACELINE_LOG_FORMAT": "console"}
    lines = _output_of(tmp_path, ["--port", "0"], environ)

    text = "\n".join(lines)
    assert "Paceline is running at http://127.0.0.1:" in text
    assert "publish --room city:demo" in text
    assert "--url http://127.0.0.1:" in text  # the port is not the usual one


def test_several_workers_without_redis_are_refused(capsys: Captured) -> None:
    assert run(["serve", "--workers", "4"], {"PACELINE_ENV": "development"}) == 2

    assert "PACELINE_WORKERS is 4: more than one need REDIS_URL" in capsys.readouterr().err


def test_a_worker_without_a_supervisor_is_none(capsys: Captured) -> None:
    arguments = ["worker", "--slot", "0", "--listeners", "1000000", "--line", "1000001"]

    assert run(arguments, {"PACELINE_ENV": "development"}) == 2
    assert "started by `paceline serve --workers N`" in capsys.readouterr().err


def test_several_workers_say_why_they_cannot_listen(
    gateway: GatewayProcess, redis_url: str, capfd: Captured
) -> None:
    environ = {"PACELINE_ENV": "development", "REDIS_URL": redis_url}
    served = run(["serve", "--workers", "2", "--port", str(gateway.port)], environ)

    assert served == 1
    assert f"port {gateway.port}: another program listens there" in capfd.readouterr().err


def test_a_second_gateway_on_the_same_port_says_why_it_cannot(
    gateway: GatewayProcess, capfd: Captured
) -> None:
    served = run(["serve", "--port", str(gateway.port)], {"PACELINE_ENV": "development"})

    assert served == 1
    assert f"port {gateway.port}: another program listens there" in capfd.readouterr().err


def _served(folder: Path, arguments: list[str], environ: dict[str, str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in _output_of(folder, arguments, environ)]


def _output_of(folder: Path, arguments: list[str], environ: dict[str, str]) -> list[str]:
    """All that `serve` prints until it is told to stop, which is when it listens."""
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", *arguments],
            env=environ,
            cwd=REPOSITORY,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 20
        while b"listening" not in output.read_bytes() and process.poll() is None:
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.02)
        time.sleep(0.1)
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    return output.read_text().splitlines()
