"""What can be done with users."""

from __future__ import annotations

import asyncio

import pytest

from gateway.users.accounts import Accounts
from gateway.users.sql import SqlUserStore
from gateway.users.user import is_user_id
from protocol.refusals import Refusal, Refused
from protocol.users import NewUser, UserChanges
from tests.gateway.users.people import NOW_MS, person

ADA = NewUser(email="ada@example.org", name="Ada")


@pytest.fixture
def accounts(store: SqlUserStore) -> Accounts:
    return Accounts(store)


async def test_what_was_made_is_got(accounts: Accounts) -> None:
    user = await accounts.create(ADA, NOW_MS)

    assert await accounts.get(user.id) == user
    assert is_user_id(user.id)


@pytest.mark.parametrize("text", ["", "ada", "0" * 36, "\x00", "anonymous-12345678"])
async def test_what_is_no_id_is_not_even_looked_for(accounts: Accounts, text: str) -> None:
    assert not is_user_id(text)
    with pytest.raises(Refused, match="There is no such user"):
        await accounts.get(text)


async def test_a_change_to_any_version_keeps_what_others_change_meanwhile(
    accounts: Accounts,
) -> None:
    user = await accounts.create(ADA, NOW_MS)

    await asyncio.gather(
        accounts.change(user.id, UserChanges(name="Countess"), NOW_MS),
        accounts.change(user.id, UserChanges(age=36), NOW_MS),
        accounts.change(user.id, UserChanges(role="admin"), NOW_MS),
    )

    after = await accounts.get(user.id)
    assert (after.name, after.age, after.role, after.version) == ("Countess", 36, "admin", 4)


async def test_of_many_who_mean_the_same_version_one_is_right(accounts: Accounts) -> None:
    user = await accounts.create(ADA, NOW_MS)

    results = await asyncio.gather(
        *(
            accounts.change(user.id, UserChanges(name=f"Name {n}"), NOW_MS, versions={1})
            for n in range(10)
        ),
        return_exceptions=True,
    )

    refusals = [result.refusal for result in results if isinstance(result, Refused)]
    assert refusals == [Refusal.PRECONDITION_FAILED] * 9


async def test_a_user_is_deleted_in_the_version_that_was_meant(accounts: Accounts) -> None:
    user = await accounts.create(ADA, NOW_MS)

    with pytest.raises(Refused) as caught:
        await accounts.delete(user.id, NOW_MS, versions={2})
    assert caught.value.refusal is Refusal.PRECONDITION_FAILED

    await accounts.delete(user.id, NOW_MS, versions={1})
    with pytest.raises(Refused) as caught:
        await accounts.delete(user.id, NOW_MS)
    assert caught.value.refusal is Refusal.NOT_FOUND


async def test_who_is_deleted_meanwhile_is_not_found(accounts: Accounts) -> None:
    with pytest.raises(Refused) as caught:
        await accounts.change(person().id, UserChanges(name="Else"), NOW_MS)

    assert caught.value.refusal is Refusal.NOT_FOUND
