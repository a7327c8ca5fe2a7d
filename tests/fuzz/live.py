"""This module owns the run of strangers against a real gateway, round by round."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz.strangers import visit
from tests.fuzz.watch import CanaryCage, Finding, Watch
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.strict_gateway import SECRET

Tell = Callable[[str], None]

_STRANGERS: Final = 6
_ROUND_SECONDS: Final = 30.0
_KINDS: Final = """
[[room]]
pattern = "*"
history_seconds = 5
tombstone_seconds = 5
idle_seconds = 6
"""


def gateway_for_strangers(folder: Path) -> GatewayProcess:
    """Production, with tokens; what only limits how fast a stranger may go is out of the way.

    Rooms are forgotten within seconds: memory that grows is then a leak and not what was kept.
    """
    kinds = folder / "kinds.toml"
    kinds.write_text(_KINDS)
    return GatewayProcess(
        folder,
        PACELINE_ENV="production",
        PACELINE_JWT_SECRET=SECRET,
        PACELINE_LOG_FORMAT="json",
        PACELINE_CONFIG=str(kinds),
        PACELINE_CONNECT_TIMEOUT_SECONDS="1",
        PACELINE_UPGRADE_TIMEOUT_SECONDS="1",
        PACELINE_PING_INTERVAL_SECONDS="3",
        PACELINE_PING_TIMEOUT_SECONDS="2",
        PACELINE_HANDSHAKES_PER_SECOND_PER_ADDRESS="0",
        LOG_LEVEL="DEBUG",
    )


async def run(
    folder: Path, seed: int, seconds: float, visits: collections.Counter[str], tell: Tell
) -> None:
    """Let strangers in for so long, and count them.

    Raises `Finding`, with the seed of the round it was found in.
    """
    gateway = gateway_for_strangers(folder)
    gateway.start()
    try:
        with _watching(gateway) as (watch, cage):
            await watch.begin()
            await _rounds(gateway, watch, seed, seconds, visits, tell)
            heard = cage.end()
            watch.check_memory()
        status = gateway.stop()
        if status != 0:
            raise Finding(f"the gateway ended with status {status}")
        tell(f"live: {sum(visits.values())} visits, {watch.lines} lines of log, status 0")
        tell(f"live: canary {heard}; memory in MB {watch.memory_mb}")
    finally:
        gateway.kill()


@contextlib.contextmanager
def _watching(gateway: GatewayProcess) -> Iterator[tuple[Watch, CanaryCage]]:
    cage = CanaryCage(gateway.port)
    with contextlib.closing(Watch(gateway)) as watch:
        try:
            yield watch, cage
        finally:
            cage.kill()


async def _rounds(  # noqa: PLR0913, PLR0917 - what a run is made of
    gateway: GatewayProcess,
    watch: Watch,
    seed: int,
    seconds: float,
    visits: collections.Counter[str],
    tell: Tell,
) -> None:
    end = time.monotonic() + seconds
    number = 0
    while (left_seconds := end - time.monotonic()) > 0:
        began = time.monotonic()
        try:
            await _round(
                gateway, f"{seed}-{number}", min(_ROUND_SECONDS, left_seconds), watch, visits
            )
            await watch.check_calm()
            watch.check_log()
        except (Finding, ConnectionError) as error:
            watch.check_log()  # what is written there says more
            raise Finding(f"round {seed}-{number}: {error!r}") from error
        took_seconds = time.monotonic() - began
        tell(
            f"live: round {number}, {took_seconds:.0f} s, {sum(visits.values())} visits, "
            f"{watch.memory_mb[-1]} MB"
        )
        number += 1


async def _round(
    gateway: GatewayProcess,
    seed: str,
    seconds: float,
    watch: Watch,
    visits: collections.Counter[str],
) -> None:
    end = time.monotonic() + seconds

    async def stranger(name: int) -> None:
        random = Random(f"{seed}-{name}")
        while time.monotonic() < end:
            visits[await visit(gateway.port, random)] += 1

    async with asyncio.TaskGroup() as group:
        for name in range(_STRANGERS):
            group.create_task(stranger(name))
    watch.check_log()
