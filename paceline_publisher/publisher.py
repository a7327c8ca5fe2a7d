"""This module owns the publishing itself: batches, their answers, and trying again."""

from __future__ import annotations

import json
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from paceline_publisher.connection import Answer, Connection, NotReached
from paceline_publisher.errors import Refused, Unanswered
from paceline_publisher.events import BIKE_UPDATE, Event, Receipt, batches_of
from paceline_publisher.patience import PATIENCE_LIMIT_SECONDS, told_seconds_of, wait_seconds

Token = str | Callable[[], str]

_OK: Final = 200
_TOO_LARGE: Final = 413
_PROBLEMS: Final = 400
_NOT_NOW: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_NOW_CODES: Final = frozenset({"TOO_FAST", "INTERNAL", "UNAVAILABLE"})


class _NotNow(Exception):
    def __init__(self, reason: str, told_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.told_seconds = told_seconds


class Publisher:
    """Publishes over one connection that is kept open; threads may share it, and take turns.

    `token` may be a function that gets a fresh one; it is asked for each request. Without an answer
    it goes on trying for `patience_seconds`, 240 at most, counted from the last event that was
    taken; an attempt takes up to `timeout_seconds`.
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
        if not 0 <= patience_seconds <= PATIENCE_LIMIT_SECONDS:
            raise ValueError(f"patience is 0 to {PATIENCE_LIMIT_SECONDS:g} seconds")
        self._connection = Connection(url, timeout_seconds, ssl_context)
        self._token = _checked(token) if isinstance(token, str) else token
        self._patience_seconds = patience_seconds
        self._turn = threading.Lock()
        self._closing = threading.Event()

    def update(self, room: str, bike: Mapping[str, Any], *, key: str | None = None) -> Receipt:
        """Publish where a bike is, or whatever else is new of it; raises `PublishError`."""
        return self.publish(room, BIKE_UPDATE, bike, key=key)

    def publish(self, room: str, event: str, data: Any, *, key: str | None = None) -> Receipt:  # noqa: ANN401 - whatever JSON can hold
        """Publish one event, once; raises `Refused` or `Unanswered`."""
        one = Event(event, data) if key is None else Event(event, data, key)
        (outcome,) = self.publish_many(room, [one])
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    def update_many(self, room: str, bikes: Iterable[Mapping[str, Any]]) -> list[Receipt | Refused]:
        """Publish news of many bikes; see `publish_many`."""
        return self.publish_many(room, [Event(BIKE_UPDATE, bike) for bike in bikes])

    def publish_many(self, room: str, events: Sequence[Event]) -> list[Receipt | Refused]:
        """Publish events in order, some hundred a request; what became of each, in that order.

        One that is refused does not hold up the others. One that the gateway could not take at once
        comes behind those of its request that it could. Raises `Unanswered` when patience runs out,
        and `Refused` when all would be refused alike: the token, the room.
        """
        bodies = [event.encoded() for event in events]
        outcomes: dict[int, Receipt | Refused] = {}
        path = f"/api/rooms/{quote(room, safe='')}/events"
        with self._turn:
            deadline = time.monotonic() + self._patience_seconds
            attempt = 0
            while left := [place for place in range(len(bodies)) if place not in outcomes]:
                before = len(outcomes)
                try:
                    for batch in batches_of(bodies, left):
                        self._send(path, bodies, batch, outcomes)
                except _NotNow as not_now:
                    attempt += 1
                    if len(outcomes) > before:
                        attempt, deadline = 1, time.monotonic() + self._patience_seconds
                    self._wait(not_now, attempt, deadline)
        return [outcomes[place] for place in range(len(bodies))]

    def close(self) -> None:
        """Let go of the connection; what is being tried again is given up."""
        self._closing.set()
        with self._turn:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wait(self, not_now: _NotNow, attempt: int, deadline: float) -> None:
        seconds = wait_seconds(attempt, random.random(), not_now.told_seconds)  # noqa: S311 - jitter, no secret
        if time.monotonic() + seconds > deadline:
            raise Unanswered(str(not_now))
        if self._closing.wait(seconds):
            raise Unanswered("the publisher was closed")

    def _send(
        self,
        path: str,
        bodies: Sequence[bytes],
        batch: Sequence[int],
        outcomes: dict[int, Receipt | Refused],
    ) -> None:
        if self._closing.is_set():
            raise Unanswered("the publisher was closed")
        body = b"[" + b",".join(bodies[place] for place in batch) + b"]"
        try:
            answer = self._connection.post(path, body, self._headers())
        except NotReached as reason:
            raise _NotNow(str(reason)) from reason
        if answer.status == _TOO_LARGE:
            self._send_halves(path, bodies, batch, outcomes)
            return
        for place, told in zip(batch, _told_of(answer, len(batch)), strict=True):
            outcome = _outcome_of(told)
            if outcome is not None:
                outcomes[place] = outcome
        if any(place not in outcomes for place in batch):
            raise _NotNow("the gateway has not taken some of the events yet")

    def _send_halves(
        self,
        path: str,
        bodies: Sequence[bytes],
        batch: Sequence[int],
        outcomes: dict[int, Receipt | Refused],
    ) -> None:
        if len(batch) == 1:
            outcomes[batch[0]] = Refused("TOO_LARGE", "The event is too large.", _TOO_LARGE)
            return
        middle = len(batch) // 2
        self._send(path, bodies, batch[:middle], outcomes)
        self._send(path, bodies, batch[middle:], outcomes)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        token = _checked(self._token()) if callable(self._token) else self._token
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return headers


def _checked(token: str) -> str:
    """The token, without what a file has around it; raises `ValueError`, which does not quote it.

    `http.client` would, and whoever logs what went wrong would have it in the log.
    """
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise ValueError("the token holds characters that no token has")
    return token


def _told_of(answer: Answer, count: int) -> list[object]:
    """What an answer tells of each event; raises `_NotNow` or `Refused`."""
    told = _json_of(answer.body)
    error = told.get("error")
    if answer.status in _NOT_NOW:
        reason = f"HTTP status {answer.status}"
        raise _NotNow(reason, told_seconds_of(answer.retry_after, time.time()))
    if isinstance(error, dict) and answer.status >= _PROBLEMS:
        raise _refused_of(error, answer.status)
    data = told.get("data")
    if answer.status != _OK or not isinstance(data, list) or len(data) != count:
        raise _strange(answer.status)
    return data


def _outcome_of(told: object) -> Receipt | Refused | None:
    """What became of one event; None when it was not taken yet."""
    match told:
        case {"roomId": str(room), "cursor": str(cursor)}:
            return Receipt(room, cursor)
        case {"error": dict(error)}:
            refused = _refused_of(error)
            return None if refused.code in _NOT_NOW_CODES else refused
    raise _strange(_OK)


def _strange(status: int) -> Refused:
    return Refused("MALFORMED", "The answer is not that of a gateway.", status)


def _refused_of(error: Mapping[str, Any], status: int | None = None) -> Refused:
    return Refused(str(error.get("code")), str(error.get("message")), status, error.get("details"))


def _json_of(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
