"""A long run: random faults at random times, some of them two at once, all from one seed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from random import Random
from typing import Final

from tests.journeys.ledger.faults import FAULTS, KEEP, suffer
from tests.journeys.ledger.stage import Cast, Stage, on_stage
from tests.journeys.ledger.verdict import Verdict
from tests.toolbox.fleet import workers_of
from tests.toolbox.redis_server import RedisServer

WORKERS: Final = 3
OF_WORKERS: Final = ("a worker is killed", "all workers are restarted", "a worker is frozen")
OF_REDIS: Final = tuple(name for name in FAULTS if name not in OF_WORKERS)
TRANSPORTS: Final = ("websocket", "default")
SHARE_OF_PAIRS: Final = 0.3
LONGEST_REST_SECONDS: Final = 2.0


async def run(folder: Path, seed: int, seconds: float, cast: Cast | None = None) -> Verdict:
    """Break things for so long; the verdict on all of it."""
    home = folder / "redis"
    home.mkdir()
    redis = RedisServer(home, *KEEP)
    redis.start()
    try:
        workers = workers_of(folder, WORKERS, REDIS_URL=redis.url)
        dice = Random(seed)  # noqa: S311 - it has to repeat itself
        cast = cast or Cast(transports=dice.choice(TRANSPORTS))
        async with on_stage(folder, seed, workers, cast) as stage:
            await _break_things(stage, redis, dice, seconds)
    finally:
        redis.kill()
    return stage.verdict


async def _break_things(stage: Stage, redis: RedisServer, dice: Random, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if dice.random() < SHARE_OF_PAIRS:
            # never two of one sort: who is dead cannot be frozen
            async with asyncio.TaskGroup() as group:
                for names in (OF_WORKERS, OF_REDIS):
                    group.create_task(_later(stage, redis, dice.choice(names), dice.random()))
        else:
            await _suffer(stage, redis, dice.choice(list(FAULTS)))
        await asyncio.sleep(dice.uniform(0, LONGEST_REST_SECONDS))


async def _later(stage: Stage, redis: RedisServer, name: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await _suffer(stage, redis, name)


async def _suffer(stage: Stage, redis: RedisServer, name: str) -> None:
    # the other of two faults may still go on, and who never hears again is for the judge to tell
    with contextlib.suppress(TimeoutError):
        await suffer(stage, redis, name)
