"""This module owns `/api/sign-in` and `/api/sessions/exchange`: signing in with an OpenID provider.

Two cookies, and neither authenticates a request: one binds an answer to the browser that has asked,
the other hands a session over to the page, once. No token ever stands in a URL, nor anywhere that a
script could read it before it has asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog
from aiohttp import web

from gateway.addresses import Network, address_of
from gateway.metrics import Metrics
from gateway.openid.passage import LIFETIME_SECONDS, Passage
from gateway.openid.sign_ins import HANDOVER_SECONDS, SignIns, path_of
from gateway.rest.problems import json_response
from gateway.rest.requests import body_bytes_of, origin_of
from gateway.rest.sessions import tokens_response
from gateway.users.session import Origin
from gateway.users.sessions import Sessions
from protocol.bodies import body_of, parameters_of
from protocol.refusals import Refusal, Refused
from protocol.sign_in import Exchange, ProviderView, SignInAnswer, SignInStart

logger = structlog.get_logger(__name__)

_HTML: Final = "text/html"  # what every browser asks for when it goes to a page
_PASSAGE: Final = "paceline-sign-in"
_HANDOVER: Final = "paceline-session"
_ANSWERED: Final = frozenset(SignInAnswer.__struct_fields__)


class SignInResource:
    """Providers to sign in with. `is_secure`: whether browsers come over https."""

    def __init__(
        self,
        sign_ins: SignIns,
        sessions: Sessions,
        trusted_proxies: Sequence[Network],
        metrics: Metrics,
        *,
        is_secure: bool,
    ) -> None:
        self._sign_ins = sign_ins
        self._sessions = sessions
        self._trusted_proxies = trusted_proxies
        self._metrics = metrics
        self._is_secure = is_secure
        # A browser takes a cookie of this prefix from this very host alone, and over https.
        self._prefix = "__Host-" if is_secure else ""

    async def list(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        """The providers."""
        views = [
            ProviderView(name=each.name, label=each.label or each.name, path=path_of(each))
            for each in self._sign_ins.providers
        ]
        return json_response({"data": views, "meta": {"total": len(views)}})

    async def begin(self, request: web.Request) -> web.Response:
        """Send the browser to a provider."""
        start = parameters_of(request.query.items(), SignInStart)
        begun = await self._sign_ins.begin(
            request.match_info["provider"], start.return_to, self._address(request)
        )
        response = _redirect(begun.url)
        # Lax: what brings the browser back is a link of another site.
        self._set_cookie(response, _PASSAGE, begun.cookie, LIFETIME_SECONDS, "Lax")
        return response

    async def callback(self, request: web.Request) -> web.Response:
        """Take the browser back, and begin a session."""
        known = [(name, text) for name, text in request.query.items() if name in _ANSWERED]
        answer = parameters_of(known, SignInAnswer)
        cookie = request.cookies.get(self._prefix + _PASSAGE)
        passage = self._sign_ins.passage_of(request.match_info["provider"], answer, cookie)
        origin = origin_of(request, self._trusted_proxies)
        try:
            signed_in = await self._sign_ins.finish(passage, answer, origin)
        except Refused as refused:
            if _HTML not in request.headers.get("Accept", ""):
                raise
            return self._led_back(passage, refused, origin)
        response = _redirect(passage.return_to)
        self._set_cookie(response, _PASSAGE, "", 0, "Lax")
        token = signed_in.refresh_token
        self._set_cookie(response, _HANDOVER, token, HANDOVER_SECONDS, "Strict")
        return response

    def _led_back(self, passage: Passage, refused: Refused, origin: Origin) -> web.Response:
        """People in front of a browser see the page that they came from, and not an envelope."""
        code = refused.refusal.code
        self._metrics.note_refusal(refused.refusal)
        logger.warning(
            "! sign-in refused",
            provider=passage.provider,
            address=origin.address,
            code=code,
            why=refused.message,
        )
        return _redirect(f"{passage.return_to.partition('#')[0]}#sign-in-refused={code}")

    async def exchange(self, request: web.Request) -> web.Response:
        """Give the page the tokens of the session that has just begun, once.

        The body is JSON, so that a form of another page cannot ask.
        """
        body_of(await body_bytes_of(request), Exchange)
        token = request.cookies.get(self._prefix + _HANDOVER)
        if not token:
            raise Refused(Refusal.UNAUTHENTICATED, "No sign-in has just ended in this browser.")
        response = tokens_response(await self._sessions.refresh(token), 200)
        self._set_cookie(response, _HANDOVER, "", 0, "Strict")
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """Send the browser to a provider, to sign out there."""
        start = parameters_of(request.query.items(), SignInStart)
        name, address = request.match_info["provider"], self._address(request)
        return _redirect(await self._sign_ins.sign_out(name, start.return_to, address))

    def _address(self, request: web.Request) -> str:
        return address_of(request, self._trusted_proxies)

    def _set_cookie(
        self, response: web.Response, name: str, value: str, seconds: float, same_site: str
    ) -> None:
        response.set_cookie(
            self._prefix + name,
            value,
            max_age=int(seconds),
            path="/",  # as the prefix demands
            secure=self._is_secure,
            httponly=True,
            samesite=same_site,
        )


def _redirect(url: str) -> web.Response:
    return web.Response(status=302, headers={"Location": url})
