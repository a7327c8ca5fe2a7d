"""This module owns the TypeScript types of what goes over the wire: events, and bodies of HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import inspect

from protocol import bikes, events
from protocol.catalogue import CLIENT_EVENTS, SERVER_EVENTS, ClientEvent, wire_shapes
from protocol.operations.sessions import SESSIONS
from protocol.operations.users import USERS
from protocol.refusals import Goodbye, Refusal
from protocol.reports import LookRequest, Overview, RoomLook

_HEAD: Final = """\
// Generated from the classes in protocol/ by `python -m protocol.generate`. Do not edit.
//
//     const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(url);
//     socket.emit("join-room", "city:paris", (answer) => { ... });
//
// An application's own events, sent with `publish`, are added to what the client hears:
//
//     Socket<ServerToClientEvents & { "ride-started": (ride: Ride) => void }, ClientToServerEvents>
//
// `emitWithAck`, and `emit` after `timeout`, know the answer's type when it is not optional:
//
//     Socket<ServerToClientEvents, Acknowledged<ClientToServerEvents>>
"""

_REST_HEAD: Final = """\
// Generated from the classes in protocol/ by `python -m protocol.generate`. Do not edit.
//
// What goes over HTTP about users and sessions, inside of `{"data", "meta"?}`. Times are RFC 3339.
"""

_ENVELOPE: Final = """\
/** What an acknowledgement holds: `data`, or the reason why not. */
export type Answer<Data> =
  | { data: Data; meta?: Record<string, unknown>; error?: undefined }
  | { error: Failure; data?: undefined; meta?: undefined };

export type Acknowledge<Data> = (answer: Answer<Data>) => void;

/** A no to one request. */
export interface Failure {
  code: RefusalCode;
  message: string;
  details?: unknown;
}

/** The same events, each with its acknowledgement. */
export type Acknowledged<Events> = {
  [Name in keyof Events]: Events[Name] extends (...sent: infer Sent) => void
    ? (...sent: Required<Sent>) => void
    : never;
};
"""

_HEAD_OF_REPORTS: Final = """\
// Generated from protocol/reports.py by `python -m protocol.generate`. Do not edit.

import type { Member } from "./events.js";
"""
# The object of a bike, in which every other field passes untouched.
_OPEN: Final = frozenset({bikes.LiveBike, events.BikeUpdateBody})

_SIMPLE_TYPES: Final[dict[type[inspect.Type], str]] = {
    inspect.AnyType: "unknown",
    inspect.BoolType: "boolean",
    inspect.DateTimeType: "string",
    inspect.FloatType: "number",
    inspect.IntType: "number",
    inspect.NoneType: "null",
    inspect.RawType: "unknown",
    inspect.StrType: "string",
}


def typescript_source() -> str:
    """The text of events.d.ts: every shape, the codes, and one map of events for each direction."""
    shapes = inspect.multi_type_info(wire_shapes())
    blocks = [
        _HEAD,
        *(_interface(struct) for struct in _structs_in(shapes)),
        _union("RefusalCode", (f'"{refusal.code}"' for refusal in Refusal)),
        _union("GoodbyeCode", (str(goodbye.code) for goodbye in Goodbye)),
        _ENVELOPE,
        _events_map("ClientToServerEvents", _client_members()),
        _events_map("ServerToClientEvents", _server_members()),
    ]
    return "\n".join(blocks)


def reports_source() -> str:
    """The text of reports.d.ts: what the operations page is told."""
    shapes = inspect.multi_type_info([Overview, LookRequest, RoomLook])
    structs = [struct for struct in _structs_in(shapes) if struct.cls is not events.Member]
    return "\n".join([_HEAD_OF_REPORTS, *(_interface(struct) for struct in structs)])


def rest_source() -> str:
    """The text of rest.d.ts: every shape of users and sessions over HTTP."""
    shapes = inspect.multi_type_info(_rest_shapes())
    return "\n".join([_REST_HEAD, *(_interface(struct) for struct in _structs_in(shapes))])


def _rest_shapes() -> list[type[msgspec.Struct]]:
    found = (
        shape
        for row in (*USERS, *SESSIONS)
        for shape in (row.parameters, row.body, row.answer, row.pages)
    )
    return [shape for shape in dict.fromkeys(found) if shape is not None]


def _structs_in(types: Iterable[inspect.Type]) -> list[inspect.StructType]:
    """Every struct among the types and in their fields, each once, the parts before the whole."""
    found: dict[type, inspect.StructType] = {}
    for kind in types:
        if isinstance(kind, inspect.StructType):
            parts = _structs_in(field.type for field in kind.fields)
            found.update((part.cls, part) for part in (*parts, kind))
        elif isinstance(kind, inspect.ListType):
            found.update((part.cls, part) for part in _structs_in([kind.item_type]))
        elif isinstance(kind, inspect.UnionType):
            found.update((part.cls, part) for part in _structs_in(kind.types))
    return list(found.values())


def _interface(struct: inspect.StructType) -> str:
    lines = [_comment(struct.cls.__doc__), f"export interface {struct.cls.__name__} {{"]
    for field in sorted(struct.fields, key=lambda field: not field.required):
        optional = "" if field.required else "?"
        lines.append(f"  {field.encode_name}{optional}: {_type_text(field.type)};")
    if struct.cls in _OPEN:
        lines.append("  [field: string]: unknown;")
    return "\n".join([*lines, "}", ""])


def _type_text(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(type=inner):
            text = (kind.extra or {}).get("typescript") or _type_text(inner)
        case inspect.StructType(cls=struct):
            text = struct.__name__
        case inspect.UnionType(types=parts):
            text = " | ".join(dict.fromkeys(map(_type_text, parts)))
        case inspect.LiteralType(values=values):
            text = " | ".join(msgspec.json.encode(value).decode() for value in values)
        case inspect.ListType(item_type=item):
            text = f"{_type_text(item)}[]"
        case inspect.DictType(value_type=value):
            text = f"Record<string, {_type_text(value)}>"
        case _:
            text = _SIMPLE_TYPES[type(kind)]
    return text


def _client_members() -> Iterator[str]:
    for name, row in CLIENT_EVENTS.items():
        yield _comment(row.summary, "  ")
        yield f'  "{name}": (...sent: {_sent(row)}) => void;'


def _sent(row: ClientEvent) -> str:
    request = f"request: {'string | ' if row.room_alone else ''}{row.shape.__name__}"
    acknowledge = f"acknowledge?: Acknowledge<{row.ack.__name__}>"
    tuples = [f"[{request}, {acknowledge}]"]
    if row.options is not None:
        tuples.append(f"[{request}, options: {row.options.__name__}, {acknowledge}]")
    return " | ".join(tuples)


def _server_members() -> Iterator[str]:
    for name, row in SERVER_EVENTS.items():
        yield _comment(row.summary, "  ")
        yield f'  "{name}": (message: {row.shape.__name__}) => void;'


def _events_map(name: str, members: Iterable[str]) -> str:
    return "\n".join([f"export interface {name} {{", *members, "}", ""])


def _union(name: str, members: Iterable[str]) -> str:
    return f"export type {name} =" + "".join(f"\n  | {member}" for member in members) + ";\n"


def _comment(text: str | None, indent: str = "") -> str:
    first_paragraph = (text or "").partition("\n\n")[0]
    return f"{indent}/** {' '.join(first_paragraph.split())} */"
