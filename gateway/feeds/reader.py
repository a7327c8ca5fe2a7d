"""This module owns the reading of one feed, again and again: what came and what broke."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from gateway.feeds.discovery import Feed
from gateway.feeds.envelope import FeedMalformed
from gateway.feeds.gbfs import Document, parse
from gateway.feeds.schedule import SHORTEST_SECONDS, backoff_seconds, pause_seconds
from gateway.feeds.source import FetchFailed, Source, shown

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class Trouble:
    """One thing that may break, and stay broken for days: a log line when it breaks, one after."""

    def __init__(self, what: str, **context: str) -> None:
        self._what = what
        self._context = context
        self._reason: str | None = None
        self.failures = 0

    def fail(self, reason: str) -> None:
        self.failures += 1
        if reason != self._reason:
            self._reason = reason
            _log.warning(f"{self._what} failed", reason=reason, **self._context)

    def heal(self) -> None:
        if self._reason is not None:
            _log.info(f"{self._what} works again", failures=self.failures, **self._context)
        self._reason = None
        self.failures = 0


class Reading(msgspec.Struct, frozen=True):
    """One attempt. No document and no trouble: nothing new since the last one."""

    pause_seconds: float
    document: Document | None = None
    trouble: str | None = None


class Reader:
    """Reads one feed; nothing that a feed can do makes `read` raise."""

    def __init__(
        self,
        feed: Feed,
        source: Source,
        *,
        interval_seconds: float | None = None,
        fraction: Callable[[], float] = random.random,
    ) -> None:
        self.feed = feed
        self._source = source
        self._interval_seconds = interval_seconds
        self._fraction = fraction
        self._trouble = Trouble("feed", feed=feed.name, address=shown(feed.address))
        self._ttl_seconds: float | None = None

    async def read(self) -> Reading:
        try:
            document = await self._fetch()
        except (FetchFailed, FeedMalformed) as error:
            self._trouble.fail(str(error))
            return Reading(self._backoff_seconds(error), trouble=str(error))
        self._trouble.heal()
        if document is not None:
            self._ttl_seconds = document.ttl_seconds
        return Reading(pause_seconds(self._ttl_seconds, self._interval_seconds), document)

    async def _fetch(self) -> Document | None:
        fetched = await self._source.fetch()
        if fetched is None:
            return None
        document = parse(self.feed.name, fetched.body)
        self._source.keep(fetched)
        return document

    def _backoff_seconds(self, error: Exception) -> float:
        first = self._interval_seconds or SHORTEST_SECONDS
        wait = backoff_seconds(self._trouble.failures, self._fraction(), first=first)
        asked = error.retry_after_seconds if isinstance(error, FetchFailed) else None
        return wait if asked is None else max(wait, asked)
