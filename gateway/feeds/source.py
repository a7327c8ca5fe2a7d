"""This module owns the fetching of documents from files and over HTTP, and its failures."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final, Protocol

import aiohttp
import msgspec
from yarl import URL

from gateway.bodies import find_body
from gateway.feeds.schedule import retry_after_seconds

BODY_LIMIT_BYTES: Final = 64 * 1024 * 1024
TIMEOUT: Final = aiohttp.ClientTimeout(total=60, sock_connect=10, sock_read=20)

_NOT_MODIFIED = 304
_OK = 200


class FetchFailed(Exception):
    """Nothing came; the message says why, without query strings (they may hold keys)."""

    def __init__(self, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


class Fetched(msgspec.Struct, frozen=True):
    """A body, and what to show the source in order to get it only when it is another one."""

    body: bytes
    validators: dict[str, str]


class Source(Protocol):
    """Where one document comes from."""

    async def fetch(self) -> Fetched | None:
        """Get the document; None when it is the one that was kept. Raises `FetchFailed`."""
        ...

    def keep(self, fetched: Fetched) -> None:
        """Say that the document was usable: only then may the source answer `unchanged` to it."""
        ...


class FileSource:
    """A file; it counts as unchanged as long as its size and time of change are the same."""

    def __init__(self, path: Path, *, limit_bytes: int = BODY_LIMIT_BYTES) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._validators: dict[str, str] = {}

    async def fetch(self) -> Fetched | None:
        return await asyncio.to_thread(self._read)

    def keep(self, fetched: Fetched) -> None:
        self._validators = fetched.validators

    def _read(self) -> Fetched | None:
        try:
            state = self._path.stat()
            validators = {"size": str(state.st_size), "changed": str(state.st_mtime_ns)}
            if validators == self._validators:
                return None
            with self._path.open("rb") as file:
                body = file.read(self._limit_bytes + 1)
        except OSError as error:
            raise FetchFailed(error.strerror or type(error).__name__) from error
        if len(body) > self._limit_bytes:
            raise _too_large(self._limit_bytes)
        return Fetched(body, validators)


class HttpSource:
    """A URL; asked with `If-None-Match` and `If-Modified-Since` once a document was kept."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        limit_bytes: int = BODY_LIMIT_BYTES,
        timeout: aiohttp.ClientTimeout = TIMEOUT,
    ) -> None:
        self._session = session
        self._url = url
        self._limit_bytes = limit_bytes
        self._timeout = timeout
        self._validators: dict[str, str] = {}

    async def fetch(self) -> Fetched | None:
        try:
            async with self._session.get(
                self._url, headers=self._validators, timeout=self._timeout, max_redirects=5
            ) as answer:
                return await self._read(answer)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise FetchFailed(reason_of(error)) from error

    def keep(self, fetched: Fetched) -> None:
        self._validators = fetched.validators

    async def _read(self, answer: aiohttp.ClientResponse) -> Fetched | None:
        if answer.status == _NOT_MODIFIED and self._validators:
            return None
        if answer.status != _OK:
            wait = retry_after_seconds(answer.headers.get("Retry-After"), time.time())
            raise FetchFailed(f"HTTP status {answer.status}", wait)
        body = await find_body(answer, self._limit_bytes)
        if body is None:
            raise _too_large(self._limit_bytes)
        return Fetched(body, _validators_of(answer))


def _validators_of(answer: aiohttp.ClientResponse) -> dict[str, str]:
    pairs = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
    return {ask: answer.headers[told] for told, ask in pairs if told in answer.headers}


def _too_large(limit_bytes: int) -> FetchFailed:
    return FetchFailed(f"body larger than {limit_bytes} bytes")


def reason_of(error: Exception) -> str:
    """What went wrong, without the URL: aiohttp's own messages quote it whole."""
    match error:
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}:{error.port}"
        case TimeoutError():
            return "timed out"
        case aiohttp.ClientPayloadError():
            return "the body broke off"
        case aiohttp.ServerDisconnectedError():
            return "the server hung up"
    return type(error).__name__


def is_url(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def shown(address: str) -> str:
    """The address as it may stand in a log: without user, password, query and fragment."""
    if not is_url(address):
        return address
    try:
        return str(URL(address).with_user(None).with_query(None).with_fragment(None))
    except ValueError:
        return "(unreadable URL)"


def source_of(session: aiohttp.ClientSession, address: str) -> Source:
    return HttpSource(session, address) if is_url(address) else FileSource(Path(address))
