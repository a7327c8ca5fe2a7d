"""The table of the REST side; `tests/gateway/rest/test_routes.py` holds it against the URLs."""

from __future__ import annotations

import pytest

from protocol.operations import HEADERS, JSON, OPERATIONS, Operation, refusals_of
from protocol.refusals import Refusal


def test_no_two_operations_have_one_name() -> None:
    assert len({row.name for row in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_a_row_makes_sense(row: Operation) -> None:
    is_without = row.status in {204, 302} or JSON not in row.media_types or row.is_bare
    assert (row.answer is None) == is_without or row.status == 202  # which may say what it began
    assert row.body is None or row.method != "GET"
    assert set(row.headers) <= set(HEADERS)
    assert ("{" not in row.path) or Refusal.NOT_FOUND in refusals_of(row) or "room" in row.path
