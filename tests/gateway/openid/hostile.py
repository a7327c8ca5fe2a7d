"""This module owns an OpenID provider that does whatever a test wants, right or wrong."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from aiohttp import web

from tests.toolbox.forgery import PRIVATE_KEYS, PrivateKey, jwk_of

CLIENT_ID = "paceline"
CLIENT_SECRET = "a client's secret, and nobody else's"
Sign = Callable[[dict[str, Any]], str]


class HostileProvider:
    """Honest at first; what it shall do otherwise is set on it. It takes each code for ever."""

    def __init__(self) -> None:
        self.issuer = ""
        self.keys: dict[str, PrivateKey] = {"one": PRIVATE_KEYS["RS256"]}
        self.algorithm = "RS256"
        self.claims: dict[str, Any] = {}  # `...` leaves one out
        self.metadata: dict[str, Any] = {}
        self.user_info: dict[str, Any] | None = None
        self.sign: Sign = self._signed
        self.token_response: Callable[[], web.Response] | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.keys_are_away = False
        self.asked: list[str] = []
        self._nonces: dict[str, Mapping[str, str]] = {}
        self.application = web.Application()
        self.application.router.add_get("/.well-known/openid-configuration", self._discovery)
        self.application.router.add_get("/jwks", self._jwks)
        self.application.router.add_post("/token", self._token)
        self.application.router.add_get("/me", self._me)

    def approve(self, location: str, **changes: str | None) -> str:
        """What the browser brings back after somebody has signed in: a query string."""
        url = urlsplit(location)
        assert f"{url.scheme}://{url.netloc}{url.path}" == f"{self.issuer}/authorize"
        asked = dict(parse_qsl(url.query))
        code = secrets.token_urlsafe(16)
        self._nonces[code] = asked
        answer = {"code": code, "state": asked["state"], "session_state": "of no interest"}
        given = answer | changes
        return urlencode({name: text for name, text in given.items() if text is not None})

    async def _discovery(self, _: web.Request) -> web.Response:
        self.asked.append("discovery")
        await self.may_answer.wait()
        known = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/end?a=b",
        }
        if self.user_info is not None:
            known["userinfo_endpoint"] = f"{self.issuer}/me"
        return web.json_response(known | self.metadata)

    async def _jwks(self, _: web.Request) -> web.Response:
        if self.keys_are_away:
            return web.Response(status=500)
        return web.json_response({"keys": [jwk_of(key, kid) for kid, key in self.keys.items()]})

    async def _token(self, request: web.Request) -> web.Response:
        self.asked.append("token")
        if self.token_response is not None:
            return self.token_response()
        form = await request.post()
        asked = self._nonces[str(form["code"])]
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        credentials = f"{CLIENT_ID}:{CLIENT_SECRET}".encode("latin1")
        basic = f"Basic {base64.b64encode(credentials).decode()}"
        assert asked["code_challenge_method"] == "S256"
        assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        assert asked["redirect_uri"] == form["redirect_uri"]
        assert request.headers["Authorization"] == basic
        tokens = {"token_type": "Bearer", "access_token": "for its own resources"}
        return web.json_response(tokens | {"id_token": self.sign(self._claims(asked["nonce"]))})

    async def _me(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer for its own resources"
        return web.json_response(self.user_info)

    def _claims(self, nonce: str) -> dict[str, Any]:
        now = int(time.time())
        honest = {
            "iss": self.issuer,
            "sub": "ada at the provider",
            "aud": CLIENT_ID,
            "exp": now + 60,
            "iat": now,
            "nonce": nonce,
            "email": "ada@example.org",
            "email_verified": True,
            "name": "Ada",
        }
        return {name: value for name, value in (honest | self.claims).items() if value is not ...}

    def _signed(self, claims: dict[str, Any]) -> str:
        ((kid, key),) = self.keys.items()
        return jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": kid})


def unsigned(claims: dict[str, Any]) -> str:
    """A token whose header says that there is no signature."""
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."
