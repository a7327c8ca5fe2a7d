"""The classes of requests."""

from __future__ import annotations

from protocol.operations import OPERATIONS
from protocol.paces import PACES


def test_every_class_but_that_of_pages_has_requests_in_the_table() -> None:
    assert {row.pace for row in OPERATIONS} == set(PACES) - {"page"}
