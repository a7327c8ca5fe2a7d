"""This module owns the run of all targets that need no network, each in a process of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz.targets import NAMES
from tests.toolbox.programs import REPOSITORY

# What libFuzzer and `tests.fuzz.seeded` end with.
_INPUTS: Final = re.compile(r"^(?:inputs|stat::number_of_executed_units): +(\d+)$", re.MULTILINE)
_START_LIMIT_SECONDS: Final = 60.0
_TOLD_CHARACTERS: Final = 2000


class Row(NamedTuple):
    """What became of one target."""

    target: str
    manner: str
    inputs: int
    seconds: float
    finding: str = ""


def can_see_coverage() -> bool:
    """Whether Atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


async def run_all(
    folder: Path, seed: int, seconds: float, tell: Callable[[str], None]
) -> list[Row]:
    """One after the other; together they take about so long. What they said is in `folder`."""
    rows: list[Row] = []
    for name in NAMES:
        row = await _run(name, folder, seed, seconds / len(NAMES))
        rows.append(row)
        tell(f"{name}: {row.inputs} inputs, {row.finding or 'nothing found'}")
    return rows


async def _run(name: str, folder: Path, seed: int, seconds: float) -> Row:
    is_guided = can_see_coverage()
    command = list(
        _guided(name, folder, seed, seconds) if is_guided else _seeded(name, seed, seconds)
    )
    log_path = folder / f"{name}.log"
    began_seconds = time.monotonic()
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, cwd=REPOSITORY, stdout=log, stderr=log
        )
        try:
            async with asyncio.timeout(seconds + _START_LIMIT_SECONDS):
                status: int | None = await process.wait()
        except TimeoutError:
            status = None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    said = log_path.read_text(errors="replace")
    counted = _INPUTS.search(said)
    return Row(
        name,
        "by coverage" if is_guided else "by seed",
        int(counted[1]) if counted else 0,
        time.monotonic() - began_seconds,
        _finding_of(status, said),
    )


def _finding_of(status: int | None, said: str) -> str:
    if status == 0:
        return ""
    what = "did not end" if status is None else f"ended with status {status}"
    _, marker, exception = said.partition("=== Uncaught Python exception: ===")
    return (
        f"{what}: {(exception if marker else said[-_TOLD_CHARACTERS:])[:_TOLD_CHARACTERS].strip()}"
    )


def _guided(name: str, folder: Path, seed: int, seconds: float) -> Iterator[str]:
    corpus = folder / f"corpus-{name}"
    corpus.mkdir(exist_ok=True)
    yield from ("tests.fuzz.guided", name, str(corpus), f"-seed={seed}")
    yield from (f"-max_total_time={max(1, round(seconds))}", "-print_final_stats=1")
    yield f"-artifact_prefix={folder}/{name}-"


def _seeded(name: str, seed: int, seconds: float) -> Iterator[str]:
    yield from ("tests.fuzz.seeded", name, str(seed), str(seconds))
