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
from gateway.users.tables import changes

_AT_ONCE_LIMIT: Final = 5_000


async def note_change(connection: AsyncConnection, subject: str, now_ms: int) -> None:
    """Tell all workers of a change, when the transaction of the connection ends well."""
    await connection.execute(insert(changes).values(subject=subject, changed_at_ms=now_ms))


class SqlChangeStore:
    """Fulfils `ChangeStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self) -> int:
        async with self._database.reading() as connection:
            number = (await connection.execute(select(func.max(changes.c.number)))).scalar_one()
        return number or 0

    async def after(self, number: int) -> Sequence[Change]:
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
