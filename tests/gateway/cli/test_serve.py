"""`paceline serve`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from gateway.cli import run
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.ports import wait_until_listening

SECRET = "a-secret-of-thirty-two-bytes-or-more"
PRODUCTION = {"PACELINE_JWT_SECRET": SECRET}
Captured = pytest.CaptureFixture[str]


def test_a_log_that_cannot_be_written_is_counted_and_stops_nobody(
    free_port: int, tmp_path: Path
) -> None:
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--port", str(free_port)],
            env={"PACELINE_ENV": "development", "PACELINE_DRAIN_NOTICE_SECONDS": "0"},
            cwd=tmp_path,
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
            env=environ | {"PACELINE_DRAIN_NOTICE_SECONDS": "0"},
            cwd=folder,
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
