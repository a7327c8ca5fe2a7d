"""This module owns signing in and out: from a password to tokens, from each token to the next."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from gateway.identity import (
    KeySet,
    KeyUnusable,
    RefreshClaims,
    TokenRules,
    refresh_claims_of,
    sign_refresh_token,
    sign_token,
)
from gateway.rooms.pacing import network_of, too_fast
from gateway.users.acting import become
from gateway.users.passwords import Passwords, check_password
from gateway.users.patience import Patience
from gateway.users.session import (
    Origin,
    Session,
    SessionStore,
    is_session_id,
    new_session,
    next_turn,
)
from gateway.users.standings import Standings
from gateway.users.store import UserStore
from gateway.users.trail import Trail
from gateway.users.user import ID_RANDOM_BYTES, User, folded
from protocol.bodies import invalid
from protocol.refusals import Refusal, Refused

logger = structlog.get_logger(__name__)

# Long enough to sign in at a provider, with a second factor, and to come back to a form.
RECENT_SIGN_IN_SECONDS: Final = 300

_ATTEMPTS: Final = 3  # to compare a password with the one that the user has by then


class SessionRules(msgspec.Struct, frozen=True):
    """How long what is given out is good for."""

    access_seconds: float
    session_seconds: float  # without a refresh
    session_most_seconds: float = 90 * 86_400.0  # in all, after which one signs in again


class SignedIn(msgspec.Struct, frozen=True):
    """What somebody gets who has proved who they are."""

    user: User
    session: Session
    access_token: str
    refresh_token: str
    expires_in_seconds: int

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"SignedIn({self.user.id}, {self.session.id})"


class Sessions:
    """Raises `Refused` for a no and `StoreUnavailable` for not now."""

    def __init__(  # noqa: PLR0913, PLR0917 - these are the parts that meet here
        self,
        users: UserStore,
        store: SessionStore,
        passwords: Passwords,
        keys: KeySet,
        token_rules: TokenRules,
        rules: SessionRules,
        standings: Standings | None = None,
        trail: Trail | None = None,
    ) -> None:
        self._standings = standings
        self._trail = trail
        self._users = users
        self._store = store
        self._passwords = passwords
        self._keys = keys
        self._token_rules = token_rules
        self._rules = rules
        self._patience = Patience()

    async def sign_in(self, email: str, password: str, origin: Origin) -> SignedIn:
        """Begin a session.

        Nobody learns from a no, nor from the time it takes, whether there is such a user. Raises
        `Refused` (CREDENTIALS_WRONG, FORBIDDEN, TOO_FAST; NOT_FOUND without a signing key).
        """
        self.check_signing()
        account = folded(email)
        self._take_try(account, origin)
        for _ in range(_ATTEMPTS):
            user, password_hash = await self._proved(email, password, origin)
            self._patience.forgive(account)
            become(user.id, "password")
            if user.disabled:
                raise Refused(Refusal.FORBIDDEN, "The account is disabled.")
            if self._passwords.is_outdated(password_hash):
                after = await self._passwords.hash(password)
                await self._store.replace_hash(user.id, password_hash, after)
                password_hash = after
            signed_in = await self._begun(user, origin, self._lifetime_ms, password_hash)
            if signed_in is not None:
                return signed_in
            # There is another password, or another hash of it, since it was compared.
        raise Refused(Refusal.CREDENTIALS_WRONG)

    async def _proved(self, email: str, password: str, origin: Origin) -> tuple[User, str]:
        """Whose password it is, and its hash."""
        found = await self._store.credentials_of(email)
        user, password_hash = found or (None, None)
        is_right = await self._passwords.is_right(password, password_hash)
        if user is None or password_hash is None or not is_right:
            logger.warning("! sign-in failed", address=origin.address)
            raise Refused(Refusal.CREDENTIALS_WRONG)
        return user, password_hash

    async def begin(
        self, user: User, origin: Origin, lifetime_seconds: float | None = None
    ) -> SignedIn:
        """Begin a session of somebody who has proved who they are, here or elsewhere.

        Unless it is refreshed it ends after `lifetime_seconds`, or what the rules say. Raises
        `Refused` (FORBIDDEN) for somebody who was deleted meanwhile.
        """
        lifetime_ms = (
            self._lifetime_ms if lifetime_seconds is None else int(lifetime_seconds * 1000)
        )
        signed_in = await self._begun(user, origin, lifetime_ms)
        if signed_in is None:
            raise Refused(Refusal.FORBIDDEN, "The account is not there any more.")
        return signed_in

    async def _begun(
        self, user: User, origin: Origin, lifetime_ms: int, password_hash: str | None = None
    ) -> SignedIn | None:
        """A session; None when the user is gone, or the password has another hash by now."""
        randomness = secrets.token_bytes(ID_RANDOM_BYTES)
        session = new_session(user.id, origin, _now_ms(), lifetime_ms, randomness)
        if not await self._store.open(session, password_hash):
            return None
        await self._changed(user.id)
        logger.info("= signed in", user=user.id, session=session.id, address=origin.address)
        return self._signed_in(user, session)

    async def refresh(self, refresh_token: str) -> SignedIn:
        """Give new tokens for one that is good once; a second use of it ends the session.

        One of the two who have used it is a thief, and nobody can tell which one.
        """
        claims = refresh_claims_of(refresh_token, self._keys, time.time())
        now_ms = _now_ms()
        session = await self._store.find(claims.sid, now_ms)
        if session is None:
            raise Refused(Refusal.TOKEN_INVALID, "The session has ended.")
        user = await self._users.find_by_id(session.user_id)
        if user is None or user.disabled:
            raise Refused(Refusal.FORBIDDEN, "The account is disabled.")
        most_ms = int(self._rules.session_most_seconds * 1000)
        after = next_turn(session, now_ms, self._lifetime_ms, most_ms)
        if claims.turn != session.turn or not await self._store.turn(session, after):
            await self._store.close(session.id, now_ms, "token used twice")
            await self._changed(user.id)
            logger.warning("! refresh token used twice", user=user.id, session=session.id)
            raise Refused(Refusal.TOKEN_INVALID, "The token was used before; sign in again.")
        return self._signed_in(user, after)

    async def of_user(self, user_id: str) -> Sequence[Session]:
        """The sessions of a user, the one used last first."""
        return await self._store.of_user(user_id, _now_ms())

    async def close(self, session_id: str, user_id: str | None = None) -> None:
        """End a session, of that user if one is given; raises `Refused` (NOT_FOUND)."""
        session = await self._store.find(session_id, 0) if is_session_id(session_id) else None
        if session is None or user_id not in {None, session.user_id}:
            raise Refused(Refusal.NOT_FOUND, "There is no such session.")
        await self._store.close(session_id, _now_ms())
        await self._changed(session.user_id)

    async def close_all(self, user_id: str) -> int:
        """End all sessions of a user; how many there were."""
        count = await self._store.close_all(user_id, _now_ms())
        await self._changed(user_id)
        return count

    async def change_password(
        self, user: User, current: str | None, new: str, origin: Origin, kept_id: str | None
    ) -> None:
        """Set a password by who has confirmed to be the user; all other sessions end."""
        await self.confirm(user, current, origin, kept_id)
        await self.set_password(user, new, kept_id)

    async def confirm(
        self, user: User, current: str | None, origin: Origin, session_id: str | None
    ) -> None:
        """Have somebody prove once more who they are, as a token in wrong hands cannot.

        By the present password; who has none, by a session that has just begun. Raises `Refused`
        (INVALID, TOO_FAST, SIGN_IN_AGAIN).
        """
        present = await self._store.find_password(user.id)
        if current is not None:
            account = folded(user.email)
            self._take_try(account, origin)
            if not await self._passwords.is_right(current, present):
                logger.warning("! confirmation failed", user=user.id, address=origin.address)
                raise invalid({"currentPassword": "Not the present password."})
            self._patience.forgive(account)
        elif present is not None:
            raise invalid({"currentPassword": "This field is required."})
        elif not await self._has_just_begun(session_id):
            raise Refused(Refusal.SIGN_IN_AGAIN, details={"withinSeconds": RECENT_SIGN_IN_SECONDS})

    async def _has_just_begun(self, session_id: str | None) -> bool:
        """A refresh does not make a session any younger."""
        now_ms = _now_ms()
        session = None if session_id is None else await self._store.find(session_id, now_ms)
        return session is not None and now_ms - session.created_at_ms < (
            RECENT_SIGN_IN_SECONDS * 1000
        )

    async def set_password(self, user: User, new: str, kept_id: str | None = None) -> None:
        """Set a password; all sessions end but the one to be kept."""
        check_password(new, user.email, user.name)
        password_hash = await self._passwords.hash(new)
        if not await self._store.set_password(user.id, password_hash, _now_ms(), kept_id):
            raise Refused(Refusal.NOT_FOUND, "There is no such user.")
        await self._changed(user.id)

    async def _changed(self, user_id: str) -> None:
        if self._standings is not None:
            await self._standings.changed({user_id})

    @property
    def _lifetime_ms(self) -> int:
        return int(self._rules.session_seconds * 1000)

    def _take_try(self, account: str, origin: Origin) -> None:
        address = network_of(origin.address)
        if wait_seconds := self._patience.take(account, address, time.monotonic()):
            logger.warning("! sign-in slowed down", address=origin.address)
            if self._trail is not None and self._patience.is_first_refusal(account):
                self._trail.note_slowed(account)
            raise too_fast(wait_seconds)

    def check_signing(self) -> None:
        """Raise `Refused` (NOT_FOUND) where there is nothing to sign tokens with."""
        try:
            self._keys.signing_secret  # noqa: B018 - it raises when there is none
        except KeyUnusable:
            said = "This gateway signs no tokens: sign in where they are issued."
            raise Refused(Refusal.NOT_FOUND, said) from None

    def _signed_in(self, user: User, session: Session) -> SignedIn:
        now_seconds = time.time()
        access_token = sign_token(
            self._keys,
            subject=user.id,
            role=user.as_role,
            now_seconds=now_seconds,
            lifetime_seconds=self._rules.access_seconds,
            rules=self._token_rules,
            session_id=session.id,
        )
        claims = RefreshClaims(session.id, session.turn, session.expires_at_ms / 1000)
        refresh_token = sign_refresh_token(self._keys, claims)
        expires_in_seconds = int(self._rules.access_seconds)
        return SignedIn(user, session, access_token, refresh_token, expires_in_seconds)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
