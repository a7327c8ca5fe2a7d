"""This module owns how an operator has a worker leave, through any of them.

It leaves as it does at SIGTERM. Where a supervisor keeps it, another one takes its place as soon as
it has ended; alone, its process ends, and whatever started it decides what comes after.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from gateway.broker.sessions import Intercom

logger = structlog.get_logger(__name__)

_TOPIC = "drain"


class Drain(msgspec.Struct, frozen=True):
    """Which worker, and by whose will."""

    worker_id: str
    by: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Drain).decode


class Drains:
    """One worker's part in all drains; `leave` may be called again and again."""

    def __init__(self, worker_id: str, intercom: Intercom, leave: Callable[[], None]) -> None:
        self._worker_id = worker_id
        self._intercom = intercom
        self._leave = leave
        intercom.hear(_TOPIC, lambda message: self.carry_out(_decode(message)))

    def order(self, drain: Drain) -> None:
        """Have a worker leave; raises `BrokerUnavailable` when another one cannot be told."""
        if drain.worker_id == self._worker_id:
            self.carry_out(drain)
        else:
            self._intercom.tell_all(_TOPIC, _encode(drain))

    def carry_out(self, drain: Drain) -> None:
        """Leave, if this worker is meant."""
        if drain.worker_id == self._worker_id:
            logger.info("= drained", by=drain.by)
            self._leave()
