"""This module owns a sign-in under way: what the browser carries to a provider and back.

It is a signed token in a cookie, so that any worker can take the browser back and nothing is kept
for those who never return. Who can read the cookie is the browser that signs in: nothing in it is
a secret from that one.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from gateway.identity import KeySet
from gateway.identity.tokens import checked_text, header_of, signed, verified_payload
from protocol.refusals import Refusal, Refused
from protocol.sign_in import ReturnPath

LIFETIME_SECONDS: Final = 600.0  # to find one's password and one's second factor
_TYPE: Final = "sign-in+jwt"
_RANDOM_BYTES: Final = 32

_Random = Annotated[str, Meta(min_length=43, max_length=128)]


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A browser on its way. `verifier` is that of PKCE (RFC 7636)."""

    provider: str
    state: _Random
    nonce: _Random
    verifier: _Random
    return_to: ReturnPath
    exp: Annotated[float, Meta(ge=0, le=2**53)]

    def __repr__(self) -> str:
        """Without what makes it one's own."""
        return f"Passage({self.provider})"

    def is_answered_by(self, state: str | None) -> bool:
        """Whether an answer belongs to it."""
        return state is not None and hmac.compare_digest(state.encode(), self.state.encode())


_decode = msgspec.json.Decoder(Passage).decode
_encode = msgspec.json.Encoder().encode


def new_passage(provider: str, return_to: str, now_seconds: float) -> Passage:
    """A sign-in that begins now."""
    state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
    return Passage(
        provider=provider,
        state=state,
        nonce=nonce,
        verifier=verifier,
        return_to=return_to,
        exp=now_seconds + LIFETIME_SECONDS,
    )


def sealed(passage: Passage, keys: KeySet) -> str:
    """The text for the cookie; raises `KeyUnusable` without a secret to sign with."""
    return signed(_encode(passage), keys, _TYPE)


def passage_of(text: str | None, keys: KeySet, now_seconds: float) -> Passage:
    """What the cookie says, once it is proved to be ours; raises `Refused` (SIGN_IN_FAILED)."""
    try:
        token = checked_text(text)
        header = header_of(token, frozenset({_TYPE}))
        if header.alg != "HS256":  # nobody else signs these, so no public key can prove one
            raise lost()
        passage = _decode(verified_payload(token, header, keys))
    except (Refused, msgspec.MsgspecError, ValueError, RecursionError):
        raise lost() from None
    if passage.exp <= now_seconds:
        raise lost()
    return passage


def lost() -> Refused:
    """The no to a browser that has no sign-in under way."""
    said = "No such sign-in is under way in this browser, or it took too long; begin again."
    return Refused(Refusal.SIGN_IN_FAILED, said)
