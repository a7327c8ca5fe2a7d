"""This module owns users in SQL: the store's contract over SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.users.audit import Deed, deeds_of_change, deeds_of_new
from gateway.users.database import Database
from gateway.users.outbox import Outbox, UserEvent
from gateway.users.sql_audit import note_deeds
from gateway.users.sql_changes import note_change
from gateway.users.sql_jobs import note_jobs
from gateway.users.store import (
    KEY_LIFETIME_SECONDS,
    Creation,
    EmailTaken,
    KeyReused,
    SortField,
    UserPage,
    UserQuery,
    VersionStale,
)
from gateway.users.tables import creations, users
from gateway.users.user import User, folded

_FIELDS: Final = tuple(field.name for field in msgspec.structs.fields(User))
USER_COLUMNS: Final = tuple(users.c[name] for name in _FIELDS)
_SORT_COLUMNS: Final[dict[SortField, ColumnElement[Any]]] = {
    "createdAt": users.c.created_at_ms,
    "name": users.c.name_folded,
    "email": users.c.email_folded,
}
_LAST_CHARACTER: Final = "\U0010ffff"

_encode_user = msgspec.json.Encoder().encode
_decode_user = msgspec.json.Decoder(User).decode


class SqlUserStore:
    """Fulfils `UserStore`."""

    def __init__(self, database: Database, outbox: Outbox | None = None) -> None:
        self._database = database
        self._outbox = outbox

    async def save(self, user: User) -> None:
        try:
            async with self._database.writing() as connection:
                await self._save(connection, user)
        except IntegrityError as error:
            raise _conflict_of(error) from error

    async def create(self, user: User, creation: Creation) -> User:
        async with self._database.writing() as connection:
            earliest_ms = creation.now_ms - int(KEY_LIFETIME_SECONDS * 1000)
            await connection.execute(
                delete(creations).where(creations.c.created_at_ms < earliest_ms)
            )
        try:
            async with self._database.writing() as connection:
                # Who asks at the same time waits here until this transaction has ended.
                await connection.execute(insert(creations).values(_row_of_creation(user, creation)))
                await self._save(connection, user)
        except IntegrityError as error:
            return await self._created_before(creation, error)
        return user

    async def save_new(self, people: Sequence[User]) -> set[str]:
        if not people:
            return set()
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = (
            dialect.insert(users)
            .values([row_of(user) for user in people])
            .on_conflict_do_nothing()
            .returning(users.c.id)
        )
        async with self._database.writing_for_long() as connection:
            kept = set((await connection.execute(statement)).scalars().all())
            deeds: list[Deed] = []
            for user in people:
                if user.id in kept:
                    await self._created(connection, user, is_import=True)
                    deeds += deeds_of_new(user, is_import=True)
            await note_deeds(connection, people[0].created_at_ms, deeds)
        return kept

    async def _save(self, connection: AsyncConnection, user: User) -> None:
        row = row_of(user)
        if user.version == 1:  # no worker has heard of it, so none has to be told
            await connection.execute(insert(users).values(row))
            await self._created(connection, user)
            await note_deeds(connection, user.created_at_ms, deeds_of_new(user))
            return
        is_before = (users.c.id == user.id) & (users.c.version == user.version - 1)
        found = await connection.execute(select(*USER_COLUMNS).where(is_before).with_for_update())
        before_row = found.one_or_none()
        if before_row is None:
            raise VersionStale
        before = user_of(before_row)
        await connection.execute(update(users).where(is_before).values(row))
        await note_change(connection, user.id, user.updated_at_ms)
        event = UserEvent(name="changed", user=user, before=before, at_ms=user.updated_at_ms)
        await self._owe(connection, event)
        await note_deeds(connection, user.updated_at_ms, deeds_of_change(before, user))

    async def _created(
        self, connection: AsyncConnection, user: User, *, is_import: bool = False
    ) -> None:
        event = UserEvent(name="created", user=user, is_import=is_import, at_ms=user.created_at_ms)
        await self._owe(connection, event)

    async def _owe(self, connection: AsyncConnection, event: UserEvent) -> None:
        if self._outbox is not None:
            await note_jobs(connection, self._outbox(event))

    async def _created_before(self, creation: Creation, error: IntegrityError) -> User:
        """What the key has made; without that it was the e-mail that was in the way."""
        statement = select(creations).where(creations.c.key == creation.key)
        async with self._database.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise _conflict_of(error) from error
        if row.fingerprint != creation.fingerprint:
            raise KeyReused from error
        return _decode_user(row.user)

    async def find_by_id(self, user_id: str) -> User | None:
        return await self._find(users.c.id == user_id)

    async def find_by_email(self, email: str) -> User | None:
        return await self._find(users.c.email_folded == folded(email))

    async def _find(self, condition: ColumnElement[bool]) -> User | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(*USER_COLUMNS).where(condition))).one_or_none()
        return None if row is None else user_of(row)

    async def delete(self, user_id: str, now_ms: int, version: int | None = None) -> bool:
        statement = delete(users).where(users.c.id == user_id).returning(*USER_COLUMNS)
        if version is not None:
            statement = statement.where(users.c.version == version)
        async with self._database.writing() as connection:
            row = (await connection.execute(statement)).one_or_none()
            if row is not None:
                await note_change(connection, user_id, now_ms)
                user = user_of(row)
                await self._owe(connection, UserEvent(name="deleted", user=user, at_ms=now_ms))
                deed = Deed("user.deleted", user_id, {"role": user.role})
                await note_deeds(connection, now_ms, [deed])
                return True
            present = select(users.c.id).where(users.c.id == user_id)
            if (await connection.execute(present)).one_or_none() is None:
                return False
        raise VersionStale

    async def page(self, query: UserQuery) -> UserPage:
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement_of(query))).all()
            total = (await connection.execute(count_of(query))).scalar_one()
        found = [user_of(row) for row in rows]
        return UserPage(found[: query.limit], total, has_more=len(found) > query.limit)


def statement_of(query: UserQuery) -> Select[Any]:
    """A page of the query, and one user more to see whether there are any."""
    column = _SORT_COLUMNS[query.sort]
    order = [column, users.c.id]
    statement = select(*USER_COLUMNS).where(*_conditions_of(query))
    if query.after is not None:
        here, there = tuple_(*order), tuple_(*query.after)
        statement = statement.where(here < there if query.is_descending else here > there)
    if query.is_descending:
        order = [each.desc() for each in order]
    return statement.order_by(*order).limit(query.limit + 1).offset(query.offset or None)


def count_of(query: UserQuery) -> Select[int]:
    """How many users the query has, on all pages."""
    return select(func.count()).select_from(users).where(*_conditions_of(query))


def _conditions_of(query: UserQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.role is not None:
        conditions.append(users.c.role == query.role)
    if query.disabled is not None:
        conditions.append(users.c.disabled.is_(query.disabled))
    if query.email is not None:
        conditions.append(users.c.email_folded == folded(query.email))
    if query.name_prefix is not None:
        # A range and not LIKE: an index serves it, whatever a prefix has in it.
        prefix = folded(query.name_prefix)
        conditions.append(users.c.name_folded >= prefix)
        conditions.append(users.c.name_folded < prefix + _LAST_CHARACTER)
    return conditions


def row_of(user: User) -> dict[str, Any]:
    """The row in which a user is kept."""
    return {
        **msgspec.structs.asdict(user),
        "email_folded": folded(user.email),
        "name_folded": folded(user.name),
    }


def _row_of_creation(user: User, creation: Creation) -> dict[str, Any]:
    return {
        "key": creation.key,
        "fingerprint": creation.fingerprint,
        "user": _encode_user(user).decode(),
        "created_at_ms": creation.now_ms,
    }


def user_of(row: Row[Any]) -> User:
    """The user in a row of `USER_COLUMNS`."""
    return User(**row._mapping)  # noqa: SLF001 - the documented way, in spite of its name


def is_about_email(error: IntegrityError) -> bool:
    """SQLite names the columns of what is unique, PostgreSQL the index."""
    text = str(error.orig)
    return "users_by_email" in text or "users.email_folded" in text


def _conflict_of(error: IntegrityError) -> EmailTaken | VersionStale:
    return EmailTaken() if is_about_email(error) else VersionStale()
