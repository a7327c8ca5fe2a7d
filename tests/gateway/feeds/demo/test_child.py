import subprocess
import sys

import pytest

from gateway.feeds.demo import child
from gateway.feeds.demo.child import demo_child


def test_a_child_that_was_never_started_is_no_trouble() -> None:
    with demo_child():
        pass


def test_a_child_ends_with_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(command: list[str], stdin: int) -> subprocess.Popen[bytes]:
        assert command[1:] == [
            "-m",
            "gateway",
            "demo",
            "--url",
            "http://127.0.0.1:1",
            "--until-eof",
        ]
        # what stands in for the demo ends with its standard input, too
        started.append(popen([sys.executable, "-c", "input()"], stdin=stdin))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", start)
    with demo_child() as demo:
        demo.start("http://127.0.0.1:1")
        assert started[0].poll() is None
    assert started[0].poll() is not None


def test_a_child_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], stdin=subprocess.PIPE
    )
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: stubborn)
    monkeypatch.setattr(child, "_END_SECONDS", 0.1)
    with demo_child() as demo:
        demo.start("http://127.0.0.1:1")

    assert stubborn.poll() is not None
