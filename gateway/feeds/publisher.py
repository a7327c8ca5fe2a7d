"""This module owns the sending of bike-updates to a gateway, through its public HTTP interface."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from gateway.bodies import find_body
from gateway.feeds.batches import batches_of
from gateway.feeds.schedule import backoff_seconds, retry_after_seconds
from gateway.feeds.source import reason_of
from protocol.cursor import Cursor
from protocol.refusals import Refusal, Refused

ATTEMPTS_LIMIT: Final = 5

_ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 60.0
_OK = 200
_TOO_LARGE = 413
_NOT_NOW = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_NOW_CODES = frozenset({Refusal.TOO_FAST.name, Refusal.INTERNAL.name, Refusal.UNAVAILABLE.name})


class PublishFailed(Exception):
    """The gateway did not take a batch; the message says why, without secrets."""


class Receipt:
    """What became of a list of updates; `settled` has one entry for each of them.

    An update that the gateway refuses for what it is counts as settled: it would be refused again.
    `trouble` is the first reason why anything is not settled, or was refused.
    """

    def __init__(self, updates: int) -> None:
        self.settled = [False] * updates
        self.accepted = self.repeated = self.superseded = self.refused = 0
        self.trouble: str | None = None

    @property
    def is_all_settled(self) -> bool:
        return all(self.settled)


class _Fault(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Item(msgspec.Struct):
    cursor: str | None = None
    error: _Fault | None = None


class _Meta(msgspec.Struct):
    accepted: int = 0
    repeated: int = 0
    superseded: int = 0


class _Answer(msgspec.Struct):
    data: list[_Item]
    meta: _Meta = msgspec.field(default_factory=_Meta)


class _Refusal(msgspec.Struct):
    error: _Fault


class _Wait(Exception):
    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class _TooLarge(Exception):
    pass


class Publisher:
    """Publishes into one room. `epoch` names the history that the room last told us of."""

    def __init__(  # noqa: PLR0913 - one argument for each thing that differs; time is one of them
        self,
        session: aiohttp.ClientSession,
        gateway_url: str,
        room: str,
        token: str | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        fraction: Callable[[], float] = random.random,
    ) -> None:
        self._session = session
        path = f"/api/rooms/{quote(room, safe='')}/events"
        self._url = URL(gateway_url.rstrip("/") + path, encoded=True)
        self._token = token
        self._sleep = sleep
        self._fraction = fraction
        self.epoch: str | None = None

    async def publish(self, updates: Sequence[object]) -> Receipt:
        """Send bike-updates in order, in batches; stops at the first batch that cannot be sent."""
        bodies = [
            msgspec.json.encode({"event": "bike-update", "data": update}) for update in updates
        ]
        receipt = Receipt(len(bodies))
        try:
            for batch in batches_of(bodies):
                await self._send(bodies, batch, receipt)
        except PublishFailed as failure:
            receipt.trouble = str(failure)
        return receipt

    async def _send(self, bodies: Sequence[bytes], batch: range, receipt: Receipt) -> None:
        try:
            answer = await self._post_patiently(b"[" + b",".join(bodies[i] for i in batch) + b"]")
        except _TooLarge:
            await self._send_halves(bodies, batch, receipt)
            return
        if len(answer.data) != len(batch):
            raise PublishFailed("the answer does not match the request")
        self._note(answer, batch, receipt)

    async def _send_halves(self, bodies: Sequence[bytes], batch: range, receipt: Receipt) -> None:
        if len(batch) == 1:
            _refuse(receipt, batch[0], _Fault(Refusal.TOO_LARGE.name, "one update is too large"))
            return
        middle = len(batch) // 2
        await self._send(bodies, batch[:middle], receipt)
        await self._send(bodies, batch[middle:], receipt)

    async def _post_patiently(self, body: bytes) -> _Answer:
        """Try a few times, always with the same key: the gateway takes the batch once."""
        key = uuid.uuid4().hex
        for attempt in range(1, ATTEMPTS_LIMIT):
            try:
                return await self._post(body, key)
            except _Wait as wait:
                await self._sleep(self._wait_seconds(wait, attempt))
        try:
            return await self._post(body, key)
        except _Wait as wait:
            raise PublishFailed(f"{wait}, {ATTEMPTS_LIMIT} times") from wait

    def _wait_seconds(self, wait: _Wait, attempt: int) -> float:
        if wait.seconds is not None:
            return min(wait.seconds, _LONGEST_WAIT_SECONDS)
        fraction = self._fraction()
        return backoff_seconds(
            attempt, fraction, first=_FIRST_WAIT_SECONDS, most=_LONGEST_WAIT_SECONDS
        )

    async def _post(self, body: bytes, key: str) -> _Answer:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            # A redirect would carry the token to a place that nobody named.
            async with self._session.post(
                self._url, data=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as answer:
                return _answer_of(answer, await _bounded(answer))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _Wait(reason_of(error)) from error

    def _note(self, answer: _Answer, batch: range, receipt: Receipt) -> None:
        receipt.accepted += answer.meta.accepted
        receipt.repeated += answer.meta.repeated
        receipt.superseded += answer.meta.superseded
        for index, item in zip(batch, answer.data, strict=True):
            if item.error is not None:
                _refuse(receipt, index, item.error)
                continue
            receipt.settled[index] = True
            self.epoch = _epoch_of(item.cursor) or self.epoch


def _answer_of(answer: aiohttp.ClientResponse, body: bytes) -> _Answer:
    if answer.status == _OK:
        try:
            return msgspec.json.decode(body, type=_Answer)
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise PublishFailed("this is not a gateway: the answer is unreadable") from error
    if answer.status == _TOO_LARGE:
        raise _TooLarge
    reason = f"HTTP status {answer.status} {_fault_of(body)}".rstrip()
    if answer.status in _NOT_NOW:
        raise _Wait(reason, retry_after_seconds(answer.headers.get("Retry-After"), time.time()))
    raise PublishFailed(reason)


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = await find_body(answer, _ANSWER_LIMIT_BYTES)
    if body is None:
        raise PublishFailed("the answer has no end")
    return body


def _fault_of(body: bytes) -> str:
    try:
        fault = msgspec.json.decode(body, type=_Refusal).error
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return ""
    return f"{fault.code}: {fault.message}"[:300]


def _refuse(receipt: Receipt, index: int, fault: _Fault) -> None:
    receipt.settled[index] = fault.code not in _NOT_NOW_CODES
    receipt.refused += 1
    receipt.trouble = receipt.trouble or f"refused: {fault.code}: {fault.message}"[:300]


def _epoch_of(cursor: str | None) -> str | None:
    try:
        return Cursor.parse(cursor).epoch
    except Refused:
        return None
