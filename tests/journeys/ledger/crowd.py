"""A crowd of members in a process of its own: `python -m tests.journeys.ledger.crowd`.

Arguments: the port to come to, a file to write records to, how many, how many rooms, and for how
many seconds they spread their return. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from random import Random
from typing import Final

import uvloop

from gateway.rest.admission import raise_descriptor_limit
from tests.journeys.ledger.attendance import Attendance
from tests.journeys.ledger.members import RawMember
from tests.journeys.ledger.records import Book

_FLUSH_SECONDS: Final = 0.1


async def be_there(port: int, file: Path, count: int, rooms: int, spread_seconds: float) -> None:
    """Keep everybody in until standard input ends."""
    book, dice = Book(file), Random(count)  # noqa: S311 - it has to repeat itself
    members = [
        RawMember(
            Attendance(f"one of many {number}", [f"room:{number % rooms}"], book),
            port,
            Random(dice.random()),  # noqa: S311 - the same
            spread_seconds,
        )
        for number in range(count)
    ]
    tasks = [asyncio.create_task(member.live_forever()) for member in members]
    tasks.append(asyncio.create_task(_flush_forever(book)))
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    book.close()


async def _flush_forever(book: Book) -> None:
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        book.flush()


if __name__ == "__main__":
    raise_descriptor_limit()
    _port, _file, _count, _rooms, _spread = sys.argv[1:]
    uvloop.run(be_there(int(_port), Path(_file), int(_count), int(_rooms), float(_spread)))
