"""This module owns tickets: how a page opens a stream where it cannot send a token.

A browser's `EventSource` sends no headers, and a token in a URL ends up in logs and histories. So
the page trades its token for a ticket, which opens one stream, once, within half a minute.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import Final

import msgspec

from gateway.authentication import Authenticator
from gateway.broker.lockers import Lockers
from gateway.identity import Identity
from protocol.refusals import Refusal, Refused
from protocol.streams import NewTicket

TICKET_SECONDS: Final = 30
_TICKET_BYTES: Final = 18  # 144 bits
_TICKET: Final = re.compile(r"[A-Za-z0-9_-]{24}")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Identity).decode


class Tickets:
    """Gives tickets out and takes them back, on any worker. Raises `BrokerUnavailable`."""

    def __init__(self, lockers: Lockers, authenticator: Authenticator) -> None:
        self._lockers = lockers
        self._authenticator = authenticator

    async def issue(self, identity: Identity) -> NewTicket:
        """A ticket that stands for an identity, of which only a hash is kept."""
        text = secrets.token_urlsafe(_TICKET_BYTES)
        await self._lockers.put(_key_of(text), _encode(identity), TICKET_SECONDS)
        return NewTicket(text, TICKET_SECONDS)

    async def redeem(self, text: str) -> Identity:
        """Whom the ticket stands for, as far as that still holds; raises `Refused`."""
        if _TICKET.fullmatch(text) is None:
            raise _unknown()
        # What is looked up is a hash, so the time that it takes tells nothing about a secret.
        found = await self._lockers.take(_key_of(text))
        if found is None:
            raise _unknown()
        identity = _decode(found)
        await self._authenticator.check(identity)
        return identity


def _key_of(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"ticket:{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def _unknown() -> Refused:
    return Refused(Refusal.TOKEN_INVALID, "There is no such ticket, or it was used already.")
