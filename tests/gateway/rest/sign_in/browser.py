"""Somebody's browser, and what a provider may be made to say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.gateway.openid.hostile import (
    HostileProvider,
)
from tests.gateway.rest.conftest import Answer, Door

OpenWith = Callable[..., Awaitable[Door]]
PATH = "/api/sign-in/here"


class Browser:
    """Somebody's browser: it keeps cookies by name, and shows what it was told about them."""

    def __init__(self, door: Door, provider: HostileProvider) -> None:
        self._door = door
        self._provider = provider
        self.cookies: dict[str, str] = {}
        self.attributes: dict[str, str] = {}

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": cookie} if cookie else {}
        answer = await self._door.ask(method, path, body, headers, role=None)
        self._door.client.session.cookie_jar.clear()  # it would be everybody's
        for line in answer.headers.getall("Set-Cookie", []):  # type: ignore[attr-defined]  # aiohttp's
            pair, _, attributes = line.partition("; ")
            name, _, value = pair.partition("=")
            self.cookies.pop(name, None)
            self.attributes[name] = attributes
            if value.strip('"'):
                self.cookies[name] = value
        return answer

    async def begin(self, query: str = "") -> str:
        answer = await self.ask("GET", PATH + query)
        assert answer.status == 302, answer.body
        return answer.headers["Location"]

    async def come_back(self, **changes: str | None) -> Answer:
        """Sign in at the provider, and come back with its answer."""
        answer = self._provider.approve(await self.begin(), **changes)
        return await self.ask("GET", f"{PATH}/callback?{answer}")

    async def sign_in(self) -> Any:  # noqa: ANN401 - what signing in gives
        arrived = await self.come_back()
        assert arrived.status == 302, arrived.body
        exchanged = await self.ask("POST", "/api/sessions/exchange", {})
        assert exchanged.status == 200, exchanged.body
        return exchanged.data


async def everybody(door: Door) -> list[dict[str, Any]]:
    return list((await door.ask("GET", "/api/users")).data)


def claims(**changes: Any) -> Callable[[HostileProvider], None]:  # noqa: ANN401 - any claim
    def change(provider: HostileProvider) -> None:
        provider.claims.update(changes)

    return change


def signs(sign: Callable[[dict[str, Any]], str]) -> Callable[[HostileProvider], None]:
    def change(provider: HostileProvider) -> None:
        provider.sign = sign

    return change
