"""This module owns the rows about workers over HTTP."""

from __future__ import annotations

from typing import Final

from protocol.operations.operation import NOT_FOUND, Operation
from protocol.workers import Draining, WorkerView

WORKERS: Final = (
    Operation(
        method="GET",
        path="/api/workers",
        summary="Every live worker.",
        access="operator",
        answer=WorkerView,
        is_list=True,
    ),
    Operation(
        method="POST",
        path="/api/workers/{workerId}/drain",
        summary="Have a worker leave as politely as at SIGTERM; under a supervisor it is replaced.",
        access="operator",
        status=202,
        answer=Draining,
        refusals=NOT_FOUND,
    ),
)
