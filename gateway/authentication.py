"""This module owns who somebody is right now: with the keys, the clock and development mode."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from gateway.identity import (
    Identity,
    KeySet,
    KeyUnknown,
    PresentedKey,
    TokenRules,
    VerifyingKey,
    development_identity,
    identity_of_token,
    is_api_key,
    key_id_of,
    presented_key,
)
from gateway.jwks import JwksCache
from gateway.users.api_key import unknown_key
from protocol.refusals import Refusal, Refused

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.users.standings import Standings


_PROOFS_LIMIT: Final = 10_000  # of tokens, each of 8 KB at most and mostly far less
_NO_KEYS: Final[Mapping[str, VerifyingKey]] = {}


class Authenticator:
    """Turns a token, an API key, or their absence into an identity; the same for every door."""

    def __init__(
        self,
        settings: Settings,
        standings: Standings | None = None,
        note_use_of_key: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._standings = standings
        self._note_use_of_key = note_use_of_key
        is_development = settings.environment == "development"
        self._welcomes_anyone = is_development
        known = (settings.jwt_secrets, settings.jwt_public_key, settings.jwks_url)
        # So that one can sign in without any setting; with the process its tokens end.
        passing = (secrets.token_hex(32),) if is_development and not any(known) else ()
        self.keys = KeySet.of(
            settings.jwt_secrets or passing,
            settings.jwt_public_key,
            settings.jwt_algorithms,
            has_issuer=settings.jwks_url is not None,
            short_secrets=is_development,
        )
        self.rules = TokenRules(
            settings.jwt_issuer, settings.jwt_audience, settings.jwt_leeway_seconds
        )
        self._issuer = None if settings.jwks_url is None else JwksCache(settings.jwks_url)
        # By token: who it proved its bearer to be, and until when, in seconds since 1970.
        self._proofs: dict[str, tuple[Identity, float]] = {}
        self._published: Mapping[str, VerifyingKey] = _NO_KEYS

    async def start(self) -> None:
        """Begin to keep the issuer's keys fresh, when there is one."""
        if self._issuer is not None:
            await self._issuer.start()

    async def stop(self) -> None:
        """End; a second call does nothing."""
        if self._issuer is not None:
            await self._issuer.stop()

    def identify_now(self, token: str | None) -> Identity | None:
        """Who this is; None when it takes a question to somebody else to know. Raises `Refused`."""
        if token is None:
            return self._identity_without_token()
        if is_api_key(token):
            return self._identity_of_key_now(presented_key(token))
        try:
            identity = self._identity_of_token(token)
        except KeyUnknown:
            return None
        is_known = self._standings is None or self._standings.check_now(identity)
        return identity if is_known else None

    async def identify(self, token: str | None) -> Identity:
        """Who this is; asks the issuer and the user store if need be. Raises `Refused`."""
        identity = self.identify_now(token)
        if identity is not None:
            return identity
        assert token is not None, "without one there is nobody to ask about"
        if is_api_key(token):
            return await self._identity_of_key(presented_key(token))
        identity = await self._proved(token)
        if self._standings is not None:
            await self._standings.check(identity)
        return identity

    async def check(self, identity: Identity) -> None:
        """Raise `Refused` when what was proved a moment ago does not hold any more."""
        expires = identity.expires_at_seconds
        if expires is not None and expires + self.rules.leeway_seconds <= time.time():
            raise Refused(Refusal.TOKEN_EXPIRED)
        key_id = key_id_of(identity.subject)
        if self._standings is None:
            return
        if identity.key_digest is not None and key_id is not None:
            await self._standings.identity_of_key(PresentedKey(key_id, identity.key_digest))
        else:
            await self._standings.check(identity)

    def _identity_of_token(self, token: str) -> Identity:
        """What was proved once holds until it expires, as long as the keys are the same."""
        published = _NO_KEYS if self._issuer is None else self._issuer.keys
        if published is not self._published:
            self._proofs.clear()
            self._published = published
        now_seconds = time.time()
        known = self._proofs.get(token)
        if known is not None and known[1] > now_seconds:
            return known[0]
        keys = self.keys.with_published(published) if published else self.keys
        identity = identity_of_token(token, keys, now_seconds, self.rules)
        if len(self._proofs) >= _PROOFS_LIMIT:
            self._proofs.clear()
        assert identity.expires_at_seconds is not None, "no token is accepted without an end"
        self._proofs[token] = identity, identity.expires_at_seconds + self.rules.leeway_seconds
        return identity

    def _identity_of_key_now(self, presented: PresentedKey) -> Identity | None:
        if self._standings is None:
            raise unknown_key()
        identity = self._standings.identity_of_key_now(presented)
        if identity is not None:
            self._note_use_of_key(presented.id)
        return identity

    async def _identity_of_key(self, presented: PresentedKey) -> Identity:
        if self._standings is None:
            raise unknown_key()
        identity = await self._standings.identity_of_key(presented)
        self._note_use_of_key(presented.id)
        return identity

    async def _proved(self, token: str) -> Identity:
        if self._issuer is None:
            return identity_of_token(token, self.keys, time.time(), self.rules)
        return await self._issuer.identity_of_token(token, self.keys, time.time(), self.rules)

    def _identity_without_token(self) -> Identity:
        if not self._welcomes_anyone:
            raise Refused(Refusal.UNAUTHENTICATED)
        return development_identity(secrets.token_hex(4))


def bearer_of(authorization: str | None) -> str | None:
    """The token in an `Authorization: Bearer` header."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
