"""This module owns API keys in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Row, delete, insert, select, update

from gateway.identity import is_tracker_id, subject_of_key
from gateway.users.api_key import ApiKey
from gateway.users.audit import Action, Deed
from gateway.users.database import Database
from gateway.users.sql_audit import note_deeds
from gateway.users.sql_changes import note_change
from gateway.users.tables import api_keys

# By whether it is a tracker code.
_CREATED: Final[dict[bool, Action]] = {False: "key.created", True: "tracker.created"}
_ROTATED: Final[dict[bool, Action]] = {False: "key.rotated", True: "tracker.rotated"}
_REVOKED: Final[dict[bool, Action]] = {False: "key.revoked", True: "tracker.revoked"}


class SqlKeyStore:
    """Fulfils `KeyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, key: ApiKey, now_ms: int) -> None:
        row = {
            **msgspec.structs.asdict(key),
            "join": msgspec.json.encode(key.join).decode(),
            "publish": msgspec.json.encode(key.publish).decode(),
        }
        async with self._database.writing() as connection:
            await connection.execute(insert(api_keys).values(row))
            await note_change(connection, subject_of_key(key.id), now_ms)
            await note_deeds(connection, now_ms, [Deed(_CREATED[key.is_tracker], key.id)])

    async def rotate(self, before: ApiKey, after: ApiKey, now_ms: int) -> bool:
        same = (api_keys.c.id == before.id) & (api_keys.c.digest == before.digest)
        values = {
            "digest": after.digest,
            "previous_digest": after.previous_digest,
            "previous_until_ms": after.previous_until_ms,
        }
        async with self._database.writing() as connection:
            changed = await connection.execute(update(api_keys).where(same).values(values))
            if not changed.rowcount:
                return False
            await note_change(connection, subject_of_key(before.id), now_ms)
            await note_deeds(connection, now_ms, [Deed(_ROTATED[before.is_tracker], before.id)])
        return True

    async def find(self, key_id: str) -> ApiKey | None:
        statement = select(api_keys).where(api_keys.c.id == key_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return None if row is None else _key_of(row)

    async def all(self) -> Sequence[ApiKey]:
        statement = select(api_keys).order_by(api_keys.c.created_at_ms.desc(), api_keys.c.id)
        async with self._database.reading() as connection:
            return [_key_of(row) for row in (await connection.execute(statement)).all()]

    async def delete(self, key_id: str, now_ms: int) -> bool:
        statement = delete(api_keys).where(api_keys.c.id == key_id)
        async with self._database.writing() as connection:
            is_deleted = bool((await connection.execute(statement)).rowcount)
            await note_change(connection, subject_of_key(key_id), now_ms)
            deeds = [Deed(_REVOKED[is_tracker_id(key_id)], key_id)] if is_deleted else []
            await note_deeds(connection, now_ms, deeds)
        return is_deleted

    async def note_use(self, key_id: str, now_ms: int) -> None:
        statement = update(api_keys).where(api_keys.c.id == key_id).values(used_at_ms=now_ms)
        async with self._database.writing() as connection:
            await connection.execute(statement)


def _key_of(row: Row[Any]) -> ApiKey:
    values = dict(row._mapping)  # noqa: SLF001 - the documented way, in spite of its name
    for name in ("join", "publish"):
        values[name] = msgspec.json.decode(values[name], type=tuple[str, ...])
    return ApiKey(**values)
