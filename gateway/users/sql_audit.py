"""This module owns the trail in SQL: numbers without a gap, over SQLite and PostgreSQL alike.

A sequence of the database would give numbers out that are lost when a transaction fails. Here the
last number is a row, which is changed in the transaction that writes an entry: whoever comes next
waits for that to end, well or not. It is done last, so that the wait is for one statement and the
commit, and nobody who is waited for waits for anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.users.acting import actor
from gateway.users.audit import AuditPage, AuditQuery, Deed, Details, Entry
from gateway.users.database import Database
from gateway.users.tables import audit, audit_numbers

_NAME: Final = "audit"  # of the row with the last number
_CUT_AT_ONCE: Final = 5_000
_SUBJECT_CHARACTERS: Final = 200

_decode_details = msgspec.json.Decoder(Details).decode


def _taken(dialect: Any) -> Any:  # noqa: ANN401 - the two modules of SQLAlchemy are alike
    """So many numbers taken, the last of which is answered; waits for whoever has taken some."""
    count = bindparam("count", type_=audit_numbers.c.last.type)
    taken = dialect.insert(audit_numbers).values(name=_NAME, last=count)
    return taken.on_conflict_do_update(
        index_elements=["name"], set_={"last": audit_numbers.c.last + count}
    ).returning(audit_numbers.c.last)


def _note_one() -> Any:  # noqa: ANN401 - a statement, to be executed
    """A number taken, and the entry that has it: one way to the server and back."""
    taken = _taken(postgresql).cte("taken")
    columns = [column for column in audit.c if column.name != "number"]
    values = [bindparam(column.name, type_=column.type) for column in columns]
    return insert(audit).from_select(["number", *columns], select(taken.c.last, *values))


_NOTE_ONE: Final = _note_one()


async def note_deeds(connection: AsyncConnection, now_ms: int, deeds: Sequence[Deed]) -> None:
    """Write of deeds, by whoever is acting: the last thing that a transaction does."""
    if not deeds:
        return
    who = msgspec.structs.asdict(actor())
    who["subject"] = _kept(who["subject"])
    rows = [
        {
            "at_ms": now_ms,
            "action": deed.action,
            "whom": _kept(deed.whom),
            "details": msgspec.json.encode(deed.details).decode(),
            **who,
        }
        for deed in deeds
    ]
    if len(rows) == 1 and connection.dialect.name == "postgresql":
        await connection.execute(_NOTE_ONE, {**rows[0], "count": 1})
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    last = (await connection.execute(_taken(dialect), {"count": len(rows)})).scalar_one()
    first = last - len(rows) + 1
    numbered = [{"number": number, **row} for number, row in enumerate(rows, first)]
    await connection.execute(insert(audit), numbered)


async def go_on_from_last(connection: AsyncConnection) -> None:
    """Let the next number follow from those that are there: from a backup they came without it."""
    await connection.execute(
        insert(audit_numbers).from_select(
            ["name", "last"],
            select(literal(_NAME), func.max(audit.c.number)).having(func.count() > 0),
        )
    )


def _kept(subject: str) -> str:
    """Issuers of elsewhere may call somebody anything; an index and a database have limits."""
    return subject.replace("\0", "")[:_SUBJECT_CHARACTERS]


class SqlAuditStore:
    """Fulfils `AuditStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, now_ms: int, *deeds: Deed) -> None:
        async with self._database.writing() as connection:
            await note_deeds(connection, now_ms, deeds)

    async def page(self, query: AuditQuery) -> AuditPage:
        async with self._database.reading() as connection:
            rows = (await connection.execute(entries_of(query))).all()
            total = (await connection.execute(entries_counted(query))).scalar_one() or 0
        found = [_entry_of(row) for row in rows]
        return AuditPage(found[: query.limit], total, has_more=len(found) > query.limit)

    async def cut(self, before_ms: int, now_ms: int) -> int:
        total = 0
        while True:
            async with self._database.writing() as connection:
                count = await _cut_some(connection, before_ms, now_ms)
            total += count
            if count < _CUT_AT_ONCE:
                return total


async def _cut_some(connection: AsyncConnection, before_ms: int, now_ms: int) -> int:
    """Clocks differ, so it ends at the first entry that is not old: numbers must have no hole."""
    first = select(audit.c.number, audit.c.at_ms).order_by(audit.c.number).limit(_CUT_AT_ONCE)
    through = 0
    for number, at_ms in (await connection.execute(first)).all():
        if at_ms >= before_ms:
            break
        through = number
    # Of two who cut at once, the second one waits here and finds what the first one has left.
    count = (await connection.execute(delete(audit).where(audit.c.number <= through))).rowcount
    if count:
        cut = Deed("audit.cut", "", {"through": through, "count": count})
        await note_deeds(connection, now_ms, [cut])
    return count


def entries_of(query: AuditQuery) -> Select[Any]:
    """A page of the query, and one entry more to see whether there are any."""
    number = audit.c.number
    statement = select(audit).where(*_conditions_of(query))
    if query.after is not None:
        is_behind = number < query.after if query.is_descending else number > query.after
        statement = statement.where(is_behind)
    return statement.order_by(number.desc() if query.is_descending else number).limit(
        query.limit + 1
    )


def entries_counted(query: AuditQuery) -> Select[Any]:
    """How many entries the query has on all pages; without a gap, all of them need no counting."""
    conditions = _conditions_of(query)
    if not conditions:
        # Each by itself, because SQLite looks up the one or the other, and for both reads all.
        first, last = (select(of(audit.c.number)).scalar_subquery() for of in (func.min, func.max))
        return select(last - first + 1)
    return select(func.count()).select_from(audit).where(*conditions)


def _conditions_of(query: AuditQuery) -> list[ColumnElement[bool]]:
    wanted = {"subject": query.subject, "whom": query.whom, "action": query.action}
    conditions = [audit.c[name] == value for name, value in wanted.items() if value is not None]
    if query.since_ms is not None:
        conditions.append(audit.c.at_ms >= query.since_ms)
    if query.until_ms is not None:
        conditions.append(audit.c.at_ms < query.until_ms)
    return conditions


def _entry_of(row: Row[Any]) -> Entry:
    values = dict(row._mapping)  # noqa: SLF001 - the documented way, in spite of its name
    return Entry(**{**values, "details": _decode_details(values["details"])})
