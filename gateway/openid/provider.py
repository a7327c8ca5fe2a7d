"""This module owns one OpenID provider: where it sends browsers, and whom it says they are of.

The authorization code flow of OpenID Connect Core, with PKCE and a nonce; Authlib writes what is
asked and judges what is answered, the asking is ours. What the provider says of itself is asked for
when it is needed and kept for a while, so that one that is away stops no start.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from yarl import URL

from gateway.identity import KeySet
from gateway.jwks import JwksCache, JwksPace
from gateway.openid.asking import Asking, ProviderAway
from gateway.openid.discovery import Metadata, discover
from gateway.openid.id_token import KEYS, Claims, Expected, claims_of_id_token, failed
from gateway.openid.passage import Passage
from gateway.settings import Provider
from protocol.refusals import Refusal, Refused

METADATA_SECONDS: Final = 3600.0
# Only a provider's own answers can name a key that is not known, so it may be asked again soon.
KEYS_PACE: Final = JwksPace(ttl_seconds=300.0, retry_seconds=1.0, stale_seconds=3600.0)
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_BAD_REQUEST: Final = 400
_ABOUT_EMAIL: Final = ("email", "email_verified")


class _Tokens(msgspec.Struct):
    """What the token endpoint gives; tokens of access are of use for the user's claims alone."""

    access_token: str
    id_token: str
    token_type: str


class _NoTokens(msgspec.Struct):
    error: str = ""


class _UserInfo(msgspec.Struct):
    sub: str


class _Known(msgspec.Struct, frozen=True):
    """What the provider has said of itself, and when; seconds of the monotonic clock."""

    metadata: Metadata
    keys: JwksCache
    read_at_seconds: float


class ProviderClient:
    """Speaks with one provider. Raises `Refused` for its no, `ProviderAway` for not now."""

    def __init__(
        self, provider: Provider, redirect_uri: str, asking: Asking, leeway_seconds: float
    ) -> None:
        self.provider = provider
        self._redirect_uri = redirect_uri
        self._asking = asking
        self._leeway_seconds = leeway_seconds
        self._client = OAuth2Client(
            None,  # nothing is asked through it
            client_id=provider.client_id,
            redirect_uri=redirect_uri,
            scope=" ".join(provider.scopes),
            code_challenge_method="S256",
        )
        self._known: _Known | None = None
        self._finding_out = asyncio.Lock()

    async def stop(self) -> None:
        """Let go of the provider's keys; a second call does nothing."""
        if self._known is not None:
            await self._known.keys.stop()
            self._known = None

    async def url_for(self, passage: Passage) -> str:
        """Where a browser goes to sign in."""
        metadata = (await self._find_out()).metadata
        url, _ = self._client.create_authorization_url(
            metadata.authorization_endpoint,
            state=passage.state,
            code_verifier=passage.verifier,
            nonce=passage.nonce,
        )
        return str(url)

    async def url_for_sign_out(self, after: str) -> str | None:
        """Where a browser goes to sign out there; None when the provider has no such place."""
        metadata = (await self._find_out()).metadata
        if metadata.end_session_endpoint is None:
            return None
        asked = {"client_id": self.provider.client_id, "post_logout_redirect_uri": after}
        return str(URL(metadata.end_session_endpoint, encoded=True).update_query(asked))

    async def check_from(self, issuer: str | None) -> None:
        """Raise `Refused` when an answer is not this provider's (RFC 9207: the mix-up attack)."""
        metadata = (await self._find_out()).metadata
        is_missing = issuer is None and metadata.authorization_response_iss_parameter_supported
        if is_missing or issuer not in {None, metadata.issuer}:
            raise failed("The answer comes from another provider.")

    async def claims_for(self, code: str, passage: Passage) -> Claims:
        """What the provider says of whom it has given the code to."""
        known = await self._find_out()
        tokens = await self._redeem(known.metadata, code, passage.verifier)
        expected = Expected(
            issuer=known.metadata.issuer,
            client_id=self.provider.client_id,
            nonce=passage.nonce,
            access_token=tokens.access_token,
            now_seconds=time.time(),
            leeway_seconds=self._leeway_seconds,
        )

        def prove(keys: KeySet) -> Claims:
            return claims_of_id_token(tokens.id_token, keys, expected)

        try:
            claims = await known.keys.proved(prove, KEYS)
        except Refused as refused:
            if refused.refusal is not Refusal.TOKEN_INVALID:
                raise
            raise failed("Its ID token is not signed by it.") from None
        if known.metadata.userinfo_endpoint is None or self._is_enough(claims):
            return claims
        info = await self._user_info(known.metadata.userinfo_endpoint, tokens, claims)
        return _joined(claims, info)

    def _is_enough(self, claims: Claims) -> bool:
        wanted = [*_ABOUT_EMAIL, "name", self.provider.role_claim]
        return all(name in claims for name in wanted if name is not None)

    async def _redeem(self, metadata: Metadata, code: str, verifier: str) -> _Tokens:
        provider = self.provider
        form = prepare_token_request(
            "authorization_code",
            code=code,
            redirect_uri=self._redirect_uri,
            code_verifier=verifier,
        )
        method = "none" if provider.client_secret is None else metadata.authentication
        auth = ClientAuth(provider.client_id, provider.client_secret, method)
        url, headers, form = auth.prepare("POST", metadata.token_endpoint, dict(_FORM), form)
        answer = await self._asking.post(url, form, headers)
        if answer.status == _BAD_REQUEST:
            if answer.read(_NoTokens, _BAD_REQUEST).error == "invalid_grant":
                raise failed("It does not take the code, or not any more.")
            raise ProviderAway("it refuses to give tokens")
        tokens = answer.read(_Tokens)
        if tokens.token_type.lower() != "bearer":
            raise ProviderAway("tokens of another type")
        return tokens

    async def _user_info(self, url: str, tokens: _Tokens, claims: Claims) -> Claims:
        answer = await self._asking.get(url, tokens.access_token)
        if answer.read(_UserInfo).sub != claims["sub"]:  # section 5.3.2: somebody else's
            raise failed("Its answers are about two people.")
        info: Claims = msgspec.json.decode(answer.body)
        return info

    async def _find_out(self) -> _Known:
        async with self._finding_out:
            now_seconds = time.monotonic()
            known = self._known
            if known is not None and now_seconds - known.read_at_seconds < METADATA_SECONDS:
                return known
            metadata = await discover(self._asking, self.provider.issuer)
            if known is None or known.metadata.jwks_uri != metadata.jwks_uri:
                keys = await _started(metadata.jwks_uri)
                await self.stop()
            else:
                keys = known.keys
            self._known = _Known(metadata, keys, now_seconds)
            return self._known


def _joined(claims: Claims, info: Claims) -> Claims:
    """What both say, the ID token's word first; but an address goes with what was said of it."""
    speaker = info if "email_verified" not in claims and "email" in info else claims
    joined = {**info, **claims}
    for name in _ABOUT_EMAIL:
        joined[name] = speaker.get(name)
    return joined


async def _started(jwks_uri: str) -> JwksCache:
    """The keys at that place, kept fresh; whoever stops waiting leaves nothing behind."""
    keys = JwksCache(jwks_uri, KEYS_PACE)
    try:
        await keys.start()
    except asyncio.CancelledError:
        await keys.stop()
        raise
    return keys
