"""Which user somebody is, when several come at once; over every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from gateway.openid.arrivals import Arrivals
from gateway.openid.person import person_of
from gateway.settings import Provider
from gateway.users.accounts import Accounts
from gateway.users.database import Database
from gateway.users.sql import SqlUserStore
from gateway.users.sql_external import SqlExternalStore
from gateway.users.store import UserQuery
from protocol.refusals import Refusal, Refused
from protocol.users import NewUser
from tests.gateway.users.backends import BACKENDS, opened
from tests.gateway.users.people import NOW_MS

PROVIDER = Provider(name="here", issuer="https://id.example", client_id="paceline")
OTHER = msgspec.structs.replace(PROVIDER, name="there", issuer="https://other.example")
CLAIMS = {"sub": "ada", "email": "ada@example.org", "email_verified": True, "name": "Ada"}


@pytest.fixture(params=sorted(BACKENDS))
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    url = await asyncio.to_thread(BACKENDS[request.param], request, "paceline_arrivals")
    database = await opened(url)
    yield database
    await database.stop()


@pytest.fixture
def arrivals(database: Database) -> Arrivals:
    users = SqlUserStore(database)
    return Arrivals(users, SqlExternalStore(database), Accounts(users))


async def test_who_comes_several_times_at_once_is_one_user(
    arrivals: Arrivals, database: Database
) -> None:
    person = person_of(CLAIMS, PROVIDER)
    users = await asyncio.gather(*(arrivals.user_of(person, PROVIDER) for _ in range(8)))

    assert len({user.id for user in users}) == 1
    assert (await SqlUserStore(database).page(UserQuery())).total == 1


async def test_two_with_one_address_are_not_made_one(arrivals: Arrivals) -> None:
    await arrivals.user_of(person_of(CLAIMS, PROVIDER), PROVIDER)

    with pytest.raises(Refused) as caught:
        await arrivals.user_of(person_of(CLAIMS, OTHER), OTHER)
    assert caught.value.refusal is Refusal.EMAIL_TAKEN


async def test_one_subject_of_two_issuers_is_two_people(arrivals: Arrivals) -> None:
    ada = await arrivals.user_of(person_of(CLAIMS, PROVIDER), PROVIDER)
    eve = CLAIMS | {"email": "eve@example.org"}

    assert (await arrivals.user_of(person_of(eve, OTHER), OTHER)).id != ada.id


async def test_who_is_known_needs_no_address_any_more(arrivals: Arrivals) -> None:
    ada = await arrivals.user_of(person_of(CLAIMS, PROVIDER), PROVIDER)

    assert await arrivals.user_of(person_of({"sub": "ada"}, PROVIDER), PROVIDER) == ada


async def test_an_account_is_opened_by_the_very_mailbox_alone(
    arrivals: Arrivals, database: Database
) -> None:
    linking = msgspec.structs.replace(PROVIDER, links_verified_emails=True)
    body = NewUser(email="kim@example.org", name="Kim")
    kim = await Accounts(SqlUserStore(database)).create(body, NOW_MS)
    # The sign of Kelvin is folded to a k, as letters of either case are.
    lookalike = CLAIMS | {"email": "\N{KELVIN SIGN}im@example.org"}

    with pytest.raises(Refused) as caught:
        await arrivals.user_of(person_of(lookalike, linking), linking)
    assert caught.value.refusal is Refusal.EMAIL_TAKEN
    own = person_of(CLAIMS | {"email": "Kim@example.org"}, linking)
    assert await arrivals.user_of(own, linking) == kim
