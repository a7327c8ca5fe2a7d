"""Several workers at one port are one gateway: whatever a client comes to, it is the right one."""

from __future__ import annotations

import collections
import contextlib
import os
import re
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.toolbox import programs
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.ports import free_port
from tests.toolbox.riders import Line, RiderProcess, wait_for_lines

pytestmark = pytest.mark.journey

WORKERS = 4
CLIENTS = 100
TIMEOUT_SECONDS = 60.0
HANDSHAKE = (
    b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
)


class Crew(GatewayProcess):
    """`paceline serve --workers`, and what is known of the workers from outside."""

    def __init__(self, folder: Path, redis_url: str, **settings: str) -> None:
        self.metrics_port = free_port()
        super().__init__(
            folder,
            REDIS_URL=redis_url,
            PACELINE_WORKERS=str(WORKERS),
            PACELINE_METRICS_PORT=str(self.metrics_port),
            PACELINE_DRAIN_SECONDS="5",
            **settings,
        )

    def start(self) -> None:
        """Return when all workers serve."""
        super().start()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while "= listening" not in self.log:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    @property
    def worker_processes(self) -> list[int]:
        """Of all that were ever started, those that live."""
        started = re.findall(r'"= worker started".*?"process":(\d+)', self.log)
        return [process for process in map(int, started) if _lives(process)]

    def handovers(self, way: str) -> float:
        """Requests that were handed on this way, by all workers together."""
        total = 0.0
        for worker in range(WORKERS):
            url = f"http://127.0.0.1:{self.metrics_port + worker}/metrics"
            with urllib.request.urlopen(url) as response:
                families = text_string_to_metric_families(response.read().decode())
            samples = [sample for family in families for sample in family.samples]
            assert {sample.labels["worker"] for sample in samples} == {str(worker)}
            total += sum(s.value for s in samples if s.labels.get("way") == way)
        return total

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process_id, number)

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        return self._running().wait(TIMEOUT_SECONDS)


@pytest.fixture
def crew(tmp_path: Path, redis_url: str) -> Iterator[Crew]:
    crew = Crew(tmp_path, redis_url)
    crew.start()
    yield crew
    crew.kill()
    deadline = time.monotonic() + 30
    while crew.worker_processes:  # they leave when their supervisor is gone
        assert time.monotonic() < deadline, crew.log
        time.sleep(0.05)


@contextlib.contextmanager
def crowd_at(url: str, folder: Path) -> Iterator[list[RiderProcess]]:
    """Official clients that ask for nothing: default transports, polling first."""
    python = [sys.executable, "crowd.py", url, str(CLIENTS)]
    javascript = [str(programs.node()), "crowd.mjs", url, str(CLIENTS)]
    with contextlib.ExitStack() as ends:
        yield [
            ends.enter_context(RiderProcess(folder / f"crowd-{number}.jsonl", *command))
            for number, command in enumerate((python, javascript))
        ]


def all_have_upgraded(lines: list[Line]) -> bool:
    """Whether every client has come to a WebSocket."""
    return sum("upgraded" in line for line in lines) == 2 * CLIENTS


def test_default_transports_need_no_sticky_balancer(crew: Crew, tmp_path: Path) -> None:
    with crowd_at(crew.url, tmp_path) as crowd:
        wait_for_lines(crowd, all_have_upgraded, TIMEOUT_SECONDS)
        lines = [line for rider in crowd for line in rider.lines()]

    assert [line for line in lines if "error" in line or "disconnected" in line] == []
    upgraded = [line for line in lines if "upgraded" in line]
    assert {line["upgraded"] for line in upgraded} == {"websocket"}
    sessions = collections.Counter(line["id"][:6] for line in upgraded)
    assert len(sessions) == WORKERS
    assert min(sessions.values()) > CLIENTS / 8, "connections are spread over the workers"
    assert crew.handovers("given") == crew.handovers("taken") > CLIENTS
    assert "Traceback" not in crew.log


