"""This module owns the rows about signing in with an OpenID provider."""

from __future__ import annotations

from typing import Final

from protocol.operations.operation import NOT_FOUND, SLOWED, Operation
from protocol.refusals import Refusal
from protocol.sessions import Tokens
from protocol.sign_in import Exchange, ProviderView, SignInAnswer, SignInStart

SIGN_IN: Final = (
    Operation(
        method="GET",
        path="/api/sign-in",
        summary="The providers that one may sign in with.",
        access="anybody",
        answer=ProviderView,
        is_list=True,
    ),
    Operation(
        method="GET",
        path="/api/sign-in/{provider}",
        summary="Send the browser to a provider, to sign in there.",
        access="anybody",
        parameters=SignInStart,
        status=302,
        refusals=(*NOT_FOUND, *SLOWED),
    ),
    Operation(
        method="GET",
        path="/api/sign-in/{provider}/callback",
        summary="Take the browser back from a provider, and begin a session.",
        access="anybody",
        parameters=SignInAnswer,
        status=302,
        refusals=(
            Refusal.SIGN_IN_FAILED,
            Refusal.FORBIDDEN,
            Refusal.EMAIL_TAKEN,
            Refusal.CONFLICT,
            *NOT_FOUND,
            *SLOWED,
        ),
    ),
    Operation(
        method="GET",
        path="/api/sign-in/{provider}/sign-out",
        summary="Send the browser to a provider, to sign out there as well.",
        access="anybody",
        parameters=SignInStart,
        status=302,
        refusals=(*NOT_FOUND, *SLOWED),
    ),
    Operation(
        method="POST",
        path="/api/sessions/exchange",
        summary="Get the tokens of a session that has begun at a provider, once.",
        access="anybody",
        body=Exchange,
        answer=Tokens,
        refusals=(
            Refusal.UNAUTHENTICATED,
            Refusal.TOKEN_INVALID,
            Refusal.TOKEN_EXPIRED,
            Refusal.FORBIDDEN,
        ),
    ),
)
