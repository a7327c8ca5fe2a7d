import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from loadtest.measurement import Result
from loadtest.report import Numbers

REPOSITORY = Path(__file__).parents[2]


def run_loadtest(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=90, check=False
    )


def measure(folder: Path, scenario: str, *arguments: str) -> Result:
    done = run_loadtest(
        scenario, "--no-gateway", "--peer", "python-socketio", "--rounds", "1",
        "--report", str(folder), *arguments,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(folder.glob("*.html"))) == 1
    (numbers,) = folder.glob("*.json")
    (result,) = msgspec.json.decode(numbers.read_bytes(), type=Numbers).results
    return result


def test_a_tiny_fan_out_reaches_everybody_but_the_author(tmp_path: Path) -> None:
    result = measure(tmp_path, "fanout", "--members", "40", "--seconds", "1")
    (measured,) = result.measurements
    assert result.failures == {}
    # Ten rooms of four, one of each four publishes: three deliveries for each publication.
    assert measured.units > 100
    assert measured.expected_deliveries > 0
    assert measured.figures["missing_deliveries_count"] == 0
    assert measured.cpu_us_per_unit > 1
    assert measured.latency is not None
    assert 0 < measured.latency.summary.p50_ms <= measured.latency.summary.max_ms


def test_a_tiny_drop_is_felt_by_the_canary(tmp_path: Path) -> None:
    (measured,) = measure(tmp_path, "drop", "--members", "100", "--seconds", "3").measurements
    assert measured.units == 100
    assert measured.figures["unanswered_count"] == 0
    assert 0 < measured.figures["longest_stall_ms"] < 3000


def test_a_reader_that_stalls_is_followed_until_it_has_caught_up(tmp_path: Path) -> None:
    (measured,) = measure(
        tmp_path, "stalled-reader", "--members", "3", "--seconds", "2", "--rate", "500"
    ).measurements
    assert {check.name for check in measured.checks if check.passed} >= {
        "newest-of-every-bike", "every-removal",
    }  # fmt: skip


def test_a_server_that_is_not_there_is_named_and_not_a_traceback() -> None:
    done = run_loadtest("fanout", "--url", "http://127.0.0.1:9", "--rounds", "1", "--report", "")
    assert done.returncode == 1
    assert "paceline:" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments", [["no-such"], ["fanout", "--no-gateway"], ["fanout", "--set", "x"]]
)
def test_a_command_that_cannot_be_meant_is_refused(arguments: list[str]) -> None:
    done = run_loadtest(*arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_the_list_names_every_scenario() -> None:
    done = run_loadtest("list")
    assert all(name in done.stdout for name in ("fanout", "stalled-reader", "S9"))
