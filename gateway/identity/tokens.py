"""This module owns tokens: JWTs (RFC 7519), read by the rules of RFC 8725.

The algorithm belongs to the key and never to the token that names one; `kid` selects among keys
that are known already; whatever else a header offers (`jku`, `x5u`, `jwk`) is not looked at.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError, InvalidSignatureError, PyJWTError
from jwt.utils import base64url_decode
from msgspec import UNSET, Meta, Raw, UnsetType

from gateway.identity.keys import ALGORITHMS, KeySet
from gateway.identity.subject import Grants, Identity, Role
from protocol.refusals import Refusal, Refused

TOKEN_LIMIT_CHARACTERS = 8192
# Other kinds of JWT (refresh, logout, ID tokens of some issuers) say so, and open nothing here.
ACCESS_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})


class _PreparedHMAC(HMACAlgorithm):
    """HS256 with keys that `KeySet` has prepared: PyJWT would do it again for every token."""

    def prepare_key(self, key: str | bytes) -> bytes:
        if not isinstance(key, bytes):
            raise InvalidKeyError("the key has not been prepared")
        return key


def _decoder() -> PyJWS:
    # "none" is not merely refused: this decoder has never heard of it.
    jws = PyJWS(
        algorithms=[algorithm for algorithm in ALGORITHMS if algorithm != "HS256"],
        options={"verify_signature": True, "enforce_minimum_key_length": True},
    )
    jws.register_algorithm("HS256", _PreparedHMAC(HMACAlgorithm.SHA256))
    return jws


_jws = _decoder()


class KeyUnknown(Exception):
    """The issuer may have published the key since: read its keys again, then try once more."""

    def __init__(self, kid: str | None) -> None:
        self.kid = kid
        super().__init__("the token is signed with a key that is not known yet")


class TokenRules(msgspec.Struct, frozen=True):
    """What is asked of every token besides a good signature."""

    issuer: str | None = None
    audience: str | None = None
    leeway_seconds: float = 10.0


class Header(msgspec.Struct, frozen=True):
    """The header of a JWT, as far as it is looked at."""

    alg: Annotated[str, Meta(max_length=16)]
    kid: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    typ: str = "JWT"
    crit: Raw | UnsetType = UNSET
    b64: Raw | UnsetType = UNSET


# The upper end is where a float stops telling one second from the next.
_Time = Annotated[float, Meta(ge=0, le=2**53)]
_Text = Annotated[str, Meta(min_length=1, max_length=200)]
_Patterns = Annotated[tuple[_Text, ...], Meta(max_length=100)]


class _RoomsClaim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    # A misspelled member would leave the role as wide as it is, hence none is overlooked.
    join: _Patterns | None = None
    publish: _Patterns | None = None


class _Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    sub: _Text
    exp: _Time
    nbf: _Time | None = None
    iat: _Time | None = None
    iss: str | None = None
    aud: str | tuple[str, ...] | None = None
    jti: _Text | None = None
    role: Role = Role.VIEWER
    rooms: _RoomsClaim | None = None
    sid: _Text | None = None


_decode_header = msgspec.json.Decoder(Header).decode
_decode_claims = msgspec.json.Decoder(_Claims).decode
_encode_claims = msgspec.json.Encoder().encode


def identity_of_token(
    token: object, keys: KeySet, now_seconds: float, rules: TokenRules
) -> Identity:
    """Who the token proves its bearer to be.

    Raises `Refused` (UNAUTHENTICATED, TOKEN_INVALID, TOKEN_EXPIRED), or `KeyUnknown` when reading
    the issuer's keys again may help. `now_seconds` counts from 1970.
    """
    text = checked_text(token)
    claims = _claims_of(verified_payload(text, header_of(text, ACCESS_TYPES), keys))
    _check_times(claims, now_seconds, rules.leeway_seconds)
    _check_addressed(claims, rules)
    return Identity(
        subject=claims.sub,
        role=claims.role,
        grants=_grants_of(claims.rooms),
        expires_at_seconds=claims.exp,
        token_id=claims.jti,
        issued_at_seconds=claims.iat,
        session_id=claims.sid,
    )


def sign_token(  # noqa: PLR0913 - one argument for each claim
    keys: KeySet,
    *,
    subject: str,
    role: Role,
    now_seconds: float,
    lifetime_seconds: float,
    grants: Grants | None = None,
    rules: TokenRules | None = None,
    token_id: str | None = None,
    session_id: str | None = None,
) -> str:
    """A token, signed with the newest secret, that `identity_of_token` reads under `rules`.

    Raises `KeyUnusable` without a secret, `Refused` for claims that would not be accepted.
    """
    rules = rules or TokenRules()
    claims = _Claims(
        sub=subject,
        exp=int(now_seconds + lifetime_seconds),
        iat=int(now_seconds * 1000) / 1000,  # a change of role divides a second, too
        iss=rules.issuer,
        aud=rules.audience,
        jti=token_id,
        sid=session_id,
        role=role,
        rooms=_RoomsClaim(grants.join, grants.publish) if grants else None,
    )
    payload = _encode_claims(claims)
    _claims_of(payload)
    return signed(payload, keys)


def signed(payload: bytes, keys: KeySet, kind: str = "JWT") -> str:
    """Any claims as a token of a type, signed with the newest secret; raises `KeyUnusable`."""
    return _jws.encode(payload, keys.signing_secret, algorithm="HS256", headers={"typ": kind})


def checked_text(token: object) -> str:
    """What may be a token at all; raises `Refused`."""
    if token is None or token == "":
        raise Refused(Refusal.UNAUTHENTICATED)
    if not isinstance(token, str) or not token.isascii():
        raise invalid_token("The token is not a JWT.")
    if len(token) > TOKEN_LIMIT_CHARACTERS:
        raise invalid_token(f"The token is longer than {TOKEN_LIMIT_CHARACTERS} characters.")
    return token


def header_of(token: str, types: frozenset[str]) -> Header:
    """The header of a token of one of the types; raises `Refused`."""
    try:
        header = _decode_header(base64url_decode(token.partition(".")[0]))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise invalid_token("The token is not a JWT.") from None
    if header.crit is not UNSET or header.b64 is not UNSET:
        raise invalid_token("The token asks for an extension that is not understood here.")
    if header.typ.lower() not in types:
        raise invalid_token("The token is of another type than an access token.")
    return header


def verified_payload(token: str, header: Header, keys: KeySet) -> bytes:
    """What a token says, once its signature is proved good; raises `Refused`, `KeyUnknown`."""
    kid = None if header.kid is UNSET else header.kid
    for key in keys.candidates(header.alg, kid):
        try:
            decoded = _jws.decode_complete(token, key.material, algorithms=[key.algorithm])
        except InvalidSignatureError:
            continue
        except PyJWTError:
            raise invalid_token("The token is not a JWT.") from None
        payload: bytes = decoded["payload"]
        return payload
    if header.alg in keys.algorithms and keys.may_appear(header.alg, kid):
        raise KeyUnknown(kid)
    raise invalid_token("The token is signed with no key that is known here.")


def _claims_of(payload: bytes) -> _Claims:
    try:
        # All of it must be UTF-8 (RFC 7519, section 7.2); the decoder skips what it does not know.
        claims = _decode_claims(payload.decode())
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise invalid_token(f"The token's claims are not right: {_rule_of(error)}.") from None
    if not claims.sub.isprintable():
        raise invalid_token("The token's `sub` has characters that cannot be printed.")
    return claims


def _rule_of(error: Exception) -> str:
    # msgspec quotes a value that is in no enumeration; a message does not repeat what came in.
    return re.sub(r"Invalid enum value .* - at", "an unknown value - at", str(error))


def _check_times(claims: _Claims, now_seconds: float, leeway_seconds: float) -> None:
    if claims.exp <= now_seconds - leeway_seconds:
        raise Refused(Refusal.TOKEN_EXPIRED)
    latest_seconds = now_seconds + leeway_seconds
    if (claims.nbf or 0) > latest_seconds or (claims.iat or 0) > latest_seconds:
        raise invalid_token("The token is not valid yet.")


def _check_addressed(claims: _Claims, rules: TokenRules) -> None:
    if rules.issuer is not None and claims.iss != rules.issuer:
        raise invalid_token("The token comes from another issuer.")
    if rules.audience is None:
        return
    audiences = (claims.aud,) if isinstance(claims.aud, str) else claims.aud or ()
    if rules.audience not in audiences:
        raise invalid_token("The token is meant for another audience.")


def _grants_of(claim: _RoomsClaim | None) -> Grants:
    if claim is None:
        return Grants()
    # Who may join but a few rooms is not meant to publish into all the others.
    return Grants(claim.join, claim.join if claim.publish is None else claim.publish)


def invalid_token(message: str) -> Refused:
    """The no to a token."""
    return Refused(Refusal.TOKEN_INVALID, message)
