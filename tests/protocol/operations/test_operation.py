"""A row of the table of the REST side."""

from __future__ import annotations

from protocol.operations import OPERATIONS, refusals_of


def test_what_access_and_body_bring_is_there_without_being_written() -> None:
    row = next(row for row in OPERATIONS if row.name == "post-users")

    assert {refusal.status for refusal in refusals_of(row)} == {
        400,
        401,
        403,
        409,
        413,
        415,
        422,
        503,
    }
