"""This module owns who is asking, for the trail: from where at first, and who once it is proved."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.addresses import Network, address_of
from gateway.identity import Identity
from gateway.rest.problems import READING, REQUEST_ID, Handler
from gateway.users.acting import Actor, Via, act_as, become


class Acting:
    """Stands before whatever may change something."""

    def __init__(self, trusted_proxies: Sequence[Network]) -> None:
        self._trusted_proxies = trusted_proxies

    @web.middleware
    async def note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note from where a request comes; nobody is known yet, whoever asked before it.

        A provider brings browsers back with GET.
        """
        if request.method not in READING or request.path.endswith("/callback"):
            address = address_of(request, self._trusted_proxies)
            act_as(Actor("", "request", address, request.get(REQUEST_ID, "")))
        return await handler(request)


def note_identity(request: web.Request, identity: Identity) -> None:
    """Note who has proved to be asking for a change."""
    if request.method not in READING:
        become(identity.subject, _via_of(identity))


def _via_of(identity: Identity) -> Via:
    if identity.key_digest is not None:
        return "key"
    return "token" if identity.session_id is None else "session"
