"""This module owns the keys that an issuer publishes: a JWKS (RFC 7517), read over HTTP and kept.

A stranger may write any `kid` into a token. So an unknown one causes at most one reading in
`retry_seconds`, however many ask at once, and nothing is remembered about it. While the issuer is
away its last keys stay good for `stale_seconds`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

import aiohttp
import msgspec
import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from yarl import URL

from gateway.bodies import find_body
from gateway.identity import (
    Identity,
    KeySet,
    KeyUnknown,
    KeyUnusable,
    TokenRules,
    VerifyingKey,
    algorithm_of,
    identity_of_token,
)
from protocol.refusals import Refusal, Refused

Result = TypeVar("Result")

DOCUMENT_LIMIT_BYTES = 262_144
_KEYS_LIMIT = 100
_REDIRECTS_LIMIT = 3
_REDIRECT_STATUSES = {301, 302, 303, 307, 308}
_OK = 200

_log = structlog.stdlib.get_logger("paceline.jwks")


class JwksUnusable(Exception):
    """What the issuer answered is no JWKS, or comes from where it must not."""


class JwksPace(msgspec.Struct, frozen=True):
    """How long keys are kept and how often they are asked for."""

    ttl_seconds: float = 45.0  # a key that the issuer has withdrawn is good for no longer
    retry_seconds: float = 30.0
    stale_seconds: float = 86_400.0
    timeout_seconds: float = 5.0


class JwksCache:
    """The published keys of one issuer, kept fresh from `start` to `stop`."""

    def __init__(
        self, url: str, pace: JwksPace | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = URL(url)
        self._pace = pace or JwksPace()
        self._clock = clock
        self._keys: Mapping[str, VerifyingKey] = {}
        self._read_at_seconds = self._tried_at_seconds = float("-inf")
        self._is_failing = False
        self._reading: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Read the keys, then keep them fresh. An issuer that is away does not stop a start."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._pace.timeout_seconds),
            # Compressed, a small answer could unfold to any size.
            auto_decompress=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        await self._read_once()
        self._keeping = asyncio.create_task(self._keep_forever())

    async def stop(self) -> None:
        """Let go of everything; a second call does nothing."""
        tasks = [task for task in (self._keeping, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._keeping = self._reading = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def keys(self) -> Mapping[str, VerifyingKey]:
        """What is known now, by `kid`; nothing once it is older than `stale_seconds`."""
        return {} if self._age_seconds() > self._pace.stale_seconds else self._keys

    async def keys_for(self, kid: str | None) -> Mapping[str, VerifyingKey]:
        """The keys, read again when that is due or `kid` is unknown and asking is allowed."""
        if self._is_waited_for(kid) and (self._reading is not None or self._may_ask()):
            await self._read_once()
        return self.keys

    async def identity_of_token(
        self, token: object, keys: KeySet, now_seconds: float, rules: TokenRules
    ) -> Identity:
        """As `gateway.identity.identity_of_token`, with the issuer's keys beside our own `keys`.

        Raises `Refused` (UNAVAILABLE) while the issuer is away and the key is not known.
        """
        return await self.proved(
            lambda known: identity_of_token(token, known, now_seconds, rules), keys
        )

    async def proved(self, prove: Callable[[KeySet], Result], keys: KeySet) -> Result:
        """What `prove` makes of the issuer's keys beside `keys`, read again when it wants others.

        Raises what `prove` raises but `KeyUnknown`, and `Refused` as above.
        """
        known = self.keys
        if self._is_waited_for_by_all():
            known = await self.keys_for(None)
        try:
            return prove(keys.with_published(known))
        except KeyUnknown as unknown:
            known = await self.keys_for(unknown.kid)
        try:
            return prove(keys.with_published(known))
        except KeyUnknown:
            raise self._refused() from None

    def _refused(self) -> Refused:
        if not self._is_failing:
            return Refused(Refusal.TOKEN_INVALID, "The token is signed with no key known here.")
        retry_after_ms = int(self._pace.retry_seconds * 1000)
        message = "The keys of the token's issuer cannot be read right now."
        return Refused(Refusal.UNAVAILABLE, message, retry_after_ms=retry_after_ms)

    # ------------------------------------------------------------------------------ when to read

    def _age_seconds(self) -> float:
        return self._clock() - self._read_at_seconds

    def _may_ask(self) -> bool:
        return self._clock() - self._tried_at_seconds >= self._pace.retry_seconds

    def _is_waited_for(self, kid: str | None) -> bool:
        return kid not in self._keys or self._is_waited_for_by_all()

    def _is_waited_for_by_all(self) -> bool:
        # While the issuer fails its keys are served as they are: nobody waits for a time-out.
        return self._age_seconds() > self._pace.ttl_seconds and not self._is_failing

    async def _keep_forever(self) -> None:
        while True:
            # Early, so that requests find fresh keys; jittered, so that workers do not ask in step.
            ttl_seconds = self._pace.ttl_seconds * random.uniform(0.8, 0.95)  # noqa: S311 - jitter
            retry_seconds = self._pace.retry_seconds * random.uniform(1.0, 1.5)  # noqa: S311 - jitter
            await asyncio.sleep(retry_seconds if self._is_failing else ttl_seconds)
            await self._read_once()

    # ------------------------------------------------------------------------------ one reading

    async def _read_once(self) -> None:
        """Wait for the reading that is under way, or start one."""
        if self._reading is None:
            self._tried_at_seconds = self._clock()
            self._reading = asyncio.create_task(self._read())
        # Shielded: who stops waiting must not take the answer from the others.
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self._pace.timeout_seconds):
                document = await self._document()
            self._keys = published_keys(document)
        except (aiohttp.ClientError, OSError, TimeoutError, JwksUnusable) as error:
            self._is_failing = True
            _log.warning("issuer_keys_unreadable", host=self._url.host, reason=_reason_of(error))
        else:
            self._is_failing = False
            self._read_at_seconds = self._clock()
            _log.debug("issuer_keys_read", host=self._url.host, keys=len(self._keys))
        finally:
            self._reading = None

    async def _document(self) -> bytes:
        assert self._session is not None
        url = self._url
        for _ in range(_REDIRECTS_LIMIT + 1):
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status not in _REDIRECT_STATUSES:
                    return await _body_of(response)
                url = _next_url(url, response.headers.get("Location", ""))
        raise JwksUnusable("too many redirects")


def _next_url(url: URL, location: str) -> URL:
    try:
        target = url.join(URL(location))
    except ValueError:
        raise JwksUnusable("a redirect to no URL") from None
    if target.host != url.host or target.scheme not in {url.scheme, "https"}:
        raise JwksUnusable("a redirect to another host or to plain http")
    return target


async def _body_of(response: aiohttp.ClientResponse) -> bytes:
    if response.status != _OK:
        raise JwksUnusable(f"status {response.status}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise JwksUnusable("a compressed answer")
    body = await find_body(response, DOCUMENT_LIMIT_BYTES)
    if body is None:
        raise JwksUnusable(f"more than {DOCUMENT_LIMIT_BYTES} bytes")
    return body


def _reason_of(error: Exception) -> str:
    # Messages of aiohttp may hold the URL, and a URL may hold a secret.
    return str(error) if isinstance(error, JwksUnusable) else type(error).__name__


# ---------------------------------------------------------------------------------- the document


class _Document(msgspec.Struct):
    keys: list[dict[str, msgspec.Raw]]


def published_keys(document: bytes) -> dict[str, VerifyingKey]:
    """The keys of a JWKS that can check our tokens, by `kid`; the others are passed over.

    Raises `JwksUnusable` when it is no JWKS. A key without `kid` gets its place as a name: it
    serves tokens that name none.
    """
    try:
        entries = msgspec.json.decode(document, type=_Document).keys
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise JwksUnusable("not a JWKS") from None
    keys: dict[str, VerifyingKey] = {}
    for place, entry in enumerate(entries[:_KEYS_LIMIT]):
        # Beside its own errors PyJWT lets a KeyError or TypeError of odd members through.
        with contextlib.suppress(KeyUnusable, PyJWTError, ValueError, LookupError, TypeError):
            kid, key = _published_key(entry)
            keys[kid or f"#{place}"] = key
    return keys


class _Purpose(msgspec.Struct):
    kty: Literal["RSA", "EC", "OKP"]
    kid: str | None = None
    use: str = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    alg: str | None = None


def _published_key(entry: dict[str, msgspec.Raw]) -> tuple[str | None, VerifyingKey]:
    purpose = msgspec.json.decode(msgspec.json.encode(entry), type=_Purpose)
    # The kind of a key decides its algorithm, so PyJWT does not get to see what `alg` says.
    members = {name: raw for name, raw in entry.items() if name != "alg"}
    key = PyJWK.from_json(msgspec.json.encode(members).decode()).key
    algorithm = algorithm_of(key)  # refuses private and shared keys: they have no place in public
    if purpose.use != "sig" or "verify" not in purpose.key_ops:
        raise KeyUnusable("a key for another purpose")
    if purpose.alg not in {None, algorithm}:
        raise KeyUnusable("a key for another algorithm")
    return purpose.kid, VerifyingKey(algorithm, key)
