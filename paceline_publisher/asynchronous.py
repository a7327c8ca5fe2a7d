"""This module owns the same publishing for programs that await: a thread, a queue before it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from paceline_publisher.errors import Refused
from paceline_publisher.events import BIKE_UPDATE, Event, Receipt
from paceline_publisher.publisher import Publisher, Token

Result = TypeVar("Result")


class AsyncPublisher:
    """A `Publisher` in a thread of its own; what is asked of it is done in that order.

    Whoever stops waiting for an answer does not stop the publishing.
    """

    def __init__(
        self,
        url: str,
        token: Token | None = None,
        *,
        patience_seconds: float = 60.0,
        timeout_seconds: float = 10.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._publisher = Publisher(
            url,
            token,
            patience_seconds=patience_seconds,
            timeout_seconds=timeout_seconds,
            ssl_context=ssl_context,
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="paceline-publisher")

    async def update(
        self, room: str, bike: Mapping[str, Any], *, key: str | None = None
    ) -> Receipt:
        return await self.publish(room, BIKE_UPDATE, bike, key=key)

    async def publish(self, room: str, event: str, data: Any, *, key: str | None = None) -> Receipt:  # noqa: ANN401 - whatever JSON can hold
        return await self._do(lambda: self._publisher.publish(room, event, data, key=key))

    async def update_many(
        self, room: str, bikes: Iterable[Mapping[str, Any]]
    ) -> list[Receipt | Refused]:
        events = [Event(BIKE_UPDATE, bike) for bike in bikes]
        return await self.publish_many(room, events)

    async def publish_many(self, room: str, events: Sequence[Event]) -> list[Receipt | Refused]:
        return await self._do(lambda: self._publisher.publish_many(room, events))

    async def close(self) -> None:
        """Let go of the connection; what is being tried again is given up."""
        await asyncio.to_thread(self._publisher.close)
        self._thread.shutdown(cancel_futures=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _do(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
