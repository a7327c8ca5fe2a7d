"""The command: `python -m tests.fuzz --seconds 1200 --seed 1`.

Strangers come to a real gateway for so long, and meanwhile every reader is given its share of the
time. At the end there is a table; the exit status is 1 when anything was found.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import logging
import random
import sys
import time
from pathlib import Path
from typing import Final

from tests.fuzz import live, readers
from tests.fuzz.readers import Row
from tests.fuzz.watch import Finding
from tests.toolbox.programs import REPOSITORY

_FOLDER: Final = REPOSITORY / "reports" / "fuzz"


def _tell(sentence: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {sentence}\n")
    sys.stdout.flush()


async def _run_live(folder: Path, seed: int, seconds: float) -> list[Row]:
    visits: collections.Counter[str] = collections.Counter()
    finding, began_seconds = "", time.monotonic()
    try:
        await live.run(folder, seed, seconds, visits, _tell)
    except Finding as found:
        finding = str(found)
        _tell(f"live: {finding}")
    took_seconds = time.monotonic() - began_seconds
    return [
        Row(f"live: {kind}", "by seed", count, took_seconds, finding if not number else "")
        for number, (kind, count) in enumerate(visits.items())
    ]


async def _run(seed: int, seconds: float) -> list[Row]:
    folder = _FOLDER / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    manner = "guided by coverage" if readers.can_see_coverage() else "seeded (no Atheris here)"
    _tell(f"{seconds:.0f} s from seed {seed}, readers {manner}; everything is in {folder}")
    live_rows, reader_rows = await asyncio.gather(
        _run_live(folder, seed, seconds), readers.run_all(folder, seed, seconds, _tell)
    )
    return reader_rows + live_rows


def _show(rows: list[Row]) -> None:
    lines = [("target", "manner", "inputs", "seconds", "finding")]
    lines += [
        (
            row.target,
            row.manner,
            f"{row.inputs:,}",
            f"{row.seconds:.0f}",
            row.finding[:60] or "none",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        sys.stdout.write("  ".join(cells).replace("\n", " ").rstrip() + "\n")
    for row in rows:
        if row.finding:
            sys.stdout.write(f"\n{row.target}: {row.finding}\n")


def main() -> None:
    """Run, show the table, and say by the status whether anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    chosen = parser.parse_args()
    # A stranger that goes on writing where it was shown the door is no news.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    rows = asyncio.run(_run(chosen.seed, chosen.seconds))
    _show(rows)
    sys.exit(any(row.finding for row in rows))


if __name__ == "__main__":
    main()