def test_when_it_is_told_to_go_nobody_is_refused_and_nobody_leaves_in_a_crowd(
    crew: Crew, tmp_path: Path
) -> None:
    with crowd_at(crew.url, tmp_path) as crowd:
        wait_for_lines(crowd, all_have_upgraded, TIMEOUT_SECONDS)
        with knocking(crew.port) as answers:
            crew.send(signal.SIGTERM)
            began = time.monotonic()
            status = crew.wait()
            lasted_seconds = time.monotonic() - began
        goodbyes = [line for rider in crowd for line in rider.lines() if "goodbye" in line]

    assert status == 0
    assert lasted_seconds < 5 + 2
    assert len(goodbyes) == 2 * CLIENTS
    slots = collections.Counter(line["at"] // 100 for line in goodbyes)
    assert len(slots) >= 4, "a batch every tenth of a second"
    assert max(slots.values()) < 2 * CLIENTS / 2
    # Until the very end somebody answers; then the port is gone, all at once.
    heard = [answer for answer in answers if answer != "refused"]
    assert answers[: len(heard)] == heard
    assert set(heard) <= {"200", "503", "ended"}
    assert heard.count("ended") <= 2
    assert "503" in heard
    assert crew.worker_processes == []


def test_workers_are_replaced_without_one_connection_refused(crew: Crew, tmp_path: Path) -> None:
    before = crew.worker_processes
    with crowd_at(crew.url, tmp_path) as crowd, knocking(crew.port) as answers:
        wait_for_lines(crowd, all_have_upgraded, TIMEOUT_SECONDS)
        crew.send(signal.SIGHUP)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while "= workers replaced" not in crew.log:
            assert time.monotonic() < deadline, crew.log
            time.sleep(0.05)
        lines = [line for rider in crowd for line in rider.lines()]

    assert len(crew.worker_processes) == WORKERS
    assert not set(before) & set(crew.worker_processes)
    assert set(answers) == {"200"}
    assert [line for line in lines if "error" in line] == []
    assert sum("goodbye" in line for line in lines) >= 2 * CLIENTS
    assert crew.stop() == 0


def test_a_worker_that_was_killed_is_started_again_and_the_others_go_on(
    crew: Crew, tmp_path: Path
) -> None:
    with crowd_at(crew.url, tmp_path) as crowd:
        wait_for_lines(crowd, all_have_upgraded, TIMEOUT_SECONDS)
        victim, *others = crew.worker_processes
        os.kill(victim, signal.SIGKILL)

        def all_are_back(lines: list[Line]) -> bool:
            lost = sum("disconnected" in line for line in lines)
            return 0 < lost == sum("connected" in line for line in lines) - 2 * CLIENTS

        wait_for_lines(crowd, all_are_back, TIMEOUT_SECONDS)
        lines = [line for rider in crowd for line in rider.lines()]

    lost = sum("disconnected" in line for line in lines)
    assert lost < CLIENTS, "about a quarter of all"
    assert set(others) < set(crew.worker_processes)
    assert len(crew.worker_processes) == WORKERS
    assert crew.stop() == 0


def test_without_their_supervisor_workers_go_politely(crew: Crew, tmp_path: Path) -> None:
    with crowd_at(crew.url, tmp_path) as crowd:
        wait_for_lines(crowd, all_have_upgraded, TIMEOUT_SECONDS)
        crew.kill()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while crew.worker_processes:
            assert time.monotonic() < deadline, crew.log
            time.sleep(0.05)
        goodbyes = [line for rider in crowd for line in rider.lines() if "goodbye" in line]

    assert len(goodbyes) == 2 * CLIENTS


@contextlib.contextmanager
def knocking(port: int) -> Iterator[list[str]]:
    """One who asks for a new session again and again, each time on a new connection."""
    answers: list[str] = []
    is_over = threading.Event()

    def knock() -> None:
        while not is_over.wait(0.01):
            answers.append(_answer_at(port))

    knocker = threading.Thread(target=knock)
    knocker.start()
    try:
        yield answers
    finally:
        is_over.set()
        knocker.join()


def _answer_at(port: int) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(HANDSHAKE)
            answer = connection.recv(100)
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "ended"  # it was waiting to be accepted when the last one left
    return answer[9:12].decode() or "ended"


def _lives(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
