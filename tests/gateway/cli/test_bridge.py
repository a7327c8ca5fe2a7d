"""`paceline bridge`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import run
from tests.gateway.feeds import system
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.programs import REPOSITORY

Captured = pytest.CaptureFixture[str]


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
