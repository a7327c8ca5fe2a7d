"""Tickets: worth their identity, once."""

from __future__ import annotations

import time

import pytest

from gateway.authentication import Authenticator
from gateway.broker.memory_lockers import MemoryLockers
from gateway.identity import Grants, Identity, Role
from gateway.rest.tickets import TICKET_SECONDS, Tickets
from gateway.settings import Settings
from protocol.refusals import Refusal, Refused

ANN = Identity("ann", Role.VIEWER, Grants(join=("city:*",)), token_id="1", issued_at_seconds=5.0)


def tickets(now: list[float]) -> Tickets:
    authenticator = Authenticator(Settings(environment="development"))
    return Tickets(MemoryLockers(lambda: now[0]), authenticator)


async def refusal_of(office: Tickets, text: str) -> Refusal:
    with pytest.raises(Refused) as caught:
        await office.redeem(text)
    return caught.value.refusal


async def test_a_ticket_stands_for_all_of_an_identity_once() -> None:
    office = tickets([0.0])
    ticket = await office.issue(ANN)
    assert await office.redeem(ticket.ticket) == ANN
    assert await refusal_of(office, ticket.ticket) is Refusal.TOKEN_INVALID


async def test_a_ticket_ends_soon_whether_it_was_used_or_not() -> None:
    now = [0.0]
    office = tickets(now)
    ticket = await office.issue(ANN)
    assert ticket.expires_in_seconds == TICKET_SECONDS
    now[0] = float(TICKET_SECONDS)
    assert await refusal_of(office, ticket.ticket) is Refusal.TOKEN_INVALID


async def test_a_ticket_does_not_outlive_its_token() -> None:
    office = tickets([0.0])
    expired = Identity("ann", Role.VIEWER, expires_at_seconds=time.time() - 60)
    assert await refusal_of(office, (await office.issue(expired)).ticket) is Refusal.TOKEN_EXPIRED


@pytest.mark.parametrize("text", ["", "x" * 23, "x" * 24, "x" * 10_000, "\N{BICYCLE}" * 24])
async def test_what_is_no_ticket_opens_nothing(text: str) -> None:
    assert await refusal_of(tickets([0.0]), text) is Refusal.TOKEN_INVALID
