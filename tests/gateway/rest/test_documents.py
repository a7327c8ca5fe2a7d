"""`/openapi.json` and `/docs`."""

from __future__ import annotations

import json
import re

import pytest

from protocol.openapi import openapi_document
from protocol.operations import OPERATIONS
from tests.gateway.rest.conftest import PRODUCTION, Door, OpenDoor


async def test_the_description_is_served_to_anybody(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)

    answer = await door.ask("GET", "/openapi.json", role=None)

    assert (answer.status, answer.body) == (200, json.loads(json.dumps(openapi_document())))


async def test_the_page_has_every_operation_and_needs_nobody_else(door: Door) -> None:
    async with door.client.get("/docs") as response:
        page = await response.text()

    assert response.content_type == "text/html"
    assert "script" not in response.headers["Content-Security-Policy"]
    assert re.findall(r'(?:src|href|action)="(?!/openapi)', page) == []
    assert "<script" not in page
    assert "//" not in page.replace("</", "")
    for operation in OPERATIONS:
        assert operation.summary.replace("'", "&#x27;") in page


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_they_are_sent_in_the_smallest_form_that_is_wanted(door: Door, path: str) -> None:
    lengths, bodies = {}, set()
    for coding in ("identity", "gzip", "br"):
        async with door.client.get(path, headers={"Accept-Encoding": coding}) as response:
            lengths[coding] = int(response.headers["Content-Length"])
            assert response.headers.get("Content-Encoding", "identity") == coding
            assert response.headers["Vary"] == "Accept-Encoding"
            bodies.add(await response.read())
    assert len(bodies) == 1
    assert lengths["br"] < lengths["gzip"] < lengths["identity"] / 3
