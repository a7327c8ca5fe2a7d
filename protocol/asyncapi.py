"""This module owns the AsyncAPI 3.0 description of the socket's events, for tools."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from protocol.catalogue import (
    CLIENT_EVENTS,
    CONTRACT_VERSION,
    SERVER_EVENTS,
    ClientEvent,
    wire_shapes,
)
from protocol.refusals import Goodbye, Refusal

_SCHEMAS: Final = "#/components/schemas/"
_CHANNEL: Final = "#/channels/main"
_DESCRIPTION: Final = """\
The events of Paceline's main Socket.IO namespace (Engine.IO protocol 4, Socket.IO protocol 5).
Generated from the classes in protocol/; PROTOCOL.md says what they mean."""

Document = dict[str, Any]


def asyncapi_document() -> Document:
    """The whole description, as what JSON and YAML can hold."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Paceline",
            "version": CONTRACT_VERSION,
            "description": _DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8080",
                "pathname": "/socket.io/",
                "protocol": "socket.io",
                "protocolVersion": "5",
                "description": "What `make run` starts.",
            }
        },
        "channels": {"main": _channel()},
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _channel() -> Document:
    return {
        "address": "/",
        "title": "The main namespace",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _messages()},
    }


def _operations() -> Document:
    """What the gateway does: it receives what clients send, and sends what they receive."""
    operations: Document = {}
    for name, row in CLIENT_EVENTS.items():
        operations[name] = {
            "action": "receive",
            "channel": {"$ref": _CHANNEL},
            "summary": row.summary,
            "messages": [_message_reference(name)],
            "reply": {
                "channel": {"$ref": _CHANNEL},
                "messages": [_message_reference(_ack_name(name))],
            },
        }
    for name, served in SERVER_EVENTS.items():
        operations[name] = {
            "action": "send",
            "channel": {"$ref": _CHANNEL},
            "summary": served.summary,
            "messages": [_message_reference(name)],
        }
    return operations


def _messages() -> Document:
    messages: Document = {}
    for name, row in CLIENT_EVENTS.items():
        messages[name] = {"name": name, "summary": row.summary, "payload": _argument(row)}
        if row.options is not None:
            messages[name]["x-second-argument"] = _schema_reference(row.options)
        messages[_ack_name(name)] = {
            "name": _ack_name(name),
            "summary": f"The acknowledgement of {name}.",
            "payload": {"oneOf": [_success(row.ack), {"$ref": f"{_SCHEMAS}Failure"}]},
        }
    for name, served in SERVER_EVENTS.items():
        payload = _schema_reference(served.shape)
        messages[name] = {"name": name, "summary": served.summary, "payload": payload}
    return messages


def _argument(row: ClientEvent) -> Document:
    shape = _schema_reference(row.shape)
    return {"oneOf": [{"$ref": f"{_SCHEMAS}RoomId"}, shape]} if row.room_alone else shape


def _success(ack: type[msgspec.Struct]) -> Document:
    return {
        "type": "object",
        "required": ["data"],
        "properties": {"data": _schema_reference(ack), "meta": {"type": "object"}},
    }


def _schemas() -> Document:
    template = f"{_SCHEMAS}{{name}}"
    _, schemas = msgspec.json.schema_components(wire_shapes(), ref_template=template)
    for schema in schemas.values():
        schema["description"] = inspect.cleandoc(schema["description"])
    room_id = schemas["JoinRoom"]["properties"]["roomId"]
    return {**schemas, "RoomId": room_id, "Failure": _failure(), "GoodbyeCode": _goodbye_code()}


def _failure() -> Document:
    code = {
        "enum": [refusal.code for refusal in Refusal],
        "description": _lines(f"{refusal.code}: {refusal.sentence}" for refusal in Refusal),
    }
    body = {"code": code, "message": {"type": "string"}, "details": {}}
    error = {"type": "object", "required": ["code", "message"], "properties": body}
    return {
        "title": "Failure",
        "description": "A no to one request.",
        "type": "object",
        "required": ["error"],
        "properties": {"error": error},
    }


def _goodbye_code() -> Document:
    return {
        "title": "GoodbyeCode",
        "description": _lines(f"{goodbye.code}: {goodbye.reason}" for goodbye in Goodbye),
        "enum": [goodbye.code for goodbye in Goodbye],
    }


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _ack_name(name: str) -> str:
    return f"{name}.ack"


def _schema_reference(shape: type[msgspec.Struct]) -> Document:
    return {"$ref": f"{_SCHEMAS}{shape.__name__}"}


def _message_reference(name: str) -> Document:
    return {"$ref": f"{_CHANNEL}/messages/{name}"}
