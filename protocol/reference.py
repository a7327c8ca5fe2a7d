"""This module owns the reference of events for people: the catalogue and the codes as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from protocol.catalogue import CLIENT_EVENTS, SERVER_EVENTS, ClientEvent
from protocol.refusals import Goodbye, Refusal

_HEAD: Final = """\
# Events

<!-- Generated from the classes in protocol/ by `python -m protocol.generate`. Do not edit. -->

Every event and every code, as the gateway knows them. What they mean together is told in
[PROTOCOL.md](../../protocol/PROTOCOL.md). A `?` marks a field that may be absent."""


def reference_page() -> str:
    """The text of docs/reference/events.md."""
    sections = {
        "Clients send": client_events_table(),
        "Clients receive": server_events_table(),
        "Refusals": refusals_table(),
        "Goodbyes": goodbyes_table(),
    }
    parts = [_HEAD, *(f"## {title}\n\n{table}" for title, table in sections.items())]
    return "\n\n".join(parts) + "\n"


def client_events_table() -> str:
    """One line for each event that clients may send."""
    rows = (
        (f"`{name}`", _argument(row), _fields(row.ack), row.needs, row.summary)
        for name, row in CLIENT_EVENTS.items()
    )
    return _table(("event", "argument", "`data` of the ack", "right", ""), rows)


def server_events_table() -> str:
    """One line for each event that clients may receive."""
    rows = ((f"`{name}`", _fields(row.shape), row.summary) for name, row in SERVER_EVENTS.items())
    return _table(("event", "argument", ""), rows)


def refusals_table() -> str:
    """One line for each refusal."""
    rows = ((f"`{no.code}`", str(no.status), no.sentence) for no in Refusal)
    return _table(("code", "HTTP", "meaning"), rows)


def goodbyes_table() -> str:
    """One line for each goodbye."""
    rows = (
        (str(goodbye.code), "yes" if goodbye.may_return else "no", goodbye.reason)
        for goodbye in Goodbye
    )
    return _table(("code", "come back", "reason"), rows)


def _argument(row: ClientEvent) -> str:
    forms = [_fields(row.shape)]
    if row.room_alone:
        forms.insert(0, "`roomId`")
    second = "" if row.options is None else f", then {_fields(row.options)}"
    return " or ".join(forms) + second


def _fields(shape: type[msgspec.Struct]) -> str:
    fields = sorted(msgspec.structs.fields(shape), key=lambda field: not field.required)
    names = [field.encode_name + ("" if field.required else "?") for field in fields]
    return f"`{{{', '.join(names)}}}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
