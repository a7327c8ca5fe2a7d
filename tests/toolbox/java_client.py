"""This module owns the run of the official Java client against a real gateway: `make java`.

It is no test of the suite, since a machine may have no JDK and reach no Maven repository.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import aiohttp

from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.programs import CLIENTS
from tests.toolbox.relay import relay_to
from tests.toolbox.riders import RiderProcess

PROJECT: Final = CLIENTS / "java"
ROOM: Final = "city:java"
COUNT: Final = 60
CUTS: Final = {15: 25, 35: 45}  # the line is cut behind one publication, and mended behind another
_WAIT_SECONDS: Final = 60.0


def compiled(folder: Path) -> str:
    """Fetch what the client needs, compile, and return the class path."""
    libraries = folder / "lib"
    fetch = ["mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies"]
    subprocess.run([*fetch, f"-DoutputDirectory={libraries}"], cwd=PROJECT, check=True)
    source = PROJECT / "src" / "main" / "java" / "Watcher.java"
    path = f"{folder}:{libraries}/*"
    subprocess.run(["javac", "-cp", path, "-d", str(folder), str(source)], check=True)  # noqa: S607 - and JDK
    return path


async def watched(folder: Path, class_path: str) -> list[str]:
    """The lines of a client whose line is cut twice while bikes report."""
    gateway = GatewayProcess(folder)
    await asyncio.to_thread(gateway.start)
    output = folder / "watcher.out"
    try:
        async with relay_to(gateway.port) as relay, aiohttp.ClientSession() as session:
            command = ["java", "-cp", class_path, "Watcher", relay.url, ROOM]
            with RiderProcess(output, *command):
                await _until(output, "snapshot ")
                for number in range(COUNT):
                    # each another bike: of one and the same a polling client gets the newest
                    update = {"bike_id": f"bike-{number}", "number": number}
                    event = {"event": "bike-update", "data": update}
                    url = f"{gateway.url}/api/rooms/{ROOM}/events"
                    async with session.post(url, json=event) as answer:
                        answer.raise_for_status()
                    if number in CUTS:
                        relay.is_up = False
                        relay.cut()
                        await _until(output, "lost", list(CUTS).index(number) + 1)
                    if number in CUTS.values():
                        relay.is_up = True
                        await _until(output, "recovered ", list(CUTS.values()).index(number) + 1)
                await _until(output, f'"number":{COUNT - 1}')
    finally:
        gateway.kill()
    return _said(output).splitlines()


def _said(output: Path) -> str:
    return output.read_text()


async def _until(output: Path, text: str, times: int = 1) -> None:
    async with asyncio.timeout(_WAIT_SECONDS):
        while _said(output).count(text) < times:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.05)


def main() -> int:
    """Run it, and say what came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = asyncio.run(watched(folder, compiled(folder)))
    moved = [line.removeprefix("moved ") for line in lines if line.startswith("moved ")]
    numbers = [json.loads(line)["number"] for line in moved]
    told = f"{len(numbers)} of {COUNT}, {sum(line.startswith('recovered ') for line in lines)} gaps"
    sys.stdout.write(f"{told}\n")
    return 0 if numbers == list(range(COUNT)) else 1


if __name__ == "__main__":
    sys.exit(main())
