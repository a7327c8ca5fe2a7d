"""This module owns what mails prove, in SQL."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.users.database import Database
from gateway.users.proof import Proof, Purpose
from gateway.users.sql import USER_COLUMNS, user_of
from gateway.users.sql_changes import note_change
from gateway.users.sql_sessions import replace_password
from gateway.users.tables import proofs, users, verifications
from gateway.users.user import User, folded


class SqlProofStore:
    """Fulfils `ProofStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, proof: Proof, now_ms: int) -> None:
        has_ended = (proofs.c.user_id == proof.user_id) & (proofs.c.expires_at_ms <= now_ms)
        async with self._database.writing() as connection:
            await connection.execute(delete(proofs).where(has_ended))
            await connection.execute(insert(proofs).values(msgspec.structs.asdict(proof)))

    async def count(self, user_id: str, purpose: Purpose, expiring_after_ms: int) -> int:
        statement = (
            select(func.count())
            .select_from(proofs)
            .where(proofs.c.user_id == user_id, proofs.c.purpose == purpose)
            .where(proofs.c.expires_at_ms > expiring_after_ms)
        )
        async with self._database.reading() as connection:
            return (await connection.execute(statement)).scalar_one()

    async def find(self, digest: str, purpose: Purpose, now_ms: int) -> User | None:
        async with self._database.reading() as connection:
            return await _owner(connection, _is_good(digest, purpose, now_ms))

    async def verify(self, digest: str, now_ms: int) -> User | None:
        async with self._database.writing() as connection:
            return await _taken(connection, digest, "verification", now_ms)

    async def reset(self, digest: str, password_hash: str, now_ms: int) -> User | None:
        async with self._database.writing() as connection:
            user = await _taken(connection, digest, "reset", now_ms)
            if user is not None:
                await replace_password(connection, user.id, password_hash, now_ms, None)
            return user

    async def verified_at_ms(self, user_id: str) -> int | None:
        is_present = (users.c.id == verifications.c.user_id) & (
            users.c.email_folded == verifications.c.email_folded
        )
        statement = (
            select(verifications.c.verified_at_ms)
            .join(users, is_present)
            .where(verifications.c.user_id == user_id)
        )
        async with self._database.reading() as connection:
            return (await connection.execute(statement)).scalar_one_or_none()

    async def forget(self, before_ms: int) -> int:
        statement = delete(proofs).where(proofs.c.expires_at_ms < before_ms)
        async with self._database.writing() as connection:
            return (await connection.execute(statement)).rowcount


async def note_verified(connection: AsyncConnection, user: User, now_ms: int) -> None:
    """Verify the address of a user, when the transaction of the connection ends well."""
    row = {"user_id": user.id, "email_folded": folded(user.email), "verified_at_ms": now_ms}
    await connection.execute(delete(verifications).where(verifications.c.user_id == user.id))
    await connection.execute(insert(verifications).values(row))


async def _taken(
    connection: AsyncConnection, digest: str, purpose: Purpose, now_ms: int
) -> User | None:
    """The owner of a token, which is good no more, nor are others that were sent for the same."""
    is_good = _is_good(digest, purpose, now_ms)
    user = await _owner(connection, is_good)
    if user is None:
        return None
    # Of two who come with it at once the second finds nothing to delete any more.
    if not (await connection.execute(delete(proofs).where(is_good))).rowcount:
        return None
    others = (proofs.c.user_id == user.id) & (proofs.c.purpose == purpose)
    await connection.execute(delete(proofs).where(others))
    await note_verified(connection, user, now_ms)
    await note_change(connection, user.id, now_ms)
    return user


async def _owner(connection: AsyncConnection, is_good: ColumnElement[bool]) -> User | None:
    has_address = (users.c.id == proofs.c.user_id) & (users.c.email_folded == proofs.c.email_folded)
    statement = select(*USER_COLUMNS).join(proofs, has_address).where(is_good)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else user_of(row)


def _is_good(digest: str, purpose: Purpose, now_ms: int) -> ColumnElement[bool]:
    return (
        (proofs.c.digest == digest)
        & (proofs.c.purpose == purpose)
        & (proofs.c.expires_at_ms > now_ms)
    )
