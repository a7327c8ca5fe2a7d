"""This module owns what Schemathesis cannot know: which codes a row allows, and what state refuses.

Its own checks look at status codes. Several refusals share one, so these look at the codes.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import schemathesis
from schemathesis.checks import CheckContext

from protocol.operations import OPERATIONS, Operation, refusals_of
from protocol.refusals import Refusal

Case: TypeAlias = "schemathesis.Case[Any]"

_ROWS: Final[dict[tuple[str, str], Operation]] = {(row.method, row.path): row for row in OPERATIONS}
_FIRST_REFUSAL: Final = 400
# Good data that meets a state in which it does not hold: nothing that a schema could say.
_OF_STATE: Final = frozenset(
    {
        Refusal.INVALID_CURSOR,  # of another list, or nobody's
        Refusal.KEY_REUSED,
        Refusal.PRECONDITION_FAILED,
    }
)
# The same for single fields: a password that is not the present one, or one that anybody would try.
_FIELDS_OF_STATE: Final = frozenset({"currentPassword", "newPassword"})
_ABOUT_DATA: Final = frozenset({400, 412, 422})


@schemathesis.check
def every_code_is_in_the_row(
    ctx: CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """What is answered to this method of this path is what the table of operations says."""
    if response.status_code < _FIRST_REFUSAL:
        return
    code = _error_of(response)["code"]
    row = _ROWS.get((case.method.upper(), case.operation.path))
    allowed = {Refusal.METHOD_NOT_ALLOWED}
    if row is not None:
        allowed |= set(refusals_of(row))
    codes = {refusal.code for refusal in allowed}
    assert code in codes, f"{code} is not among {sorted(codes)}"


@schemathesis.check
def valid_data_is_refused_for_state_alone(
    ctx: CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """What fits the schema is refused for nothing that the schema could have said."""
    meta = case.meta
    is_valid = meta is not None and meta.generation.mode.is_positive
    if not is_valid or response.status_code not in _ABOUT_DATA:
        return
    error = _error_of(response)
    if _has_what_cannot_be_printed(case):
        return
    fields = set(error.get("details", {}).get("fields", {}))
    is_of_state = Refusal[error["code"]] in _OF_STATE or (
        error["code"] == Refusal.INVALID.code and fields and fields <= _FIELDS_OF_STATE
    )
    assert is_of_state, f"valid data was refused: {error}"


@schemathesis.hook
def filter_query(ctx: schemathesis.HookContext, query: dict[str, Any] | None) -> bool:
    """A parameter of no value is not written, and nobody sees what was wrong with it."""
    return not any(value in ([], {}) for value in (query or {}).values())


def _has_what_cannot_be_printed(case: Case) -> bool:
    """To Schemathesis the category C is control characters alone: it makes others of that kind."""
    body: dict[str, Any] = case.body if isinstance(case.body, dict) else {}
    names = (
        unquote(str(case.path_parameters.get("roomId", ""))),
        *(str(body.get(field, "")) for field in ("event", "type")),
        *(map(str, body.get("publish", ())) if body.get("tracker") else ()),
    )
    return not all(name.isprintable() for name in names)


def _error_of(response: schemathesis.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    return error
