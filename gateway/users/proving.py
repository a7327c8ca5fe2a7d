"""This module owns proving an e-mail address: mails are asked for, and their tokens come back."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Final

import structlog

from gateway.rooms.buckets import Allowance, Buckets
from gateway.rooms.pacing import network_of, too_fast
from gateway.users.acting import become
from gateway.users.job import JobStore, NewJob, new_job
from gateway.users.passwords import Passwords, check_password
from gateway.users.proof import ProofStore, proof_digest_of
from gateway.users.standings import Standings
from gateway.users.user import ID_RANDOM_BYTES, User, folded
from protocol.refusals import Refusal, Refused

logger = structlog.get_logger(__name__)

VERIFICATION: Final = "mail-verification"  # kinds of jobs
RESET: Final = "mail-reset"
_KEYS_LIMIT: Final = 65_536
# Whoever asks for many is no user who has lost something; a mailbox is not to be filled either.
_OF_AN_ADDRESS: Final = Allowance(per_second=1 / 60, burst=20.0)
_WITH_A_TOKEN: Final = Allowance(per_second=1.0, burst=100.0)
_OF_A_MAILBOX: Final = Allowance(per_second=1 / 600, burst=3.0)


class Proving:
    """Raises `Refused` for a no and `StoreUnavailable` for not now."""

    def __init__(
        self,
        store: ProofStore,
        jobs: JobStore,
        passwords: Passwords,
        standings: Standings | None = None,
        *,
        sends_mail: bool,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._passwords = passwords
        self._standings = standings
        self._sends_mail = sends_mail
        self._addresses = Buckets(_OF_AN_ADDRESS, _KEYS_LIMIT)
        self._with_tokens = Buckets(_WITH_A_TOKEN, _KEYS_LIMIT)
        self._mailboxes = Buckets(_OF_A_MAILBOX, _KEYS_LIMIT)

    async def verified_at_ms(self, user: User) -> int | None:
        """Since when the address of the user is verified; None: it is not."""
        return await self._store.verified_at_ms(user.id)

    async def ask_verification(self, user: User, address: str) -> None:
        """Have a mail sent; raises `Refused` (NOT_FOUND, TOO_FAST)."""
        self._check_mail()
        _take(self._addresses, address)
        if wait_seconds := self._take_mailbox(user.email):
            raise too_fast(wait_seconds)
        await self._jobs.add([verification_job(user.id, _now_ms())])

    async def ask_reset(self, email: str, address: str) -> None:
        """Have a mail sent if there is such a user.

        Neither the answer nor its time tells whether there is: the question is asked later, by
        whoever runs the job. A mailbox that has had enough gets none, and that is not told either.
        Raises `Refused` (NOT_FOUND, TOO_FAST).
        """
        self._check_mail()
        _take(self._addresses, address)
        if self._take_mailbox(email):
            logger.warning("! password reset not sent again", address=address)
            return
        mailbox = hashlib.sha256(folded(email).encode()).hexdigest()
        await self._jobs.add([_mail_job(RESET, mailbox, {"email": email}, _now_ms())])

    async def verify(self, token: str, address: str) -> tuple[User, int]:
        """Verify an address: (whose, when); raises `Refused` (TOKEN_INVALID, TOO_FAST)."""
        _take(self._with_tokens, address)
        now_ms = _now_ms()
        user = _owner(await self._store.verify(proof_digest_of(token), now_ms))
        await self._changed(user)
        logger.info("= address verified", user=user.id)
        return user, now_ms

    async def reset(self, token: str, password: str, address: str) -> None:
        """Set a password; raises `Refused` (TOKEN_INVALID, INVALID, TOO_FAST)."""
        _take(self._with_tokens, address)
        digest = proof_digest_of(token)
        # Only who has a token that is good makes us hash, and keeps it when the password is bad.
        user = _owner(await self._store.find(digest, "reset", _now_ms()))
        check_password(password, user.email, user.name, field="password")
        password_hash = await self._passwords.hash(password)
        become(user.id, "mail")
        user = _owner(await self._store.reset(digest, password_hash, _now_ms()))
        await self._changed(user)
        logger.info("= password reset", user=user.id, address=address)

    def _check_mail(self) -> None:
        if not self._sends_mail:
            raise Refused(Refusal.NOT_FOUND, "This gateway sends no mail.")

    def _take_mailbox(self, email: str) -> float:
        return self._mailboxes.take(folded(email), 1.0, time.monotonic())

    async def _changed(self, user: User) -> None:
        if self._standings is not None:
            await self._standings.changed({user.id})


def _take(buckets: Buckets, address: str) -> None:
    if wait_seconds := buckets.take(network_of(address), 1.0, time.monotonic()):
        raise too_fast(wait_seconds)


def verification_job(user_id: str, now_ms: int) -> NewJob:
    """The mail that verifies a user's address, whichever the user has by then."""
    return _mail_job(VERIFICATION, user_id, {"userId": user_id}, now_ms)


def _mail_job(kind: str, key: str, body: dict[str, str], now_ms: int) -> NewJob:
    randomness = secrets.token_bytes(ID_RANDOM_BYTES)
    return new_job(kind, body, now_ms, randomness, lane="mail", key=f"{kind} {key}")


def _owner(user: User | None) -> User:
    if user is None:
        raise Refused(Refusal.TOKEN_INVALID, "The token is not good, or not any more.")
    return user


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
