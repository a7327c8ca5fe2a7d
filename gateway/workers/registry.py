"""This module owns the contract of a registry: who is alive, told by the workers themselves.

What every backend guarantees (the contract suite runs over all of them):

1.  Once `announce` has returned, `find` and `all` of every worker that shares the registry give the
    place. Announcing again renews it, and replaces what was told before.
2.  Once `withdraw` has returned, none gives it any more. Withdrawing twice is no fault.
3.  A worker that died without a word is given for `ALIVE_SECONDS` at most after its last
    announcement; so a live one has to announce itself every `ANNOUNCE_SECONDS`.
"""

from __future__ import annotations

from typing import Final, Protocol

from gateway.workers.place import WorkerPlace

ANNOUNCE_SECONDS: Final = 3.0
ALIVE_SECONDS: Final = 10.0


class RegistryUnavailable(Exception):
    """The registry does not answer. What was known before is the best there is."""


class Registry(Protocol):
    """Each call but `close` may raise `RegistryUnavailable`."""

    async def announce(self, place: WorkerPlace) -> None:
        """Say that a worker lives, and where."""

    async def withdraw(self, worker_id: str) -> None:
        """Say that a worker is gone."""

    async def find(self, worker_id: str) -> WorkerPlace | None:
        """The place of one worker."""

    async def all(self) -> list[WorkerPlace]:
        """Everybody who is alive."""
