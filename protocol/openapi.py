"""This module owns the OpenAPI 3.1 description of the REST side, for tools."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any, Final

import msgspec

from protocol.catalogue import CONTRACT_VERSION
from protocol.members import ID_LIMIT_CHARACTERS
from protocol.operations import (
    HEADERS,
    IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_PATTERN,
    IF_NONE_MATCH,
    JSON,
    LAST_EVENT_ID,
    OPERATIONS,
    Operation,
    refusals_of,
    shapes,
)
from protocol.refusals import Refusal
from protocol.rooms import PRINTABLE_PATTERN, ROOM_NAME_LIMIT_CHARACTERS

Document = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"
_DESCRIPTION: Final = """\
Users, sessions, API keys and publishing of Paceline. Generated from the classes that decode the
bodies. Answers are `{"data", "meta"?}` or `{"error": {"code", "message", "details"?}}`."""
_FOUND: Final = 302
_NOT_MODIFIED: Final = 304
_HEADER_SCHEMAS: Final[dict[str, Document]] = {
    IDEMPOTENCY_KEY: {"pattern": IDEMPOTENCY_KEY_PATTERN},
    LAST_EVENT_ID: {"pattern": r"^[A-Za-z0-9_-]{1,32}\.(0|[1-9][0-9]{0,15})\.[0-9a-f]{8}$"},
}
_PATH_SCHEMAS: Final[dict[str, Document]] = {
    "roomId": {"maxLength": ROOM_NAME_LIMIT_CHARACTERS, "pattern": PRINTABLE_PATTERN},
    "peerId": {"maxLength": ID_LIMIT_CHARACTERS},
}


def openapi_document() -> Document:
    """The whole description, as what JSON and YAML can hold."""
    schemas = _schemas()
    paths: Document = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Paceline", "version": CONTRACT_VERSION, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": _problem()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token, or an API key.",
                }
            },
        },
    }


def _schemas() -> Document:
    """A class whose fields are bound to each other says how in its `schema_rules`."""
    found = shapes()
    _, schemas = msgspec.json.schema_components(found, ref_template=f"{_SCHEMAS}{{name}}")
    for shape in found:
        schemas[shape.__name__] |= getattr(shape, "schema_rules", {})
    return schemas


def _operation(operation: Operation, schemas: Document) -> Document:
    described: Document = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.path.split("/")[2]],
        "security": [] if operation.access == "anybody" else [{"bearer": []}],
        "parameters": [*_path_parameters(operation), *_parameters(operation, schemas)],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {
                JSON: {"schema": _body(operation)},
                **{kind: {"schema": {}} for kind in operation.other_bodies},
            },
        }
    return described


def _path_parameters(operation: Operation) -> list[Document]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, **_PATH_SCHEMAS.get(name, {})},
        }
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _parameters(operation: Operation, schemas: Document) -> list[Document]:
    query = [] if operation.parameters is None else _query(operation.parameters, schemas)
    headers = [
        {
            "name": name,
            "in": "header",
            "description": HEADERS[name],
            "schema": {"type": "string", **_HEADER_SCHEMAS.get(name, {})},
        }
        for name in operation.headers
    ]
    return [*query, *headers]


def _query(shape: type[msgspec.Struct], schemas: Document) -> list[Document]:
    """Parameters that are bound to each other are one: an object that is taken apart in the URL."""
    schema = schemas[shape.__name__]
    properties = {name: _of_text(each) for name, each in schema["properties"].items()}
    if not hasattr(shape, "schema_rules"):
        return [{"name": name, "in": "query", "schema": each} for name, each in properties.items()]
    whole = {**schema, "properties": properties, "additionalProperties": False}
    return [
        {
            "name": shape.__name__.lower(),
            "in": "query",
            "required": True,
            "style": "form",
            "explode": True,
            "schema": whole,
        }
    ]


def _of_text(schema: Document) -> Document:
    """A parameter that is left out is left out; there is no null in a URL."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return dict(kinds[0])
    return {name: value for name, value in schema.items() if name != "default" or value is not None}


def _body(operation: Operation) -> Document:
    assert operation.body is not None
    one = {"$ref": f"{_SCHEMAS}{operation.body.__name__}"}
    if not operation.items_most:
        return one
    judged = {"anyOf": [one, {"description": "is refused by itself, and holds up no other"}]}
    return {"anyOf": [one, {"type": "array", "maxItems": operation.items_most, "items": judged}]}


def _responses(operation: Operation) -> Document:
    done: Document = {"description": "Done."}
    if operation.status == _FOUND:
        place = {"description": "Where the browser goes.", "schema": {"type": "string"}}
        done = {"description": "Go on at `Location`.", "headers": {"Location": place}}
    content: Document = {
        kind: {"schema": {"type": "string"}} for kind in operation.media_types if kind != JSON
    }
    if operation.answer is not None:
        content[JSON] = {"schema": _envelope(operation)}
    if content:
        done["content"] = content
    responses = {str(operation.status): done}
    if IF_NONE_MATCH in operation.headers:
        responses[str(_NOT_MODIFIED)] = {"description": "The version is the one that is known."}
    by_status = sorted(refusals_of(operation), key=_status_of)
    for status, refusals in groupby(by_status, _status_of):
        told = " ".join(f"`{refusal.code}`: {refusal.sentence}" for refusal in refusals)
        responses[str(status)] = {
            "description": told,
            "content": {"application/json": {"schema": {"$ref": f"{_SCHEMAS}Problem"}}},
        }
    return responses


def _envelope(operation: Operation) -> Document:
    assert operation.answer is not None
    one: Document = {"$ref": f"{_SCHEMAS}{operation.answer.__name__}"}
    if operation.parameters is not None and "fields" in operation.parameters.__struct_fields__:
        one = {"type": "object"}  # with the fields that were asked for
        one["description"] = f"`{operation.answer.__name__}`, or the fields of it in `fields`"
    many = {"type": "array", "items": one}
    data = many if operation.is_list else one
    if operation.items_most:
        each = {"anyOf": [one, {"$ref": f"{_SCHEMAS}Problem"}]}
        data = {"anyOf": [one, {"type": "array", "items": each}]}
    properties: Document = {"data": data, "meta": {"type": "object"}}
    if operation.is_list:
        meta: Document = {"total": {"type": "integer", "minimum": 0}}
        if operation.pages is not None:
            meta["pagination"] = {"$ref": f"{_SCHEMAS}{operation.pages.__name__}"}
        properties["meta"] = {"type": "object", "properties": meta, "required": list(meta)}
    required = ["data", "meta"] if operation.is_list else ["data"]
    return {"type": "object", "properties": properties, "required": required}


def _problem() -> Document:
    error = {
        "type": "object",
        "properties": {
            "code": {"enum": [refusal.code for refusal in Refusal]},
            "message": {"type": "string"},
            "details": {
                "type": "object",
                "description": "`fields` says of each bad field what is wrong with it.",
            },
        },
        "required": ["code", "message"],
    }
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}


def _status_of(refusal: Refusal) -> int:
    return refusal.status
