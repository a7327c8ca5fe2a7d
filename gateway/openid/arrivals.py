"""This module owns which user somebody is whom a provider has sent: known, new, or nobody here.

An identity is of an issuer and a subject; an e-mail address alone opens nothing, because whoever
may write any address at a provider would be anybody here. Where the operator says so, an account
that was there before is given to whom a provider has verified its address.
"""

from __future__ import annotations

import secrets
import time
from typing import Final

import structlog

from gateway.openid.person import Person
from gateway.settings import Provider
from gateway.users.accounts import Accounts
from gateway.users.acting import become
from gateway.users.external import ExternalStore, IdentityTaken
from gateway.users.store import EmailTaken, UserStore
from gateway.users.user import ID_RANDOM_BYTES, User, new_user
from protocol.refusals import Refusal, Refused
from protocol.users import NewUser, UserChanges

logger = structlog.get_logger(__name__)

_ATTEMPTS: Final = 3  # whoever signs in twice at once finds what the other one has made


class Arrivals:
    """Raises `Refused` for a no and `StoreUnavailable` for not now."""

    def __init__(self, users: UserStore, external: ExternalStore, accounts: Accounts) -> None:
        self._users = users
        self._external = external
        self._accounts = accounts

    async def user_of(self, person: Person, provider: Provider) -> User:
        """The user, with the role that the provider says if that is its to say."""
        user = await self._external.find_user(person.identity)
        for _ in range(_ATTEMPTS):
            if user is not None:
                break
            user = await self._newcomer(person, provider)
            if user is None:
                user = await self._external.find_user(person.identity)
        if user is None:
            raise Refused(Refusal.CONFLICT)
        check_enabled(user)
        become(user.id, "provider")
        now_ms = _now_ms()
        await self._external.note_use(person.identity, now_ms)
        if person.role is None or person.role == user.role:
            return user
        return await self._accounts.change(user.id, UserChanges(role=person.role), now_ms)

    async def _newcomer(self, person: Person, provider: Provider) -> User | None:
        """A user for whom there was none; None when there has been one in the meantime."""
        if person.email is None or not person.email_is_verified:
            said = f"{provider.label or provider.name} has not verified an e-mail address of yours."
            raise Refused(Refusal.FORBIDDEN, said)
        present = await self._users.find_by_email(person.email)
        try:
            if present is not None:
                # Whoever signs in twice at once has perhaps made it a moment ago.
                known = await self._external.find_user(person.identity)
                return known or await self._linked(present, person, provider)
            return await self._created(person, person.email, provider)
        except (IdentityTaken, EmailTaken):
            return None

    async def _linked(self, user: User, person: Person, provider: Provider) -> User:
        # Among other letters two addresses may be one here, and two mailboxes elsewhere.
        is_same = user.email.isascii() and (person.email or "").isascii()
        if not (provider.links_verified_emails and is_same):
            said = "There is an account with your e-mail address; sign in to it as you did before."
            raise Refused(Refusal.EMAIL_TAKEN, said)
        check_enabled(user)
        become(user.id, "provider")
        await self._external.link(person.identity, user.id, _now_ms())
        logger.warning("! account linked", user=user.id, provider=provider.name)
        return user

    async def _created(self, person: Person, email: str, provider: Provider) -> User:
        if not provider.creates_users:
            raise Refused(Refusal.FORBIDDEN, "There is no account for you here.")
        body = NewUser(email=email, name=person.name, role=person.role or provider.default_role)
        user = new_user(body, _now_ms(), secrets.token_bytes(ID_RANDOM_BYTES))
        become(user.id, "provider")
        await self._external.create(user, person.identity)
        logger.info("= account made", user=user.id, provider=provider.name)
        return user


def check_enabled(user: User) -> None:
    """Raise `Refused` (FORBIDDEN) for a user who may do nothing."""
    if user.disabled:
        raise Refused(Refusal.FORBIDDEN, "The account is disabled.")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
