"""This module owns `paceline audit`: the trail of what concerns security, a JSON object a line."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Mapping

import msgspec

from gateway import backends
from gateway.cli.running import OK, ArgumentsInvalid, Commands, run_to_end, settings_of
from gateway.rest.audit import view_of
from gateway.settings import Settings
from gateway.users.audit import ACTIONS, AuditQuery
from protocol.audit import ENTRIES_MOST


def add_to(commands: Commands) -> None:
    """What the command understands."""
    audit = commands.add_parser("audit", help="print who has changed what, as NDJSON")
    audit.add_argument("--subject", help="by whom")
    audit.add_argument("--whom", metavar="ID", help="of which user, key, peer or worker")
    audit.add_argument("--action", choices=ACTIONS, metavar="ACTION", help="such as role.changed")
    audit.add_argument("--since", metavar="TIME", help="not before; such as 2026-11-24T08:00Z")
    audit.add_argument("--until", metavar="TIME", help="before")
    audit.set_defaults(command=_audit)


def _audit(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    query = AuditQuery(
        subject=namespace.subject,
        whom=namespace.whom,
        action=namespace.action,
        since_ms=_ms_of(namespace.since),
        until_ms=_ms_of(namespace.until),
        is_descending=False,
        limit=ENTRIES_MOST,
    )
    run_to_end(_print(settings_of(environ), query))
    return OK


async def _print(settings: Settings, query: AuditQuery) -> None:
    database = backends.database_of(settings)
    await database.start()
    try:
        audit = backends.stores_of(database).audit
        has_more = True
        while has_more:
            page = await audit.page(query)
            for entry in page.entries:
                sys.stdout.write(msgspec.json.encode(view_of(entry)).decode() + "\n")
            has_more = page.has_more
            if has_more:
                query = msgspec.structs.replace(query, after=page.entries[-1].number)
    finally:
        await database.stop()


def _ms_of(text: str | None) -> int | None:
    """A time of ISO 8601, in UTC unless it says where."""
    if text is None:
        return None
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentsInvalid(f"{text[:100]!r} is no time such as 2026-11-24T08:00Z.") from error
    return round((time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp() * 1000)
