"""This module owns passwords: how they are hashed, and which ones are too easy to guess."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.users.user import folded
from protocol.bodies import invalid
from protocol.refusals import Refusal, Refused

Result = TypeVar("Result")

# The least that OWASP advises for Argon2id; 19 MiB and some 30 ms of a processor for each.
_MEMORY_KIB: Final = 19_456
_PASSES: Final = 2
_LANES: Final = 1
_THREADS: Final = 2
_WAITING_LIMIT: Final = 16  # a flood must not take memory, nor make honest people wait for minutes
_RETRY_AFTER_MS: Final = 1000

# The 5,000 found most often that are long enough, by the lists of zxcvbn (MIT licence); who tries a
# few tries these, or with something behind them that rules of elsewhere demand.
_COMMON: Final = frozenset(
    Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").split()
)
_OF_THIS_PLACE: Final = frozenset({"paceline", "gateway", "administrator"})
_DECORATION: Final = "0123456789!?.,;:-_*#@$&% "


def check_password(password: str, email: str, name: str, *, field: str = "newPassword") -> None:
    """Raise `Refused` (INVALID) for one that anybody would try first."""
    mail, called = folded(email), folded(name)
    guesses = {mail, mail.partition("@")[0], called, called.replace(" ", "")}
    guesses |= _OF_THIS_PLACE
    plain = folded(password)
    forms = {plain, plain.strip(_DECORATION)}
    if forms & _COMMON or forms & guesses or len(set(plain)) == 1:
        raise invalid({field: "Too easy to guess."})


class Passwords:
    """Hashes in a few threads, so that a flood of sign-ins costs them and not the event loop."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(_PASSES, _MEMORY_KIB, _LANES)
        # What the password of nobody is compared with, so that nobody takes as long as somebody.
        self._nobody = self._hasher.hash("nobody")
        self._threads = ThreadPoolExecutor(_THREADS, "argon2")
        self._waiting = 0

    def stop(self) -> None:
        """Let the threads go; what has begun is finished."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """A new hash; raises `Refused` (TOO_FAST) when too many are waiting already."""
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def is_right(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password; takes the same time without a hash, and is False then."""
        wanted = self._nobody if password_hash is None else password_hash
        is_match = await self._in_thread(lambda: self._matches(password, wanted))
        return is_match and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a new hash of the same password would be a better one."""
        return self._hasher.check_needs_rehash(password_hash)

    def _matches(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= _WAITING_LIMIT:
            raise Refused(Refusal.TOO_FAST, retry_after_ms=_RETRY_AFTER_MS)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
