"""This module owns the row about the trail over HTTP."""

from __future__ import annotations

from typing import Final

from protocol.audit import AuditListing, AuditView
from protocol.operations.operation import Operation
from protocol.refusals import Refusal
from protocol.users import Pagination

AUDIT: Final = (
    Operation(
        method="GET",
        path="/api/audit",
        summary="A page of the trail: who has changed what, when, and from where.",
        parameters=AuditListing,
        answer=AuditView,
        is_list=True,
        pages=Pagination,
        refusals=(Refusal.INVALID_CURSOR,),
    ),
)
