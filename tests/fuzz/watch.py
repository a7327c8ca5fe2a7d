"""This module owns what has to stay true of a gateway while strangers are at it, and afterwards."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any, Final

from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.strict_gateway import (
    BYSTANDER,
    EXPIRED,
    NARROW,
    RIDER,
    SECRET,
    VIEWER,
    gauges,
    is_back_at,
    memory_bytes,
)

GROWTH_LIMIT_BYTES: Final = 50 * 1024 * 1024
CANARY_LIMIT_MS: Final = 250.0
# Whole ones: of a token that was damaged on its way here any part may be in an address or a name.
_SECRETS: Final = (SECRET, BYSTANDER, RIDER, NARROW, VIEWER, EXPIRED)
_CALM_SECONDS: Final = 20.0


class Finding(AssertionError):
    """The gateway did not keep what is asked of it."""


class Watch:
    """Reads the log, the gauges and the memory of one gateway."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self._log = gateway.log_path.open("rb")
        self._base: dict[str, float] = {}
        self._rest = b""
        self.lines = 0
        self.memory_mb: list[float] = []

    def close(self) -> None:
        """Let the log go."""
        self._log.close()

    async def begin(self) -> None:
        """Remember how it is when nobody is there but the canary."""
        self._base = await gauges(self._gateway.port)
        await self.note_memory()

    async def note_memory(self) -> None:
        """Add a point to the curve."""
        self.memory_mb.append(round(await memory_bytes(self._gateway.port) / 2**20, 1))

    def check_log(self) -> None:
        """Nothing that went wrong, nothing that is secret. Raises `Finding`."""
        *lines, self._rest = (self._rest + self._log.read()).split(b"\n")
        self.lines += len(lines)
        for line in lines:
            text = line.decode(errors="replace")
            if "Traceback" in text or _is_error(text) or any(secret in text for secret in _SECRETS):
                raise Finding(f"in the log: {text[:3000]}")

    async def check_calm(self) -> None:
        """Strangers that have gone leave nobody behind. Raises `Finding`."""
        deadline = time.monotonic() + _CALM_SECONDS
        while not await is_back_at(self._gateway.port, self._base):
            if time.monotonic() > deadline:
                now = await gauges(self._gateway.port)
                raise Finding(f"left behind: {now}, at first {self._base}")
            await asyncio.sleep(0.1)
        await self.note_memory()

    def check_memory(self) -> None:
        """It has not grown by more than is allowed. Raises `Finding`."""
        grown_mb = self.memory_mb[-1] - self.memory_mb[0]
        if grown_mb * 2**20 > GROWTH_LIMIT_BYTES:
            raise Finding(f"grown by {grown_mb:.0f} MB: {self.memory_mb}")


def _is_error(line: str) -> bool:
    try:
        return json.loads(line).get("level") in {"error", "critical", "exception"}
    except (ValueError, AttributeError):
        return False


class CanaryCage:
    """The canary's process."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.canary", str(port)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise Finding("the canary could not begin")

    def end(self) -> dict[str, Any]:
        """What it heard: sent, received, p99_ms. Raises `Finding` when that is not good enough."""
        said, _ = self._process.communicate(timeout=30)
        heard: dict[str, Any] = json.loads(said)
        times = heard.pop("times_ms")
        heard["measured"] = len(times)
        for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)):
            heard[name] = round(times[min(len(times) - 1, int(share * len(times)))], 2)
        if heard["problem"] or heard["received"] != heard["sent"]:
            raise Finding(f"the canary did not hear everything: {heard}")
        if heard["p99_ms"] > CANARY_LIMIT_MS:
            raise Finding(f"the canary waited: {heard}")
        return heard

    def kill(self) -> None:
        """Harmless when it has ended."""
        self._process.kill()
        self._process.communicate()
