"""This module owns THE table of the REST side, put together from its parts."""

from __future__ import annotations

from typing import Any, Final

from protocol.operations.audit import AUDIT
from protocol.operations.keys import KEYS
from protocol.operations.proofs import PROOFS
from protocol.operations.rooms import ROOMS
from protocol.operations.sessions import SESSIONS
from protocol.operations.sign_in import SIGN_IN
from protocol.operations.trackers import TRACKERS
from protocol.operations.users import USERS
from protocol.operations.workers import WORKERS

OPERATIONS: Final = (
    *ROOMS,
    *TRACKERS,
    *USERS,
    *SESSIONS,
    *PROOFS,
    *SIGN_IN,
    *KEYS,
    *WORKERS,
    *AUDIT,
)


def shapes() -> list[Any]:
    """Every class that the table names."""
    found = (
        shape
        for row in OPERATIONS
        for shape in (row.body, *row.other_shapes, row.parameters, row.answer, row.pages)
    )
    return [shape for shape in dict.fromkeys(found) if shape is not None]
