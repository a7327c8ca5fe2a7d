"""This module owns how a developer becomes an operator with one click, on their own machine alone.

It is there only in development, on a gateway that listens to this machine alone, and answers only
a page that this gateway itself has served to a browser on this machine: by the names of its host
and of the page's origin, so that no other page can ask, whatever name it has had pointed here; and
never through a proxy.
"""

from __future__ import annotations

import time
from typing import Final

import structlog
from aiohttp import web
from yarl import URL

from gateway.authentication import Authenticator
from gateway.identity import KeyUnusable, Role, sign_token
from gateway.rest.problems import json_response
from gateway.settings import Settings
from gateway.settings.urls import is_loopback
from protocol.refusals import Refusal, Refused

logger = structlog.get_logger(__name__)

SUBJECT: Final = "operator-of-development"
_LIFETIME_SECONDS: Final = 8 * 3600.0
_SIGNS_OF_A_PROXY: Final = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


class DevelopmentSignIn:
    """`/ops/sign-in`: GET says whether there is such a thing here, POST gives a token."""

    def __init__(self, settings: Settings, authenticator: Authenticator) -> None:
        # Workers that each have a passing secret of their own do not know each other's tokens.
        is_one_secret = settings.workers == 1 or bool(settings.jwt_secrets)
        is_at_home = settings.is_development and is_loopback(settings.host)
        self._is_open = is_at_home and is_one_secret and _can_sign(authenticator)
        self._authenticator = authenticator

    def routes(self) -> list[web.RouteDef]:
        """The URL, beside the page's."""
        return [web.get("/ops/sign-in", self.get), web.post("/ops/sign-in", self.post)]

    async def get(self, request: web.Request) -> web.Response:
        """Whether a click is enough."""
        response = json_response({"data": {"isOpen": self._is_open and _is_local(request)}})
        response.headers["Cache-Control"] = "no-store"
        return response

    async def post(self, request: web.Request) -> web.Response:
        """A token of an operator."""
        if not self._is_open:
            raise Refused(Refusal.NOT_FOUND)
        if not (_is_local(request) and _is_own_page(request)):
            raise Refused(Refusal.FORBIDDEN, "Only for the page itself, on the same machine.")
        token = _token_of(self._authenticator)
        logger.info("= audit", by=SUBJECT, action="sign in without a password, in development")
        response = json_response({"data": {"accessToken": token}})
        response.headers["Cache-Control"] = "no-store"
        return response


def _token_of(authenticator: Authenticator) -> str:
    return sign_token(
        authenticator.keys,
        subject=SUBJECT,
        role=Role.OPERATOR,
        now_seconds=time.time(),
        lifetime_seconds=_LIFETIME_SECONDS,
        rules=authenticator.rules,
    )


def _can_sign(authenticator: Authenticator) -> bool:
    try:
        _token_of(authenticator)
    except KeyUnusable:  # public keys only check
        return False
    return True


def _is_local(request: web.Request) -> bool:
    try:
        host = URL.build(authority=request.headers.get("Host", "")).host or ""
    except ValueError:
        return False
    is_direct = not any(name in request.headers for name in _SIGNS_OF_A_PROXY)
    return is_direct and is_loopback(host) and is_loopback(request.remote or "")


def _is_own_page(request: web.Request) -> bool:
    return request.headers.get("Origin") == f"http://{request.headers.get('Host', '')}"
