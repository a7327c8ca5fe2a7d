"""This module owns how a provider is asked over HTTP: for little, and for a short time.

What it answers is a stranger's text: its size, its time and its form are bounded here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

import aiohttp
import msgspec

from gateway.bodies import find_body

Shape = TypeVar("Shape", bound=msgspec.Struct)

ANSWER_LIMIT_BYTES: Final = 262_144
LIMIT_SECONDS: Final = 5.0
_OK: Final = 200
_FAULT: Final = 500


class ProviderAway(Exception):
    """The provider does not answer, or nothing that can be used; the message says what it was."""


class Answer(NamedTuple):
    """What came back: a status below 500, and a body of bounded size."""

    status: int
    body: bytes

    def read(self, shape: type[Shape], status: int = _OK) -> Shape:
        """The JSON of an answer with that status; raises `ProviderAway`."""
        if self.status != status:
            raise ProviderAway(f"status {self.status}")
        try:
            # All of it must be UTF-8; the decoder skips what it does not know.
            return msgspec.json.decode(self.body.decode(), type=shape)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise ProviderAway("an answer of another form") from None


class Asking:
    """Asks providers, from `start` to `stop`."""

    def __init__(self, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._limit_seconds = limit_seconds
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Get ready; nobody is asked anything yet."""
        self._session = aiohttp.ClientSession(
            # Compressed, a small answer could unfold to any size.
            auto_decompress=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def stop(self) -> None:
        """Let go of the connections; a second call does nothing."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, url: str, token: str | None = None) -> Answer:
        """The answer to a question, with an access token when there is one."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self._ask("GET", url, headers)

    async def post(self, url: str, form: str, headers: Mapping[str, str]) -> Answer:
        """The answer to a form."""
        return await self._ask("POST", url, headers, form.encode())

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        assert self._session is not None, "it was not started"
        try:
            async with (
                asyncio.timeout(self._limit_seconds),
                # Elsewhere is not where the secret, or the code, was to go.
                self._session.request(
                    method, url, headers=headers, data=body, allow_redirects=False
                ) as response,
            ):
                if response.status >= _FAULT:
                    raise ProviderAway(f"status {response.status}")
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise ProviderAway("a compressed answer")
                body = await find_body(response, ANSWER_LIMIT_BYTES)
                if body is None:
                    raise ProviderAway(f"an answer of more than {ANSWER_LIMIT_BYTES} bytes")
                return Answer(response.status, body)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            # Messages of aiohttp may hold the URL, and a URL may hold a secret.
            raise ProviderAway(type(error).__name__) from None
