"""This module owns a real OpenID provider for tests: panva's `oidc-provider`, in a process."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.toolbox import programs
from tests.toolbox.ports import free_port

_START_SECONDS: Final = 30.0
_START_ATTEMPTS: Final = 5


class OpenIdProvider:
    """Serves one client on a free port of 127.0.0.1, until it is killed; its log is in a file."""

    def __init__(self, folder: Path, client_id: str, client_secret: str, gateway_url: str) -> None:
        self._log_path = folder / "provider.log"
        self.port = free_port()
        self._client = {
            "client_id": client_id,
            "client_secret": client_secret,
            "redirect_uris": [f"{gateway_url}/api/sign-in/panva/callback"],
            "post_logout_redirect_uris": [f"{gateway_url}/"],
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}"  # to browsers another site than 127.0.0.1

    @property
    def log(self) -> str:
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def start(self) -> None:
        """Return when it listens; move to another port if somebody took this one."""
        for _ in range(_START_ATTEMPTS):
            if self._starts():
                return
            self.port = free_port()
        raise RuntimeError(f"the provider does not start:\n{self.log}")

    def kill(self) -> None:
        """SIGKILL. Harmless when it is down already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _starts(self) -> bool:
        script = str(programs.CLIENTS / "openid-provider.mjs")
        command = [str(programs.node()), script, str(self.port), json.dumps(self._client)]
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if "listening" in self.log:
                return True
            time.sleep(0.02)
        self.kill()
        return False
