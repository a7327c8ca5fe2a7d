"""This module owns the rows about signing in and out over HTTP."""

from __future__ import annotations

from typing import Final

from protocol.operations.operation import (
    NOT_FOUND,
    USER,
    Operation,
)
from protocol.refusals import Refusal
from protocol.sessions import GivenPassword, OwnPassword, Refresh, SessionView, SignIn, Tokens

SESSIONS: Final = (
    Operation(
        method="PUT",
        path="/api/users/me/password",
        summary="Change one's password; one's other sessions end.",
        access="token",
        body=OwnPassword,
        status=204,
        refusals=(*NOT_FOUND, Refusal.SIGN_IN_AGAIN),
        limited_as="password",
    ),
    Operation(
        method="PUT",
        path=f"{USER}/password",
        summary="Give a user a password; all sessions of the user end.",
        body=GivenPassword,
        status=204,
        refusals=NOT_FOUND,
        limited_as="password",
    ),
    Operation(
        method="GET",
        path=f"{USER}/sessions",
        summary="The sessions of a user.",
        answer=SessionView,
        is_list=True,
        refusals=NOT_FOUND,
    ),
    Operation(
        method="DELETE",
        path=f"{USER}/sessions",
        summary="End all sessions of a user.",
        status=204,
        refusals=NOT_FOUND,
    ),
    Operation(
        method="POST",
        path="/api/sessions",
        summary="Sign in.",
        access="anybody",
        body=SignIn,
        status=201,
        answer=Tokens,
        refusals=(Refusal.CREDENTIALS_WRONG, Refusal.FORBIDDEN, *NOT_FOUND),
    ),
    Operation(
        method="POST",
        path="/api/sessions/refresh",
        summary="Exchange a refresh token for new tokens.",
        access="anybody",
        body=Refresh,
        answer=Tokens,
        refusals=(Refusal.TOKEN_INVALID, Refusal.FORBIDDEN),
        limited_as="refresh",
    ),
    Operation(
        method="GET",
        path="/api/sessions",
        summary="One's own sessions.",
        access="token",
        answer=SessionView,
        is_list=True,
    ),
    Operation(
        method="DELETE",
        path="/api/sessions/current",
        summary="Sign out.",
        access="token",
        status=204,
        refusals=NOT_FOUND,
    ),
    Operation(
        method="DELETE",
        path="/api/sessions/{sessionId}",
        summary="End a session of one's own; an administrator, any.",
        access="token",
        status=204,
        refusals=(*NOT_FOUND, Refusal.METHOD_NOT_ALLOWED),  # a word of another path is no id
    ),
)
