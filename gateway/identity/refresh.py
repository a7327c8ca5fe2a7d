"""This module owns refresh tokens: each is good once, and says in which turn of its session.

They are JWTs of a type of their own, so that none opens what an access token opens (RFC 8725,
section 3.11). What is kept of a session is the number of its turn and nothing that could be stolen.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from gateway.identity.keys import KeySet
from gateway.identity.tokens import checked_text, header_of, invalid_token, signed, verified_payload
from protocol.refusals import Refusal, Refused

_TYPE: Final = "rt+jwt"


class RefreshClaims(msgspec.Struct, frozen=True):
    """What a refresh token says; `turn` counts the tokens of a session from 1 on."""

    sid: Annotated[str, Meta(min_length=1, max_length=200)]
    turn: Annotated[int, Meta(ge=1, le=2**53)]
    exp: Annotated[float, Meta(ge=0, le=2**53)]


_decode_claims = msgspec.json.Decoder(RefreshClaims).decode
_encode_claims = msgspec.json.Encoder().encode


def sign_refresh_token(keys: KeySet, claims: RefreshClaims) -> str:
    """The token, signed with the newest secret; raises `KeyUnusable` without one."""
    return signed(_encode_claims(claims), keys, _TYPE)


def refresh_claims_of(token: object, keys: KeySet, now_seconds: float) -> RefreshClaims:
    """What the token says, once it is proved to be ours; raises `Refused`."""
    text = checked_text(token)
    header = header_of(text, frozenset({_TYPE}))
    if header.alg != "HS256":  # nobody else signs these, so no public key can prove one
        raise invalid_token("The token is signed with no key that is known here.")
    try:
        claims = _decode_claims(verified_payload(text, header, keys))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise invalid_token("The token's claims are not right.") from None
    if claims.exp <= now_seconds:
        raise Refused(Refusal.TOKEN_EXPIRED)
    return claims
