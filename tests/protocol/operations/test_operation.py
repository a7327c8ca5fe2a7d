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
        429,
        503,
    }


def test_a_request_s_limit_follows_from_its_method_and_is_strict_where_anybody_may_ask() -> None:
    pace_of = {row.name: row.pace for row in OPERATIONS}

    assert pace_of["get-users-userId"] == "read"
    assert pace_of["delete-users-userId"] == "write"
    assert pace_of["post-sessions"] == "sign-in"
    assert pace_of["put-users-me-password"] == pace_of["put-users-userId-password"] == "password"
    assert pace_of["post-rooms-roomId-events"] == "publish"
