"""This module owns the rows about API keys over HTTP."""

from __future__ import annotations

from typing import Final

from protocol.keys import KeyView, NewKey, Rotation
from protocol.operations.operation import (
    NOT_FOUND,
    Operation,
)
from protocol.refusals import Refusal

KEYS: Final = (
    Operation(
        method="GET", path="/api/keys", summary="Every API key.", answer=KeyView, is_list=True
    ),
    Operation(
        method="POST",
        path="/api/keys",
        summary="Make an API key; it is shown this once.",
        body=NewKey,
        status=201,
        answer=KeyView,
    ),
    Operation(
        method="GET",
        path="/api/keys/{keyId}",
        summary="One API key.",
        answer=KeyView,
        refusals=NOT_FOUND,
    ),
    Operation(
        method="DELETE",
        path="/api/keys/{keyId}",
        summary="Revoke an API key.",
        status=204,
        refusals=NOT_FOUND,
    ),
    Operation(
        method="POST",
        path="/api/keys/{keyId}/rotate",
        summary="Give an API key a new secret, beside which the one before is good for a while.",
        body=Rotation,
        answer=KeyView,
        refusals=(*NOT_FOUND, Refusal.CONFLICT),
    ),
)
