"""The contract of the user store, over every database; the numbers are those of the contract."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.users.sorting import place_of
from gateway.users.sql import SqlUserStore
from gateway.users.store import (
    KEY_LIFETIME_SECONDS,
    Creation,
    EmailTaken,
    KeyReused,
    SortField,
    UserQuery,
    VersionStale,
)
from gateway.users.user import User, changed
from protocol.users import UserChanges
from tests.gateway.users.people import NOW_MS, person

LATER_MS = NOW_MS + 1_000_000


async def saved(store: SqlUserStore, *people: User) -> list[User]:
    for user in people:
        await store.save(user)
    return list(people)


# ---- 1 to 4, and 7


async def test_1_what_was_saved_is_found(store: SqlUserStore, other_store: SqlUserStore) -> None:
    user = person(3, name="<script>alert('ü')</script> \u2603")
    await store.save(user)

    assert await other_store.find_by_id(user.id) == user
    assert await other_store.find_by_email("PERSON3@example.ORG") == user
    assert await store.find_by_id("nobody") is None
    assert await store.find_by_email("nobody@example.org") is None


@pytest.mark.parametrize("text", ["'; DROP TABLE users; --", '" OR 1=1 --', "%", "\\", "$1 :id ?"])
async def test_1_a_text_is_a_text(store: SqlUserStore, text: str) -> None:
    user = person(name=text + "..")
    await store.save(user)

    assert await store.find_by_id(user.id) == user
    assert await store.find_by_id(text) is None
    assert await store.find_by_email(text) is None
    found = await store.page(UserQuery(name_prefix=text))
    assert found.users == [user]


async def test_2_an_email_in_other_letters_is_taken_and_nothing_is_changed(
    store: SqlUserStore,
) -> None:
    first, second = await saved(store, person(1), person(2))
    thief = msgspec.structs.replace(person(3), email="PERSON1@EXAMPLE.org")

    with pytest.raises(EmailTaken):
        await store.save(thief)
    with pytest.raises(EmailTaken):
        await store.save(changed(second, UserChanges(email=first.email.upper()), LATER_MS))

    assert await store.find_by_id(thief.id) is None
    assert await store.find_by_id(second.id) == second


async def test_2_a_user_may_write_its_own_email_in_other_letters(store: SqlUserStore) -> None:
    (user,) = await saved(store, person(1))
    after = changed(user, UserChanges(email="Person1@EXAMPLE.org"), LATER_MS)

    await store.save(after)

    assert await store.find_by_email(user.email) == after


async def test_3_of_two_changes_of_one_version_one_is_stale(
    store: SqlUserStore, other_store: SqlUserStore
) -> None:
    (user,) = await saved(store, person())
    first = changed(user, UserChanges(name="First"), LATER_MS)
    second = changed(user, UserChanges(name="Second"), LATER_MS)

    await store.save(first)
    with pytest.raises(VersionStale):
        await other_store.save(second)

    assert await store.find_by_id(user.id) == first


async def test_3_of_many_at_once_each_version_is_made_once(
    store: SqlUserStore, other_store: SqlUserStore
) -> None:
    (user,) = await saved(store, person())

    async def rename(number: int) -> bool:
        where = (store, other_store)[number % 2]
        try:
            await where.save(changed(user, UserChanges(name=f"Name {number}"), LATER_MS))
        except VersionStale:
            return False
        return True

    done = await asyncio.gather(*map(rename, range(20)))

    assert sum(done) == 1
    present = await store.find_by_id(user.id)
    assert present is not None
    assert (present.version, present.name) == (2, f"Name {done.index(True)}")


async def test_3_version_1_takes_the_place_of_nobody(store: SqlUserStore) -> None:
    (user,) = await saved(store, person())

    with pytest.raises(VersionStale):
        await store.save(msgspec.structs.replace(user, email="other@example.org"))


async def test_3_who_was_deleted_is_not_changed_back(store: SqlUserStore) -> None:
    (user,) = await saved(store, person())
    await store.delete(user.id, LATER_MS)

    with pytest.raises(VersionStale):
        await store.save(changed(user, UserChanges(name="Back"), LATER_MS))

    assert await store.find_by_id(user.id) is None


async def test_4_who_was_deleted_is_not_there(store: SqlUserStore) -> None:
    user, other = await saved(store, person(1), person(2))

    assert await store.delete(user.id, LATER_MS)

    assert await store.find_by_id(user.id) is None
    assert await store.find_by_email(user.email) is None
    assert (await store.page(UserQuery())).users == [other]
    assert not await store.delete(user.id, LATER_MS)
    assert not await store.delete(user.id, LATER_MS, version=1)


async def test_4_only_the_version_that_was_meant_is_deleted(store: SqlUserStore) -> None:
    (user,) = await saved(store, person())

    with pytest.raises(VersionStale):
        await store.delete(user.id, LATER_MS, version=2)

    assert await store.find_by_id(user.id) == user
    assert await store.delete(user.id, LATER_MS, version=1)


# ---- 5: pages


async def walk(store: SqlUserStore, query: UserQuery) -> list[list[User]]:
    """All pages of a query, each from where the one before has ended."""
    pages = []
    while True:
        page = await store.page(query)
        pages.append(list(page.users))
        if not page.has_more:
            return pages
        place = place_of(page.users[-1], query.sort)
        query = msgspec.structs.replace(query, after=place)


@pytest.mark.parametrize("sort", ["createdAt", "name", "email"])
@pytest.mark.parametrize("is_descending", [False, True])
async def test_5_pages_hold_everybody_once_and_in_order(
    store: SqlUserStore, sort: SortField, *, is_descending: bool
) -> None:
    names = ["bo", "Al", "cy", "al", "Ål", "Bo", "al", "zo", "Éa"]
    people = await saved(store, *(person(n, name=name) for n, name in enumerate(names)))
    query = UserQuery(sort=sort, is_descending=is_descending, limit=2)

    pages = await walk(store, query)

    ordered = sorted(people, key=lambda user: place_of(user, sort), reverse=is_descending)
    assert [user for page in pages for user in page] == ordered
    assert [len(page) for page in pages] == [2, 2, 2, 2, 1]


async def test_5_users_who_come_or_go_meanwhile_shift_nobody(store: SqlUserStore) -> None:
    people = await saved(store, *map(person, range(1, 7)))
    first = await store.page(UserQuery(limit=3))
    await store.delete(people[0].id, LATER_MS)
    await store.save(person(0))

    query = UserQuery(limit=3, after=place_of(first.users[-1], "createdAt"))

    assert (await store.page(query)).users == people[3:]


async def test_5_filters_choose_and_the_total_counts_what_they_choose(store: SqlUserStore) -> None:
    people = await saved(
        store,
        person(1, name="Ada"),
        person(2, name="adam", role="admin"),
        person(3, name="Bob", disabled=True),
        person(4, name="ADELE", role="admin", disabled=True),
    )

    async def numbers(**query: object) -> tuple[list[int], int]:
        page = await store.page(UserQuery(**query))  # type: ignore[arg-type]
        return [people.index(user) + 1 for user in page.users], page.total

    assert await numbers() == ([1, 2, 3, 4], 4)
    assert await numbers(role="admin") == ([2, 4], 2)
    assert await numbers(disabled=True) == ([3, 4], 2)
    assert await numbers(disabled=False) == ([1, 2], 2)
    assert await numbers(role="admin", disabled=True) == ([4], 1)
    assert await numbers(email="PERSON3@EXAMPLE.ORG") == ([3], 1)
    assert await numbers(name_prefix="AD") == ([1, 2, 4], 3)
    assert await numbers(name_prefix="ada", limit=1) == ([1], 2)
    assert await numbers(name_prefix="_da") == ([], 0)


async def test_5_an_offset_skips_users(store: SqlUserStore) -> None:
    people = await saved(store, *map(person, range(5)))

    page = await store.page(UserQuery(limit=2, offset=2))

    assert (page.users, page.total, page.has_more) == (people[2:4], 5, True)
    assert (await store.page(UserQuery(limit=2, offset=9))).users == []


# ---- 6: creations that happen once


def creation(key: str = "k", fingerprint: str = "f", now_ms: int = NOW_MS) -> Creation:
    return Creation(key, fingerprint, now_ms)


async def test_6_a_key_makes_one_user_however_many_ask_at_once(
    store: SqlUserStore, other_store: SqlUserStore
) -> None:
    twins = [msgspec.structs.replace(person(0), id=person(n).id) for n in range(10)]

    made = await asyncio.gather(
        *((store, other_store)[n % 2].create(user, creation()) for n, user in enumerate(twins))
    )

    assert len({user.id for user in made}) == 1
    assert (await store.page(UserQuery())).users == [made[0]]


async def test_6_the_key_gives_the_user_as_it_was_made(store: SqlUserStore) -> None:
    user = await store.create(person(), creation())
    await store.save(changed(user, UserChanges(name="Else"), LATER_MS))
    await store.delete(user.id, LATER_MS)

    assert await store.create(person(), creation()) == user


async def test_6_a_key_is_not_for_something_else(store: SqlUserStore) -> None:
    await store.create(person(1), creation())

    with pytest.raises(KeyReused):
        await store.create(person(2), creation(fingerprint="other"))

    assert await store.find_by_id(person(2).id) is None


async def test_6_a_key_whose_creation_failed_may_be_used_again(store: SqlUserStore) -> None:
    await store.save(person(1))
    namesake = msgspec.structs.replace(person(3), email=person(1).email)

    with pytest.raises(EmailTaken):
        await store.create(namesake, creation())

    assert await store.create(person(2), creation()) == person(2)


async def test_6_a_key_is_forgotten_after_its_time(store: SqlUserStore) -> None:
    await store.create(person(1), creation())
    expired_ms = NOW_MS + int(KEY_LIFETIME_SECONDS * 1000)

    assert await store.create(person(2), creation(now_ms=expired_ms)) == person(1)
    assert await store.create(person(2), creation(now_ms=expired_ms + 1)) == person(2)


# ---- 7: many at once


async def test_7_of_many_new_users_those_are_kept_whose_email_is_free(store: SqlUserStore) -> None:
    await store.save(person(1))
    people = [person(number) for number in (2, 3, 4)]
    thief = msgspec.structs.replace(person(5), email=person(1).email.upper())
    twin = msgspec.structs.replace(person(6), email=person(2).email)

    kept = await store.save_new([thief, *people, twin])

    assert kept == {user.id for user in people}
    assert (await store.page(UserQuery())).users == [person(1), *people]
    assert await store.save_new([]) == set()
