"""This module owns the changes that workers tell one another through the database.

A change is written in the transaction that makes it, so it is heard of if and only if it was made,
whoever made it: another worker, or a command. Numbers are given out before transactions end, so a
lower one may appear after a higher one: a reader looks back a little, at what it has seen already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.users.changes import Change
from gateway.users.database import Database
from gateway.users.stillness import Mark
from gateway.users.tables import changes

_AT_ONCE_LIMIT: Final = 5_000


async def note_change(connection: AsyncConnection, subject: str, now_ms: int) -> None:
    """Tell all workers of a change, when the transaction of the connection ends well."""
    await connection.execute(insert(changes).values(subject=subject, changed_at_ms=now_ms))


class SqlChangeStore:
    """Fulfils `ChangeStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mark: Mark | None = None
        self._known: tuple[int, Sequence[Change]] | None = None  # the last answer, as of the mark

    async def latest(self) -> int:
        async with self._database.reading() as connection:
            number = (await connection.execute(select(func.max(changes.c.number)))).scalar_one()
        return number or 0

    async def after(self, number: int) -> Sequence[Change]:
        """As the contract has it; a database that nobody has written to is not asked again."""
        mark = (
            self._database.mark()
        )  # first: what is written while it answers is news the next time
        if mark is not None and mark == self._mark and self._known and self._known[0] == number:
            return self._known[1]
        found = await self._read_after(number)
        self._mark, self._known = mark, (number, found)
        return found

    async def _read_after(self, number: int) -> Sequence[Change]:
        statement = (
            select(changes.c.number, changes.c.subject)
            .where(changes.c.number > number)
            .order_by(changes.c.number)
            .limit(_AT_ONCE_LIMIT)
        )
        async with self._database.reading() as connection:
            return [Change(*row) for row in (await connection.execute(statement)).all()]

    async def forget(self, before_ms: int) -> None:
        async with self._database.writing() as connection:
            await connection.execute(delete(changes).where(changes.c.changed_at_ms < before_ms))
