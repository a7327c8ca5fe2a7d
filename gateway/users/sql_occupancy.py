"""This module owns which rooms are told of as occupied, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.users.database import Database
from gateway.users.occupancy import OwedBy
from gateway.users.sql_jobs import note_jobs
from gateway.users.tables import occupied_rooms

_AT_ONCE: Final = 500


class SqlOccupancyStore:
    """Fulfils `OccupancyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settle(
        self, occupied: Collection[str], vacated: Collection[str], owed_by: OwedBy, now_ms: int
    ) -> set[str]:
        dialect = sqlite if self._database.is_sqlite else postgresql
        began: set[str] = set()
        ended: set[str] = set()
        async with self._database.writing() as connection:
            # In one order, so that two workers wait for one another and not both for each other.
            for some in _pieces(sorted(occupied)):
                rows = [{"room": room, "seen_at_ms": now_ms} for room in some]
                keep = dialect.insert(occupied_rooms).values(rows).on_conflict_do_nothing()
                new = await connection.execute(keep.returning(occupied_rooms.c.room))
                began.update(new.scalars())
            for some in _pieces(sorted(vacated)):
                drop = delete(occupied_rooms).where(occupied_rooms.c.room.in_(some))
                gone = await connection.execute(drop.returning(occupied_rooms.c.room))
                ended.update(gone.scalars())
            await note_jobs(connection, owed_by(began, ended))
        return ended

    async def unseen(self, before_ms: int, now_ms: int, limit: int) -> Sequence[str]:
        oldest = (
            select(occupied_rooms.c.room)
            .where(occupied_rooms.c.seen_at_ms < before_ms)
            .order_by(occupied_rooms.c.seen_at_ms)
            .limit(limit)
        )
        look = (
            update(occupied_rooms)
            .where(occupied_rooms.c.room.in_(oldest))
            .values(seen_at_ms=now_ms)
            .returning(occupied_rooms.c.room)
        )
        async with self._database.writing() as connection:
            return list((await connection.execute(look)).scalars())


def _pieces(rooms: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(rooms)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
