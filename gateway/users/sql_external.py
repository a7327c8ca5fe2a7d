"""This module owns the identities of OpenID issuers in SQL."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.users.audit import Deed, deeds_of_new
from gateway.users.database import Database
from gateway.users.external import ExternalIdentity, IdentityTaken
from gateway.users.outbox import Outbox, UserEvent
from gateway.users.sql import USER_COLUMNS, is_about_email, row_of, user_of
from gateway.users.sql_audit import note_deeds
from gateway.users.sql_jobs import note_jobs
from gateway.users.sql_proofs import note_verified
from gateway.users.store import EmailTaken
from gateway.users.tables import external_identities, spent_sign_ins, users
from gateway.users.user import User


class SqlExternalStore:
    """Fulfils `ExternalStore`."""

    def __init__(self, database: Database, outbox: Outbox | None = None) -> None:
        self._database = database
        self._outbox = outbox

    async def find_user(self, identity: ExternalIdentity) -> User | None:
        statement = (
            select(*USER_COLUMNS).select_from(users.join(external_identities)).where(_is(identity))
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return None if row is None else user_of(row)

    async def link(self, identity: ExternalIdentity, user_id: str, now_ms: int) -> None:
        try:
            async with self._database.writing() as connection:
                await _link(connection, identity, user_id, now_ms)
                await note_deeds(connection, now_ms, [_linked(identity, user_id)])
        except IntegrityError as error:
            raise IdentityTaken from error

    async def create(self, user: User, identity: ExternalIdentity) -> None:
        try:
            async with self._database.writing() as connection:
                await connection.execute(insert(users).values(row_of(user)))
                await _link(connection, identity, user.id, user.created_at_ms)
                await note_verified(connection, user, user.created_at_ms)
                if self._outbox is not None:
                    event = UserEvent(
                        name="created", user=user, is_verified=True, at_ms=user.created_at_ms
                    )
                    await note_jobs(connection, self._outbox(event))
                deeds = [*deeds_of_new(user), _linked(identity, user.id)]
                await note_deeds(connection, user.created_at_ms, deeds)
        except IntegrityError as error:
            raise (EmailTaken if is_about_email(error) else IdentityTaken) from error

    async def note_use(self, identity: ExternalIdentity, now_ms: int) -> None:
        statement = update(external_identities).where(_is(identity)).values(used_at_ms=now_ms)
        async with self._database.writing() as connection:
            await connection.execute(statement)

    async def spend(self, sign_in_id: str, now_ms: int, expires_at_ms: int) -> bool:
        expired = spent_sign_ins.c.expires_at_ms < now_ms
        row = {"id": sign_in_id, "expires_at_ms": expires_at_ms}
        try:
            async with self._database.writing() as connection:
                await connection.execute(delete(spent_sign_ins).where(expired))
                await connection.execute(insert(spent_sign_ins).values(row))
        except IntegrityError:
            return False
        return True


def _is(identity: ExternalIdentity) -> ColumnElement[bool]:
    return (external_identities.c.issuer == identity.issuer) & (
        external_identities.c.subject == identity.subject
    )


def _linked(identity: ExternalIdentity, user_id: str) -> Deed:
    """The subject stays out of it: an issuer may make one of an address."""
    return Deed("identity.linked", user_id, {"issuer": identity.issuer})


async def _link(
    connection: AsyncConnection, identity: ExternalIdentity, user_id: str, now_ms: int
) -> None:
    row = {
        **msgspec.structs.asdict(identity),
        "user_id": user_id,
        "created_at_ms": now_ms,
        "used_at_ms": now_ms,
    }
    await connection.execute(insert(external_identities).values(row))
