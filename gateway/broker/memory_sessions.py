"""This module owns sessions and intercom within one process."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from gateway.broker.sessions import Hear, Record

# A stranger may come and go as fast as the handshakes are let through, and leaves one each time.
SESSIONS_LIMIT: Final = 100_000


class MemorySessions:
    """Records in a dictionary, the longest unsaved first; those go when there are too many."""

    def __init__(
        self,
        keep_seconds: float,
        now: Callable[[], float],
        sessions_limit: int = SESSIONS_LIMIT,
    ) -> None:
        self._keep_seconds = keep_seconds
        self._now = now
        self._sessions_limit = sessions_limit
        self._entries: OrderedDict[str, tuple[float, Record]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def save(self, entries: Sequence[tuple[str, Record]]) -> list[str]:
        """Keep records."""
        lost: list[str] = []
        for key, record in entries:
            found = self._entries.get(key)
            if found is not None and found[1].keeper != record.keeper:
                lost.append(record.keeper)
            else:
                self._keep(key, record)
        self._drop_old()
        return lost

    async def claim(self, key: str, holder: str, keeper: str) -> Record | None:
        """Hand a session over."""
        self._drop_old()
        found = self._entries.get(key)
        if found is None or found[1].holder != holder:
            return None
        record = found[1]
        self._keep(key, Record(record.peer_id, record.subject, record.holder, keeper, record.rooms))
        return record

    async def end(self, key: str, keeper: str) -> None:
        """Forget a session."""
        found = self._entries.get(key)
        if found is not None and found[1].keeper == keeper:
            del self._entries[key]

    def _keep(self, key: str, record: Record) -> None:
        self._entries[key] = (self._now() + self._keep_seconds, record)
        self._entries.move_to_end(key)

    def _drop_old(self) -> None:
        now_seconds = self._now()
        while self._entries:
            until_seconds, _ = next(iter(self._entries.values()))
            if until_seconds > now_seconds and len(self._entries) <= self._sessions_limit:
                return
            self._entries.popitem(last=False)


class MemoryIntercom:
    """One worker's way to the others that were made with the same `workers`."""

    def __init__(self, workers: dict[str, MemoryIntercom]) -> None:
        self._workers = workers
        self._worker_id = secrets.token_urlsafe(6)
        self._hear: dict[str, Hear] = {}
        workers[self._worker_id] = self

    @property
    def worker_id(self) -> str:
        """By which name others reach this worker."""
        return self._worker_id

    def hear(self, topic: str, hear: Hear) -> None:
        """Say who is told of a topic."""
        self._hear[topic] = hear

    def tell(self, worker_id: str, topic: str, message: bytes) -> None:
        """Send a message, which arrives before this returns."""
        worker = self._workers.get(worker_id)
        if worker is not None and topic in worker._hear:  # noqa: SLF001 - its own class
            worker._hear[topic](message)  # noqa: SLF001 - the same

    def tell_all(self, topic: str, message: bytes) -> None:
        """Send a message to everybody."""
        for worker_id in tuple(self._workers):
            self.tell(worker_id, topic, message)
