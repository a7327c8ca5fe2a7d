"""This module owns how the reports of all workers come together at one of them.

A worker that somebody looks at asks all others each second, and each answers it alone: where nobody
looks nothing is counted up, sent or kept.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec
import structlog

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.sessions import Intercom
from gateway.reports.merging import FORGOTTEN_SECONDS, SILENT_SECONDS, Received, overview_of
from gateway.reports.report import Report
from gateway.reports.reporter import Reporter
from protocol.reports import Overview

logger = structlog.get_logger(__name__)

_QUESTION: Final = "report-wanted"
_ANSWER: Final = "report"
# Of so many workers at most; a message with another worker's name in it is still only a message.
_WORKERS_LIMIT: Final = 1000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Report).decode


class Gathering:
    """One worker's part: it answers others, and knows what they have answered."""

    def __init__(self, reporter: Reporter, intercom: Intercom) -> None:
        self._reporter = reporter
        self._intercom = intercom
        self._received: dict[str, Received] = {}
        self._askers: set[str] = set()
        self._asked: dict[str, float] = {}  # who asks, and when last
        self._answering: asyncio.Task[None] | None = None
        self._is_asking = False
        intercom.hear(_QUESTION, self._hear_question)
        intercom.hear(_ANSWER, self._hear_answer)

    async def ask(self) -> None:
        """Have every worker report; their answers come in the milliseconds after."""
        self._is_asking = True
        self._keep(await self._reporter.report())
        try:
            self._intercom.tell_all(_QUESTION, self._intercom.worker_id.encode())
        except BrokerUnavailable:
            logger.debug("! the other workers cannot be asked for reports")

    def overview(self) -> Overview:
        """What is known by now."""
        now_seconds = time.monotonic()
        self._received = {
            worker_id: received
            for worker_id, received in self._received.items()
            if now_seconds - received.at_seconds < FORGOTTEN_SECONDS
        }
        known = list(self._received.values())
        self._received = {
            worker_id: Received(received.report, received.at_seconds, is_counted=True)
            for worker_id, received in self._received.items()
        }
        now_ms = time.time_ns() // 1_000_000
        return overview_of(self._reporter.worker_id, known, now_seconds, now_ms)

    def rest(self) -> None:
        """Nobody looks any more."""
        self._is_asking = False
        self._received.clear()

    async def stop(self) -> None:
        """Tell those who ask that this worker leaves; a second call does nothing."""
        if self._answering is not None:
            await asyncio.wait([self._answering])
        asked, self._asked = self._asked, {}
        if asked:
            last = _encode(await self._reporter.last_report())
            for asker in asked:
                self._intercom.tell(asker, _ANSWER, last)

    def _keep(self, report: Report) -> None:
        worker_id = report.line.worker_id
        if worker_id in self._received or len(self._received) < _WORKERS_LIMIT:
            self._received[worker_id] = Received(report, time.monotonic())

    def _hear_question(self, message: bytes) -> None:
        asker = message.decode()
        if asker == self._intercom.worker_id:
            return
        now_seconds = time.monotonic()
        self._asked = {
            other: asked_seconds
            for other, asked_seconds in self._asked.items()
            if now_seconds - asked_seconds < SILENT_SECONDS
        }
        self._asked[asker] = now_seconds
        self._askers.add(asker)
        if self._answering is None:
            self._answering = asyncio.create_task(self._answer())

    def _hear_answer(self, message: bytes) -> None:
        if self._is_asking:
            self._keep(_decode(message))

    async def _answer(self) -> None:
        try:
            while self._askers:
                askers, self._askers = self._askers, set()
                answer = _encode(await self._reporter.report())
                for asker in askers:
                    self._intercom.tell(asker, _ANSWER, answer)
        except Exception:  # whoever asks does so again
            logger.exception("! no report")
        finally:
            self._answering = None
