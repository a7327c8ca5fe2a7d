"""This module owns what a token is still worth: its subject may have changed since it was signed.

Pure. A token says who somebody was; the store says whether that holds.
"""

from __future__ import annotations

import msgspec

from gateway.identity import Identity
from gateway.users.api_key import ApiKey
from gateway.users.user import User
from protocol.refusals import Goodbye, Refusal, Refused


class Standing(msgspec.Struct, frozen=True):
    """How a subject stands with the store. None: it keeps nobody of that id."""

    user: User | None = None
    key: ApiKey | None = None
    session_ids: frozenset[str] = frozenset()


def goodbye_of(identity: Identity, standing: Standing) -> Goodbye | None:
    """Why the bearer of a token has to go; None when there is no reason.

    A token of somebody unknown is good: other issuers have subjects of their own. But a session
    that was begun here has to be known here, and its tokens have the role that the user has: who
    signs in while the role changes may be given a token that looks newer than the change.
    """
    if identity.key_digest is not None:
        return _goodbye_of_key(identity, standing.key)
    user = standing.user
    if user is not None and user.disabled:
        return Goodbye.DISABLED
    if identity.session_id is not None and identity.session_id not in standing.session_ids:
        return Goodbye.REVOKED
    if user is None or not user.tokens_valid_after_ms:
        return None
    if identity.session_id is not None and identity.role is not user.as_role:
        return Goodbye.TOKEN_EXPIRED
    # Clients that are told so fetch a new token, which says what they may do now.
    return None if _is_newer(identity, user.tokens_valid_after_ms) else Goodbye.TOKEN_EXPIRED


def _goodbye_of_key(identity: Identity, key: ApiKey | None) -> Goodbye | None:
    """Who came with the secret before a rotation comes again, and then goes when that one ends."""
    if key is None or identity.key_digest not in {key.digest, key.previous_digest}:
        return Goodbye.REVOKED
    if identity.key_digest == key.digest:
        return None
    ends_seconds, until_ms = identity.expires_at_seconds, key.previous_until_ms or 0
    knows_its_end = ends_seconds is not None and round(ends_seconds * 1000) <= until_ms
    return None if knows_its_end else Goodbye.TOKEN_EXPIRED


def _is_newer(identity: Identity, after_ms: int) -> bool:
    """A token that does not say when it was signed may be of any time."""
    issued_at_seconds = identity.issued_at_seconds
    return issued_at_seconds is not None and round(issued_at_seconds * 1000) >= after_ms


_REFUSALS = {
    Goodbye.DISABLED: Refused(Refusal.FORBIDDEN, "The account is disabled."),
    Goodbye.REVOKED: Refused(Refusal.TOKEN_INVALID, "The session has ended."),
    Goodbye.TOKEN_EXPIRED: Refused(
        Refusal.TOKEN_EXPIRED, "The token is older than the last change of the account."
    ),
}


def check_standing(identity: Identity, standing: Standing) -> None:
    """Raise `Refused` when the token is not worth anything any more."""
    goodbye = goodbye_of(identity, standing)
    if goodbye is not None:
        told = _REFUSALS[goodbye]
        raise Refused(told.refusal, told.message)
