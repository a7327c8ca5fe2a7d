"""Who is asking, as the trail hears of it."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from pytest_aiohttp import AiohttpClient

from gateway.identity import Identity
from gateway.rest.acting import Acting, note_identity
from gateway.rest.problems import REQUEST_ID
from gateway.users.acting import actor

IDENTITIES = {
    "session": Identity("ada", session_id="s1"),
    "token": Identity("a backend"),
    "key": Identity("key:k1", key_digest="d"),
}


async def show(request: web.Request) -> web.Response:
    """Who it is before and after it was proved."""
    before = actor()
    identity = IDENTITIES.get(request.query.get("as", ""))
    if identity is not None:
        note_identity(request, identity)
    after = actor()
    return web.json_response(
        {
            "before": [before.subject, before.via, before.address],
            "after": [after.subject, after.via, after.request_id],
        }
    )


@web.middleware
async def numbered(request: web.Request, handler: Any) -> web.StreamResponse:  # noqa: ANN401 - aiohttp's
    request[REQUEST_ID] = "a request"
    response: web.StreamResponse = await handler(request)
    return response


async def test_nobody_is_known_until_it_is_proved_and_nobody_of_before_stays(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application(middlewares=[numbered, Acting(()).note])
    app.router.add_route("*", "/{path:.*}", show)
    client = await aiohttp_client(app)

    async def ask(method: str, path: str) -> Any:  # noqa: ANN401 - JSON
        async with client.request(method, path) as response:
            return await response.json()

    for via, identity in IDENTITIES.items():
        told = await ask("POST", f"/?as={via}")
        assert told["before"] == ["", "request", "127.0.0.1"]
        assert told["after"] == [identity.subject, via, "a request"]
    assert (await ask("DELETE", "/"))["after"] == ["", "request", "a request"]
    # Reading changes nothing, so nobody is noted; but a provider brings browsers back so.
    assert (await ask("GET", "/api/sign-in/here/callback"))["after"] == ["", "request", "a request"]
