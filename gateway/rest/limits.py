"""This module owns the limits at the HTTP door: whose request it is, and what it is told.

`RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers, versions 08
to 11: a list of one policy, with `q` requests in `w` seconds, of which `r` are left, and `t`
seconds until there is one more.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Final

from aiohttp import web

from gateway.addresses import Network, address_of
from gateway.authentication import Authenticator
from gateway.metrics import Metrics
from gateway.quotas.limiter import Limiter, Verdict
from gateway.quotas.policies import Policy
from gateway.rest.problems import Handler
from gateway.rest.requests import identity_known_of
from gateway.rooms.pacing import network_of, too_fast
from protocol.operations import OPERATIONS
from protocol.paces import Pace

# Who watches the gateway must not be kept from it; the way in for sockets has limits of its own.
EXEMPT: Final = frozenset({"/healthz", "/readyz", "/metrics", "/socket.io/"})
_PACES: Final[Mapping[tuple[str, str], Pace]] = {
    (operation.method, operation.path): operation.pace for operation in OPERATIONS
}
_TOLD: Final = web.RequestKey("limits", tuple[Policy, Verdict])
_KEY_LIMIT_CHARACTERS: Final = 64  # a longer name of an identity is remembered by its digest


class Limits:
    """Lets a request through, or raises `Refused` (TOO_FAST)."""

    def __init__(
        self,
        limiter: Limiter,
        policies: Mapping[Pace, Policy],
        authenticator: Authenticator,
        trusted_proxies: Sequence[Network],
        metrics: Metrics,
    ) -> None:
        self._limiter = limiter
        self._policies = policies
        self._authenticator = authenticator
        self._trusted_proxies = trusted_proxies
        self._metrics = metrics
        self._by_route: dict[web.AbstractRoute, Policy | None] = {}
        self._told = {
            policy.name: (
                f'"{policy.name}";q={policy.quota};w={policy.window_seconds}',
                math.ceil(policy.interval_seconds),
            )
            for policy in policies.values()
        }

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count the request before anything else is done for it."""
        policy = self._policy_of(request)
        if policy is None:
            return await handler(request)
        key = self._key_of(policy, request)
        verdict = self._limiter.take_now(policy, key)
        if verdict is None:
            verdict = await self._limiter.take(policy, key)
        request[_TOLD] = policy, verdict
        if verdict.wait_seconds:
            self._metrics.limited.add(policy.name)
            raise too_fast(verdict.wait_seconds)
        return await handler(request)

    def tell(self, request: web.Request, headers: MutableMapping[str, str]) -> None:
        """Put into an answer's headers what there is to say of the limit."""
        told = request.get(_TOLD)
        if told is None:
            return
        policy, verdict = told
        headers["RateLimit-Policy"], wait_seconds = self._told[policy.name]
        if verdict.wait_seconds:
            wait_seconds = math.ceil(verdict.wait_seconds)
        headers["RateLimit"] = f'"{policy.name}";r={verdict.left};t={wait_seconds}'

    def _policy_of(self, request: web.Request) -> Policy | None:
        route = request.match_info.route
        if route.resource is None:  # it leads nowhere, and is made anew for each request
            return self._policies.get("page")
        if route not in self._by_route:
            self._by_route[route] = self._find_policy(route.method, route.resource.canonical)
        return self._by_route[route]

    def _find_policy(self, method: str, path: str) -> Policy | None:
        if path in EXEMPT:
            return None
        pace = _PACES.get(("GET" if method == "HEAD" else method, path), "page")
        return self._policies.get(pace)

    def _key_of(self, policy: Policy, request: web.Request) -> str:
        """An identity's key is no address's: those have no `@`."""
        if not policy.is_of_network:
            identity = identity_known_of(request, self._authenticator)
            if identity is not None:
                subject = identity.subject
                if len(subject) > _KEY_LIMIT_CHARACTERS:
                    subject = hashlib.sha256(subject.encode()).hexdigest()
                return f"@{subject}"
        return network_of(address_of(request, self._trusted_proxies))
