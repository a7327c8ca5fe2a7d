"""This module owns forgetting what has ended, in SQL."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ColumnElement, delete, select

from gateway.users.database import Database
from gateway.users.tables import api_keys, creations, sessions

_AT_ONCE: Final = 5_000


class SqlHousekeepingStore:
    """Fulfils `HousekeepingStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget_sessions(self, before_ms: int) -> int:
        return await self._forget(sessions.c.id, sessions.c.expires_at_ms < before_ms)

    async def forget_keys(self, before_ms: int) -> int:
        return await self._forget(api_keys.c.id, api_keys.c.expires_at_ms < before_ms)

    async def forget_creations(self, before_ms: int) -> int:
        return await self._forget(creations.c.key, creations.c.created_at_ms < before_ms)

    async def _forget(self, key: Column[str], has_ended: ColumnElement[bool]) -> int:
        some = select(key).where(has_ended).limit(_AT_ONCE)
        statement = delete(key.table).where(key.in_(some))
        total = 0
        while True:
            async with self._database.writing() as connection:
                count = (await connection.execute(statement)).rowcount
            total += count
            if count < _AT_ONCE:
                return total
