"""The OpenAPI description: whole, and true to the classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from protocol.openapi import openapi_document

DOCUMENT = json.loads(json.dumps(openapi_document()))


def references_in(value: Any) -> Iterator[str]:  # noqa: ANN401 - any part of the document
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for part in value.values():
            yield from references_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from references_in(part)


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            yield path, operation


def test_every_reference_leads_somewhere() -> None:
    found = set(references_in(DOCUMENT))

    assert found
    for reference in found:
        part = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]


@pytest.mark.parametrize(
    ("path", "operation"), list(operations()), ids=lambda value: str(value)[:40]
)
def test_every_part_of_a_path_is_a_parameter_and_every_answer_has_a_shape(
    path: str, operation: dict[str, Any]
) -> None:
    named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
    assert all(f"{{{name}}}" in path for name in named)
    assert path.count("{") == len(named)
    for status, response in operation["responses"].items():
        assert status in {"202", "204", "302", "304"} or "content" in response
    assert "503" in operation["responses"]


def test_limits_are_those_of_the_classes() -> None:
    schema = DOCUMENT["components"]["schemas"]["NewUser"]

    assert schema["required"] == ["email", "name"]
    assert schema["additionalProperties"] is False
    assert (
        schema["properties"]["name"]["minLength"],
        schema["properties"]["name"]["maxLength"],
    ) == (
        2,
        50,
    )


def test_a_parameter_that_is_left_out_is_not_null() -> None:
    parameters = DOCUMENT["paths"]["/api/users"]["get"]["parameters"]
    role = next(each for each in parameters if each["name"] == "role")

    assert role["schema"] == {"enum": ["admin", "operator", "rider", "viewer"]}


def test_a_parameter_that_has_to_be_there_is_required() -> None:
    parameters = DOCUMENT["paths"]["/api/rooms/{roomId}/history"]["get"]["parameters"]

    assert [each["name"] for each in parameters if each.get("required")] == ["roomId", "since"]


def test_what_others_have_described_is_told_as_what_it_is() -> None:
    room = DOCUMENT["paths"]["/api/rooms/{roomId}/events"]
    bodies = room["post"]["requestBody"]["content"]
    snapshot = DOCUMENT["paths"]["/api/rooms/{roomId}/snapshot"]["get"]["responses"]["200"]

    assert bodies["application/cloudevents-batch+json"]["schema"]["type"] == "array"
    assert room["get"]["responses"]["200"]["content"] == {"text/event-stream": {}}
    assert snapshot["content"]["application/geo+json"] == {"schema": {"type": "object"}}


def test_a_word_of_another_path_is_no_value_where_that_path_lacks_the_method() -> None:
    def schema_of(path: str, method: str) -> dict[str, Any]:
        schema: dict[str, Any] = DOCUMENT["paths"][path][method]["parameters"][0]["schema"]
        return schema

    session = schema_of("/api/sessions/{sessionId}", "delete")
    assert session["not"] == {"enum": ["refresh", "exchange"]}
    assert schema_of("/api/users/{userId}", "delete")["not"] == {"enum": ["me"]}
    assert "not" not in schema_of("/api/users/{userId}", "get")
