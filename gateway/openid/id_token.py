"""This module owns ID tokens: what proves who has signed in at a provider (OpenID Connect Core).

The algorithm belongs to the key, as for every token here: no secret of ours is among the keys, so
that `none`, and HS256 with a public key, are signed with nothing that is known. What the claims
have to say of issuer, audience, nonce and time is Authlib's to judge.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError
from msgspec import Meta

from gateway.identity import KeySet
from gateway.identity.tokens import header_of, verified_payload
from protocol.refusals import Refusal, Refused

LIMIT_CHARACTERS: Final = 65_536  # a provider may put groups into it
# Exactly those that public keys of `KeySet` are for.
KEYS: Final = KeySet({}, {}, frozenset({"RS256", "ES256", "EdDSA"}), has_issuer=True)
_TYPES: Final = frozenset({"jwt"})

_Time = Annotated[float, Meta(ge=0, le=2**53)]
_Subject = Annotated[str, Meta(min_length=1, max_length=255)]  # section 2

Claims = dict[str, Any]


class _Registered(msgspec.Struct):
    """The forms of what is judged; claims of other names are the provider's own."""

    iss: str
    sub: _Subject
    aud: str | list[str]
    exp: _Time
    iat: _Time
    nbf: _Time | None = None
    nonce: str | None = None
    azp: str | None = None
    at_hash: str | None = None


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What an ID token has to be made for."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str
    now_seconds: float
    leeway_seconds: float


_decode_registered = msgspec.json.Decoder(_Registered).decode
_decode_claims = msgspec.json.Decoder(Claims).decode


def claims_of_id_token(token: str, keys: KeySet, expected: Expected) -> Claims:
    """What the token says of somebody, once it is proved; raises `Refused`, `KeyUnknown`."""
    if len(token) > LIMIT_CHARACTERS or not token.isascii():
        raise failed("Its ID token is no token.")
    header = header_of(token, _TYPES)
    payload = verified_payload(token, header, keys)
    try:
        registered = _decode_registered(payload.decode())
        claims = _decode_claims(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise failed("The claims of its ID token are not right.") from None
    if not registered.sub.isprintable():
        raise failed("The claims of its ID token are not right.")
    judged = CodeIDToken(
        {
            name: each
            for name, each in msgspec.structs.asdict(registered).items()
            if each is not None
        },
        {"alg": header.alg},
        {
            "iss": {"essential": True, "value": expected.issuer},
            "aud": {"essential": True, "value": expected.client_id},
            "nonce": {"essential": True, "value": expected.nonce},
        },
        {
            "client_id": expected.client_id,
            "nonce": expected.nonce,
            "access_token": expected.access_token,
        },
    )
    try:
        judged.validate(int(expected.now_seconds), expected.leeway_seconds)
    except (JoseError, ValueError, TypeError) as error:
        raise failed(f"Its ID token is not for here and now: {_rule_of(error)}.") from None
    return claims


def _rule_of(error: Exception) -> str:
    """The name of a claim, and nothing of its value."""
    claim = getattr(error, "claim", None)
    return str(claim or type(error).__name__)


def failed(message: str) -> Refused:
    """The no to what a provider has said."""
    return Refused(Refusal.SIGN_IN_FAILED, f"{Refusal.SIGN_IN_FAILED.sentence} {message}")
