"""This module owns the OpenAPI 3.1 description of the REST side, for tools."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any, Final

import msgspec

from protocol.catalogue import CONTRACT_VERSION
from protocol.members import ID_LIMIT_CHARACTERS
from protocol.operations import (
    EVENT_STREAM,
    GEOJSON,
    HEADERS,
    IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_PATTERN,
    IF_NONE_MATCH,
    JSON,
    LAST_EVENT_ID,
    OPERATIONS,
    Operation,
    OtherBody,
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
    # Nothing was read yet, says one that is empty (HTML, section 9.2.4).
    LAST_EVENT_ID: {"pattern": r"^([A-Za-z0-9_-]{1,32}\.(0|[1-9][0-9]{0,15})\.[0-9a-f]{8})?$"},
}
# Answers that others have described. OpenAPI 3.1 has no words for a stream of events: it is text as
# a whole, and tools that know what it is would take a schema for that of each event.
_OTHERS: Final[dict[str, Document]] = {GEOJSON: {"schema": {"type": "object"}}, EVENT_STREAM: {}}
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
                },
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "Any user; the password is a tracker code or an API key.",
                },
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
        "security": _security(operation),
        "parameters": [*_path_parameters(operation), *_parameters(operation, schemas)],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {
                JSON: {"schema": _body(operation)},
                **{
                    other.media_type: {"schema": _other_body(other)}
                    for other in operation.other_bodies
                },
            },
        }
    return described


def _security(operation: Operation) -> list[Document]:
    if operation.access == "anybody":
        return []
    if operation.access == "basic":
        return [{"basic": []}]
    return [{"bearer": []}, {}] if operation.is_partly_open else [{"bearer": []}]


def _path_parameters(operation: Operation) -> list[Document]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {
                "type": "string",
                "minLength": 1,
                **_PATH_SCHEMAS.get(name, {}),
                **_not_taken(operation, name),
            },
        }
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _not_taken(operation: Operation, name: str) -> Document:
    """A word that stands there in paths without this method is none of the values."""
    before, after = map(re.escape, operation.path.split(f"{{{name}}}"))
    of_methods: dict[str, set[str]] = {}
    for row in OPERATIONS:
        if word := re.fullmatch(f"{before}([^/{{}}]+){after}", row.path):
            of_methods.setdefault(word[1], set()).add(row.method)
    taken = [word for word, methods in of_methods.items() if operation.method not in methods]
    return {"not": {"enum": taken}} if taken else {}


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
        required = schema.get("required", ())
        return [
            {
                "name": name,
                "in": "query",
                **({"required": True} if name in required else {}),
                "schema": each,
            }
            for name, each in properties.items()
        ]
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
    return {"anyOf": [one, _list_of(one, operation.items_most)]}


def _other_body(body: OtherBody) -> Document:
    one = {"$ref": f"{_SCHEMAS}{body.shape.__name__}"}
    return _list_of(one, body.items_most) if body.items_most else one


def _list_of(one: Document, items_most: int) -> Document:
    judged = {"anyOf": [one, {"description": "is refused by itself, and holds up no other"}]}
    return {"type": "array", "maxItems": items_most, "items": judged}


def _responses(operation: Operation) -> Document:
    done: Document = {"description": "Done."}
    if operation.status == _FOUND:
        place = {"description": "Where the browser goes.", "schema": {"type": "string"}}
        done = {"description": "Go on at `Location`.", "headers": {"Location": place}}
    content: Document = {kind: _OTHERS[kind] for kind in operation.media_types if kind != JSON}
    if operation.answer is not None:
        content[JSON] = {"schema": _answer(operation)}
    if operation.is_bare:
        content[JSON] = {"schema": {"type": "array", "maxItems": 0}}
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


def _answer(operation: Operation) -> Document:
    envelope = _envelope(operation)
    if not operation.other_answer:
        return envelope
    return {"anyOf": [envelope, {"type": "object", "description": operation.other_answer}]}


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
