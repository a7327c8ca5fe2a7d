"""This module owns signing in with a provider, from the first click to a session.

Nothing is kept for those who begin: what is under way travels with the browser (`passage.py`). What
strangers can have us do is to ask a provider, so that is what is bounded: how often by address, and
how many at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from gateway.identity import KeySet
from gateway.openid.arrivals import Arrivals
from gateway.openid.asking import Asking, ProviderAway
from gateway.openid.id_token import failed
from gateway.openid.passage import Passage, lost, new_passage, passage_of, sealed
from gateway.openid.person import person_of
from gateway.openid.provider import ProviderClient
from gateway.rooms.buckets import Allowance, Buckets
from gateway.rooms.pacing import KEYS_LIMIT, network_of, too_fast
from gateway.settings import Provider, Settings
from gateway.users.external import ExternalStore
from gateway.users.session import Origin
from gateway.users.sessions import Sessions, SignedIn
from protocol.refusals import Refusal, Refused
from protocol.sign_in import SignInAnswer

logger = structlog.get_logger(__name__)

# How long a session waits for the page to come and take its tokens.
HANDOVER_SECONDS: Final = 120.0
# Each sign-in is two of them, and an office may share an address.
_OF_AN_ADDRESS: Final = Allowance(per_second=2.0, burst=200.0)
_AT_ONCE_LIMIT: Final = 64  # at one provider: a slow one must not take the place of the others
_LIMIT_SECONDS: Final = 15.0
_RETRY_AFTER_MS: Final = 2000
_GIVEN_UP: Final = "access_denied"  # RFC 6749, section 4.1.2.1


class Begun(msgspec.Struct, frozen=True):
    """A browser on its way to `url`, with a cookie."""

    url: str
    cookie: str


class SignIns:
    """Raises `Refused` for a no and for a provider that is away, `StoreUnavailable` for not now."""

    def __init__(
        self,
        settings: Settings,
        keys: KeySet,
        sessions: Sessions,
        arrivals: Arrivals,
        external: ExternalStore,
    ) -> None:
        self._keys = keys
        self._sessions = sessions
        self._arrivals = arrivals
        self._external = external
        self._asking = Asking()
        self._public_url = (settings.public_url or "").rstrip("/")
        self._clients: Mapping[str, ProviderClient] = {
            provider.name: ProviderClient(
                provider,
                f"{self._public_url}{path_of(provider)}/callback",
                self._asking,
                settings.jwt_leeway_seconds,
            )
            for provider in settings.providers
        }
        self._addresses = Buckets(_OF_AN_ADDRESS, KEYS_LIMIT)
        self._under_way: Counter[str] = Counter()

    @property
    def providers(self) -> Sequence[Provider]:
        """Whom one may sign in with, in the order of the configuration."""
        return [client.provider for client in self._clients.values()]

    async def start(self) -> None:
        """Get ready; no provider has to be there."""
        await self._asking.start()

    async def stop(self) -> None:
        """Let go of everything; a second call does nothing."""
        for client in self._clients.values():
            await client.stop()
        await self._asking.stop()

    async def begin(self, name: str, return_to: str, address: str) -> Begun:
        """Send a browser to a provider."""
        client = self._client(name)
        self._sessions.check_signing()
        async with self._asked(client.provider, address):
            passage = new_passage(name, return_to, time.time())
            url = await client.url_for(passage)
        return Begun(url, sealed(passage, self._keys))

    def passage_of(self, name: str, answer: SignInAnswer, cookie: str | None) -> Passage:
        """The sign-in that an answer belongs to; raises `Refused` (NOT_FOUND, SIGN_IN_FAILED)."""
        self._client(name)
        passage = passage_of(cookie, self._keys, time.time())
        if passage.provider != name or not passage.is_answered_by(answer.state):
            raise lost()
        return passage

    async def finish(self, passage: Passage, answer: SignInAnswer, origin: Origin) -> SignedIn:
        """Take a browser back, and begin its session; it waits for the page to take its tokens."""
        client = self._client(passage.provider)
        provider = client.provider
        async with self._asked(provider, origin.address):
            await self._spend(passage)
            await client.check_from(answer.iss)
            claims = await client.claims_for(_code_of(answer, provider.name), passage)
        user = await self._arrivals.user_of(person_of(claims, provider), provider)
        return await self._sessions.begin(user, origin, HANDOVER_SECONDS)

    async def sign_out(self, name: str, return_to: str, address: str) -> str:
        """Where a browser goes to sign out at a provider as well; raises `Refused` (NOT_FOUND)."""
        client = self._client(name)
        async with self._asked(client.provider, address):
            url = await client.url_for_sign_out(self._public_url + return_to)
        if url is None:
            raise Refused(Refusal.NOT_FOUND, "One cannot sign out at that provider from here.")
        return url

    def _client(self, name: str) -> ProviderClient:
        client = self._clients.get(name)
        if client is None:
            raise Refused(Refusal.NOT_FOUND, "There is no such provider.")
        return client

    async def _spend(self, passage: Passage) -> None:
        """An answer counts once, on whichever worker: who has copied it comes too late."""
        digest = hashlib.sha256(passage.state.encode()).hexdigest()
        now_ms = time.time_ns() // 1_000_000
        if not await self._external.spend(digest, now_ms, int(passage.exp * 1000)):
            raise lost()

    @contextlib.asynccontextmanager
    async def _asked(self, provider: Provider, address: str) -> AsyncIterator[None]:
        """A moment in which a provider may be asked, on behalf of an address."""
        wait_seconds = self._addresses.take(network_of(address), 1.0, time.monotonic())
        if wait_seconds:
            raise too_fast(wait_seconds)
        if self._under_way[provider.name] >= _AT_ONCE_LIMIT:
            raise Refused(Refusal.UNAVAILABLE, retry_after_ms=_RETRY_AFTER_MS)
        self._under_way[provider.name] += 1
        try:
            async with asyncio.timeout(_LIMIT_SECONDS):
                yield
        except (ProviderAway, TimeoutError) as away:
            logger.warning("! provider away", provider=provider.name, why=str(away) or "too slow")
            said = f"{provider.label or provider.name} cannot be asked right now; try again."
            raise Refused(Refusal.UNAVAILABLE, said, retry_after_ms=_RETRY_AFTER_MS) from away
        finally:
            self._under_way[provider.name] -= 1


def _code_of(answer: SignInAnswer, name: str) -> str:
    """The code of an answer that has one; raises `Refused` (SIGN_IN_FAILED)."""
    if answer.error is not None:
        # It may be a mistake in the configuration, of which only the operator can make anything.
        logger.warning("! sign-in ended at the provider", provider=name, error=answer.error[:100])
        raise failed("It was given up there." if answer.error == _GIVEN_UP else "It met an error.")
    if answer.code is None:
        raise failed("There is no code.")
    return answer.code


def path_of(provider: Provider) -> str:
    """The path at which signing in with a provider begins."""
    return f"/api/sign-in/{provider.name}"
