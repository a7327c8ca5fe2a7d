"""This module owns how often a password may be tried: by account, and by address.

The first tries of an account are free; then each failure doubles the time until the next one may
come, up to a few minutes. Nobody is locked out for good: who knows the password gets in when the
time is over. Times are seconds of any one clock that never goes back.
"""

from __future__ import annotations

from typing import Final

from gateway.rooms.buckets import Allowance, Buckets, Ledger

FREE_TRIES: Final = 5
LONGEST_WAIT_SECONDS: Final = 300.0
_FORGET_SECONDS: Final = 900.0
_KEYS_LIMIT: Final = 65_536
# Many people may share an address, and come back at once.
_OF_AN_ADDRESS: Final = Allowance(per_second=1.0, burst=100.0)


class _Tries:
    """The tries of one account since it was last signed in to."""

    __slots__ = ("count", "forgotten_at_seconds", "is_told", "next_at_seconds")

    def __init__(self) -> None:
        self.count = 0
        self.next_at_seconds = 0.0
        self.forgotten_at_seconds = 0.0
        self.is_told = False

    def rest_seconds(self, now_seconds: float) -> float:
        return max(0.0, self.forgotten_at_seconds - now_seconds)


class Patience:
    """The tries of one worker's memory."""

    def __init__(self) -> None:
        self._accounts: Ledger[_Tries] = Ledger(_KEYS_LIMIT)
        self._addresses = Buckets(_OF_AN_ADDRESS, _KEYS_LIMIT)

    def take(self, account: str, address: str, now_seconds: float) -> float:
        """Count a try before it is made, and return 0.0; or the seconds to wait for it.

        Counted beforehand, a hundred tries at once are no better than one after the other.
        """
        tries = self._accounts.find(account)
        if (
            tries is not None
            and tries.rest_seconds(now_seconds)
            and (tries.next_at_seconds > now_seconds)
        ):
            return tries.next_at_seconds - now_seconds
        if wait_seconds := self._addresses.take(address, 1.0, now_seconds):
            return wait_seconds
        if tries is None or not tries.rest_seconds(now_seconds):
            tries = _Tries()
        tries.count += 1
        failures = tries.count - FREE_TRIES
        if failures >= 0:
            tries.next_at_seconds = now_seconds + min(
                2.0 ** min(failures, 20), LONGEST_WAIT_SECONDS
            )
        tries.forgotten_at_seconds = now_seconds + _FORGET_SECONDS
        self._accounts.put(account, tries, now_seconds)
        return 0.0

    def is_first_refusal(self, account: str) -> bool:
        """Whether the account itself is tried too often, and this was not asked before."""
        tries = self._accounts.find(account)
        if tries is None or tries.count < FREE_TRIES or tries.is_told:
            return False
        tries.is_told = True
        return True

    def forgive(self, account: str) -> None:
        """The try was the right one: what came before it is forgotten."""
        self._accounts.pop(account)
