"""This module owns sessions and passwords in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.users.audit import Deed
from gateway.users.database import Database
from gateway.users.session import SESSIONS_OF_A_USER_LIMIT, ClosingReason, Session
from gateway.users.sql import USER_COLUMNS
from gateway.users.sql_audit import note_deeds
from gateway.users.sql_changes import note_change
from gateway.users.tables import passwords, sessions, users
from gateway.users.user import User, folded

_COLUMNS: Final = tuple(sessions.c[field.name] for field in msgspec.structs.fields(Session))


class SqlSessionStore:
    """Fulfils `SessionStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def credentials_of(self, email: str) -> tuple[User, str | None] | None:
        statement = (
            select(*USER_COLUMNS, passwords.c.hash)
            .select_from(users.outerjoin(passwords))
            .where(users.c.email_folded == folded(email))
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            return None
        values = dict(row._mapping)  # noqa: SLF001 - the documented way, in spite of its name
        password_hash = values.pop("hash")
        return User(**values), password_hash

    async def find_password(self, user_id: str) -> str | None:
        statement = select(passwords.c.hash).where(passwords.c.user_id == user_id)
        async with self._database.reading() as connection:
            return (await connection.execute(statement)).scalar_one_or_none()

    async def set_password(
        self, user_id: str, password_hash: str, now_ms: int, kept_id: str | None
    ) -> bool:
        try:
            async with self._database.writing() as connection:
                await replace_password(connection, user_id, password_hash, now_ms, kept_id)
        except IntegrityError:  # of the user that the password would belong to
            return False
        return True

    async def replace_hash(self, user_id: str, before: str, after: str) -> None:
        same = (passwords.c.user_id == user_id) & (passwords.c.hash == before)
        async with self._database.writing() as connection:
            await connection.execute(update(passwords).where(same).values(hash=after))

    async def open(self, session: Session, password_hash: str | None = None) -> bool:
        own = sessions.c.user_id == session.user_id
        expired = own & (sessions.c.expires_at_ms <= session.created_at_ms)
        beyond = (
            select(sessions.c.id)
            .where(own)
            .order_by(sessions.c.used_at_ms.desc())
            .offset(SESSIONS_OF_A_USER_LIMIT - 1)
        )
        try:
            async with self._database.writing() as connection:
                if not await _is_password(connection, session.user_id, password_hash):
                    return False
                await connection.execute(delete(sessions).where(expired))
                oldest = (await connection.execute(beyond)).scalars().all()
                end = delete(sessions).where(sessions.c.id.in_(oldest)).returning(sessions.c.id)
                # Of two who sign in at once, one finds that the other has ended them.
                ended = (await connection.execute(end)).scalars().all() if oldest else []
                await connection.execute(insert(sessions).values(msgspec.structs.asdict(session)))
                await note_change(connection, session.user_id, session.created_at_ms)
                deeds = [_revoked(session.user_id, each, "too many") for each in ended]
                await note_deeds(connection, session.created_at_ms, deeds)
        except IntegrityError:  # of the user whose session it would be
            return False
        return True

    async def find(self, session_id: str, now_ms: int) -> Session | None:
        found = await self._select(
            (sessions.c.id == session_id) & (sessions.c.expires_at_ms > now_ms)
        )
        return found[0] if found else None

    async def turn(self, before: Session, after: Session) -> bool:
        same = (sessions.c.id == before.id) & (sessions.c.turn == before.turn)
        values = {
            "turn": after.turn,
            "used_at_ms": after.used_at_ms,
            "expires_at_ms": after.expires_at_ms,
        }
        async with self._database.writing() as connection:
            changed = await connection.execute(update(sessions).where(same).values(values))
        return bool(changed.rowcount)

    async def close(
        self, session_id: str, now_ms: int, reason: ClosingReason = "asked for"
    ) -> Session | None:
        statement = delete(sessions).where(sessions.c.id == session_id).returning(*_COLUMNS)
        async with self._database.writing() as connection:
            row = (await connection.execute(statement)).one_or_none()
            if row is None:
                return None
            await note_change(connection, row.user_id, now_ms)
            await note_deeds(connection, now_ms, [_revoked(row.user_id, session_id, reason)])
        return _session_of(row)

    async def close_all(self, user_id: str, now_ms: int) -> int:
        statement = delete(sessions).where(sessions.c.user_id == user_id)
        async with self._database.writing() as connection:
            count = (await connection.execute(statement)).rowcount
            await note_change(connection, user_id, now_ms)
            deeds = [Deed("sessions.revoked", user_id, {"count": count})] if count else []
            await note_deeds(connection, now_ms, deeds)
        return count

    async def of_user(self, user_id: str, now_ms: int) -> Sequence[Session]:
        return await self._select(
            (sessions.c.user_id == user_id) & (sessions.c.expires_at_ms > now_ms)
        )

    async def _select(self, condition: ColumnElement[bool]) -> list[Session]:
        statement = select(*_COLUMNS).where(condition).order_by(sessions.c.used_at_ms.desc())
        async with self._database.reading() as connection:
            return [_session_of(row) for row in (await connection.execute(statement)).all()]


async def replace_password(
    connection: AsyncConnection,
    user_id: str,
    password_hash: str,
    now_ms: int,
    kept_id: str | None,
) -> None:
    """Keep a hash, end all sessions but one, and tell all workers; `IntegrityError`: no user."""
    row = {"user_id": user_id, "hash": password_hash, "changed_at_ms": now_ms}
    others = sessions.c.user_id == user_id
    if kept_id is not None:
        others &= sessions.c.id != kept_id
    # The user first, as whoever deletes one does: neither waits for the other.
    own = select(users.c.id).where(users.c.id == user_id)
    await connection.execute(own.with_for_update(read=True, key_share=True))
    await connection.execute(delete(passwords).where(passwords.c.user_id == user_id))
    await connection.execute(insert(passwords).values(row))
    ended = (await connection.execute(delete(sessions).where(others))).rowcount
    await note_change(connection, user_id, now_ms)
    deed = Deed("password.changed", user_id, {"sessionsEnded": ended})
    await note_deeds(connection, now_ms, [deed])


def _revoked(user_id: str, session_id: str, reason: str) -> Deed:
    return Deed("session.revoked", user_id, {"session": session_id, "reason": reason})


async def _is_password(
    connection: AsyncConnection, user_id: str, password_hash: str | None
) -> bool:
    """Whether it is the hash, and stays it until the transaction ends; None is any."""
    if password_hash is None:
        return True
    # With the user, who is locked first as by whoever deletes one: neither waits for the other.
    same = (passwords.c.user_id == user_id) & (passwords.c.hash == password_hash)
    statement = select(users.c.id).join(passwords).where(same).with_for_update(read=True)
    return (await connection.execute(statement)).one_or_none() is not None


def _session_of(row: Row[Any]) -> Session:
    return Session(**row._mapping)  # noqa: SLF001 - the documented way, in spite of its name
