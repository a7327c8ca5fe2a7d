"""This module owns the contract of what workers know of each other's peers.

Sessions, so that a peer whose connection was lost, or whose worker was, is the same peer again on
any of them; and an intercom, so that the worker that it has left without a word lets go of it.

What every backend of `Sessions` guarantees (the numbers are those of the contract suite):

1.  A session that was saved can be claimed for at least so long as the store was told to keep it,
    counted from the last `save`, whatever becomes of the worker that saved it.
2.  It is given to its holder alone, and to whoever claims it last: from then on the one before can
    neither save nor end it, and is told so when it tries.
3.  `save` of several sessions is one request. Saving again what is there is no fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec


class Record(msgspec.Struct, frozen=True):
    """What makes a new connection the peer that another one was.

    `holder` is who may have it. `keeper` is the connection that has it, on one of the workers.
    `rooms` says of each of the peer's rooms, in the order of joining, up to which cursor the peer
    is known to lack nothing; empty when that is not known.
    """

    peer_id: str
    subject: str
    holder: str
    keeper: str
    rooms: dict[str, str]


class Sessions(Protocol):
    """Records by key. All raise `BrokerUnavailable`."""

    async def save(self, entries: Sequence[tuple[str, Record]]) -> list[str]:
        """Keep records under their keys; return the keepers whose sessions others have claimed."""

    async def claim(self, key: str, holder: str, keeper: str) -> Record | None:
        """Make `keeper` the one who has the session; return the record as it was before.

        None when there is no such session, or it is somebody else's.
        """

    async def end(self, key: str, keeper: str) -> None:
        """Forget a session, if it is still the keeper's."""


Hear = Callable[[bytes], None]


class Intercom(Protocol):
    """Small private messages from worker to worker: once or, if one of them is ill, not at all."""

    @property
    def worker_id(self) -> str:
        """By which name others reach this worker; another one after each start."""

    def hear(self, topic: str, hear: Hear) -> None:
        """Say who is told of messages about a topic; called from the event loop, once for each."""

    def tell(self, worker_id: str, topic: str, message: bytes) -> None:
        """Send a message. That a worker is no more is no fault."""

    def tell_all(self, topic: str, message: bytes) -> None:
        """Send a message to every worker, this one included. Raises `BrokerUnavailable`."""
