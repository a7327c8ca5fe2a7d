"""This module owns what must be true of the reading of tokens, whatever is given for one."""

from __future__ import annotations

import base64
import hmac
from typing import Final

import jwt

from gateway.identity import Identity, KeySet, TokenRules, identity_of_token
from gateway.identity.tokens import KeyUnknown
from protocol.refusals import Refused

_SECRET: Final = b"a-secret-of-more-than-thirty-two-bytes-for-fuzzing"
_NOW_SECONDS: Final = 1_800_000_000.0
_LEEWAY_SECONDS: Final = 10.0
_KEYS: Final = KeySet.of((_SECRET.decode(),))
_RULES: Final = TokenRules(leeway_seconds=_LEEWAY_SECONDS)

# The first byte: as it is, or a header and claims to be signed well, a newline in between.
TOKEN_SEEDS: Final = (
    b"\x00eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
    b'\x01{"alg":"HS256","typ":"JWT"}\n{"sub":"a","exp":1900000000,"role":"rider"}',
    b'\x01{"alg":"HS256","kid":"k"}\n{"sub":"a","exp":1900000000.5,"nbf":1,"iat":2,"jti":"j"}',
    b'\x01{"alg":"HS256"}\n{"sub":"a","exp":1900000000,"rooms":{"join":["city:*"],"publish":[]}}',
    b'\x01{"alg":"none","crit":["b64"],"b64":false}\n{"sub":"a","exp":1900000000,"aud":["x"]}',
)


def check_token(data: bytes) -> None:
    """Nobody is let in but by what PyJWT, left to itself, takes for a token too."""
    token = _signed(data[1:]) if data[:1] and data[0] % 2 else data[1:].decode(errors="replace")
    try:
        identity = identity_of_token(token, _KEYS, _NOW_SECONDS, _RULES)
    except (Refused, KeyUnknown):
        return
    _check_identity(identity)
    options: jwt.types.Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    options |= {"verify_aud": False, "verify_jti": False, "verify_sub": False}
    claims = jwt.decode(token, _SECRET, algorithms=["HS256"], options=options)
    assert claims["sub"] == identity.subject
    assert claims["exp"] == identity.expires_at_seconds


def _check_identity(identity: Identity) -> None:
    assert identity.subject.isprintable()
    assert identity.expires_at_seconds is not None
    assert identity.expires_at_seconds > _NOW_SECONDS - _LEEWAY_SECONDS
    identity.may_join("city:paris")
    identity.may_publish("x" * 200)


def _signed(data: bytes) -> str:
    header, _, claims = data.partition(b"\n")
    text = b".".join(map(_base64url, (header, claims)))
    return b".".join((text, _base64url(hmac.digest(_SECRET, text, "sha256")))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
