"""This module owns a real gateway for tests: `paceline serve` in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.toolbox.ports import free_port
from tests.toolbox.programs import REPOSITORY

SERVE: Final = (sys.executable, "-m", "gateway", "serve")
_START_SECONDS = 20.0
_START_ATTEMPTS = 5
_STOP_SECONDS = 30.0


class GatewayProcess:
    """`python -m gateway serve` in development mode on a free port of 127.0.0.1, log in a file.

    Settings are environment variables: `GatewayProcess(folder, REDIS_URL=...)`. Nothing is
    inherited that configures a gateway, so a developer's own settings do not leak into tests.
    `command` is for a gateway that is started in an unusual way.
    """

    def __init__(self, folder: Path, *, command: Sequence[str] = SERVE, **settings: str) -> None:
        self._command = command
        self.port = free_port()
        self.log_path = folder / f"gateway-{self.port}.log"
        self._folder = folder
        defaults = {
            "PACELINE_ENV": "development",
            "HOST": "127.0.0.1",
            "PACELINE_DRAIN_NOTICE_SECONDS": "0",  # no balancer has to notice anything
            "PACELINE_RUN_DIRECTORY": str(folder / "run"),
        }
        self._settings = defaults | settings
        self._process: subprocess.Popen[bytes] | None = None
        self._has_listened = False

    @property
    def host(self) -> str:
        return self._settings["HOST"]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def process_id(self) -> int:
        return self._running().pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def set(self, **settings: str) -> None:
        """Settings beside those there are, or in their place, for the next start."""
        self._settings |= settings

    def start(self) -> None:
        """Return when it listens; move to another port if somebody took this one before.

        Raises with its log when it does not listen. Started again it keeps its port.
        """
        for _ in range(_START_ATTEMPTS):
            if self._starts():
                return
            if self._has_listened or "another program listens there already" not in self.log:
                break
            self.port = free_port()
            self.log_path = self._folder / f"gateway-{self.port}.log"
        raise RuntimeError(f"the gateway does not listen on {self.port}:\n{self.log}")

    def _starts(self) -> bool:
        said = len(self.log)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        # the port alone would not do: the one who answers there may be a stranger
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if "= listening" in self.log[said:]:
                self._has_listened = True
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def change(self, **settings: str) -> None:
        """Other settings, from the next start on."""
        self._settings |= settings

    def stop(self) -> int:
        """SIGTERM, and wait for the drain: its exit status, 0 when it went politely."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(_STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL: no good-bye to anybody. Harmless when it is down already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers, as on a frozen machine."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        python = {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
        return kept | python | self._settings | {"PORT": str(self.port)}

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the gateway is not running")
        return self._process
