"""This module owns the rows about proving an e-mail address over HTTP."""

from __future__ import annotations

from typing import Final

from protocol.operations.operation import NOT_FOUND, Operation
from protocol.proofs import PasswordLost, PasswordReset, Verification, VerificationView
from protocol.refusals import Refusal

PROOFS: Final = (
    Operation(
        method="GET",
        path="/api/users/me/verification",
        summary="Whether one's e-mail address is verified.",
        access="token",
        answer=VerificationView,
        refusals=NOT_FOUND,
    ),
    Operation(
        method="POST",
        path="/api/users/me/verification",
        summary="Have a mail sent that verifies one's address.",
        access="token",
        status=202,
        refusals=NOT_FOUND,
    ),
    Operation(
        method="POST",
        path="/api/verifications",
        summary="Verify an address with the token out of a mail.",
        access="anybody",
        body=Verification,
        answer=VerificationView,
        refusals=(Refusal.TOKEN_INVALID,),
    ),
    Operation(
        method="POST",
        path="/api/password-resets",
        summary="Have a mail sent with which a lost password is replaced, if there is such a user.",
        access="anybody",
        body=PasswordLost,
        status=202,
        refusals=NOT_FOUND,
    ),
    Operation(
        method="POST",
        path="/api/password-resets/confirm",
        summary="Set a password with the token out of a mail; all sessions of the user end.",
        access="anybody",
        body=PasswordReset,
        status=204,
        refusals=(Refusal.TOKEN_INVALID,),
    ),
)
