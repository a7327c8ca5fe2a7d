"""Which pages may read answers."""

from __future__ import annotations

import pytest

from tests.gateway.rest.conftest import PRODUCTION, Answer, Door, OpenDoor

MAPS = "https://maps.example"
ALLOWED = PRODUCTION | {"PACELINE_ALLOWED_ORIGINS": MAPS}
ASK = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match"}


async def preflight(door: Door, origin: str) -> Answer:
    return await door.ask("OPTIONS", "/api/users", headers={"Origin": origin} | ASK, role=None)


async def test_a_page_of_an_allowed_origin_may_ask_and_read(open_door: OpenDoor) -> None:
    door = await open_door(ALLOWED)

    asked = await preflight(door, MAPS)
    answered = await door.ask("GET", "/api/users", headers={"Origin": MAPS})
    refused = await door.ask("GET", "/api/users", headers={"Origin": MAPS}, role=None)

    assert asked.status == 204
    assert "PATCH" in asked.headers["Access-Control-Allow-Methods"]
    assert "If-Match" in asked.headers["Access-Control-Allow-Headers"]
    for answer in (asked, answered, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == MAPS
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "ETag" in answered.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://maps.example", f"{MAPS}.evil.example", f"{MAPS}:444", "null"],
)
async def test_any_other_page_may_not(open_door: OpenDoor, origin: str) -> None:
    door = await open_door(ALLOWED)

    asked = await preflight(door, origin)
    answered = await door.ask("GET", "/api/users", headers={"Origin": origin})

    assert asked.status == 405
    assert "Access-Control-Allow-Origin" not in asked.headers
    assert "Access-Control-Allow-Origin" not in answered.headers
    assert answered.headers["Vary"] == "Origin"


async def test_without_allowed_origins_nothing_is_said(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)

    answered = await door.ask("GET", "/api/users", headers={"Origin": MAPS})

    assert "Access-Control-Allow-Origin" not in answered.headers
    assert (await preflight(door, MAPS)).status == 405


async def test_every_answer_says_how_it_is_to_be_taken(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)

    for path, role in (("/api/users", None), ("/healthz", None), ("/nowhere", None)):
        headers = (await door.ask("GET", path, role=role)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = set(headers["Content-Security-Policy"].split("; "))
        assert policy == {
            f"{name} 'none'"
            for name in ("default-src", "base-uri", "form-action", "frame-ancestors")
        }
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] == "paceline"
        assert len(headers["X-Request-Id"]) == 16
