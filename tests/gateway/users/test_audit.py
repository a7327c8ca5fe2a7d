"""The contract of the trail, over every database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from gateway.backends import Stores, stores_of
from gateway.users.acting import Actor, acting
from gateway.users.audit import ACTIONS, AuditQuery, Deed, Entry, deeds_of_change
from gateway.users.database import Database
from gateway.users.external import ExternalIdentity
from gateway.users.proof import Proof
from gateway.users.session import SESSIONS_OF_A_USER_LIMIT
from gateway.users.sql import SqlUserStore
from gateway.users.store import EmailTaken, StoreUnavailable, UserQuery, VersionStale
from gateway.users.user import User, changed, folded
from protocol.users import UserChanges
from tests.gateway.jobs.test_housekeeping import key_of
from tests.gateway.users.people import NOW_MS, person
from tests.gateway.users.test_session import session_of

ADA = person(1)
HASH = "$argon2id$a-hash-of-a-password"
_ALL = UserQuery(limit=100_000)
EVERYTHING = AuditQuery(is_descending=False, limit=100_000)


@pytest.fixture
def stores(database: Database) -> Stores:
    return stores_of(database)


async def trail_of(stores: Stores, **query: object) -> Sequence[Entry]:
    return (await stores.audit.page(msgspec.structs.replace(EVERYTHING, **query))).entries


async def told(stores: Stores) -> list[tuple[str, str]]:
    return [(entry.action, entry.whom) for entry in await trail_of(stores)]


def after(user: User, **changes: object) -> User:
    return changed(user, UserChanges(**changes), NOW_MS + 5)  # type: ignore[arg-type] # by name


async def test_1_each_change_is_told_with_who_made_it(stores: Stores) -> None:
    who = Actor("an admin", "session", "192.0.2.1", "a request")
    with acting(who):
        await stores.users.save(ADA)

    (entry,) = await trail_of(stores)
    assert entry == Entry(
        number=1,
        at_ms=ADA.created_at_ms,
        action="user.created",
        whom=ADA.id,
        details={"role": "rider"},
        **msgspec.structs.asdict(who),
    )


async def test_1_what_changes_of_a_user_is_told_by_its_kind(stores: Stores) -> None:
    user = ADA
    await stores.users.save(user)
    for changes in (
        {"name": "Countess", "age": 40},
        {"role": "admin", "disabled": True},
        {"disabled": False},
        {"email": "countess@example.org"},
        {"email": "COUNTESS@example.org"},
    ):
        user = after(user, **changes)
        await stores.users.save(user)
    await stores.users.delete(user.id, NOW_MS)
    await stores.users.save_new([person(2), person(3)])

    assert [(entry.action, entry.details) for entry in await trail_of(stores)] == [
        ("user.created", {"role": "rider"}),
        ("user.changed", {"fields": ["name", "age"]}),
        ("role.changed", {"from": "rider", "to": "admin"}),
        ("user.disabled", {}),
        ("user.enabled", {}),
        ("address.changed", {"another": True}),
        ("address.changed", {"another": False}),
        ("user.deleted", {"role": "admin"}),
        ("user.created", {"role": "rider", "imported": True}),
        ("user.created", {"role": "rider", "imported": True}),
    ]


async def test_1_sessions_passwords_keys_and_links_are_told(stores: Stores) -> None:
    await stores.users.save(ADA)
    session, identity = session_of(ADA), ExternalIdentity("https://id.example", "ada@corp.example")
    await stores.sessions.open(session)
    await stores.sessions.close(session.id, NOW_MS, "token used twice")
    assert await stores.sessions.close(session.id, NOW_MS) is None
    await stores.sessions.open(session)
    await stores.sessions.set_password(ADA.id, HASH, NOW_MS, None)
    assert not await stores.sessions.set_password("nobody", HASH, NOW_MS, None)
    await stores.sessions.open(session)
    await stores.sessions.close_all(ADA.id, NOW_MS)
    assert await stores.sessions.close_all(ADA.id, NOW_MS) == 0
    for key_id in ("k" * 12, "t" * 16):
        key = msgspec.structs.replace(key_of(1, None), id=key_id)
        await stores.keys.save(key, NOW_MS)
        assert await stores.keys.rotate(key, msgspec.structs.replace(key, digest="e"), NOW_MS)
        await stores.keys.delete(key_id, NOW_MS)
        assert not await stores.keys.delete(key_id, NOW_MS)
    await stores.external.link(identity, ADA.id, NOW_MS)
    await stores.external.create(person(2), ExternalIdentity("https://id.example", "two"))
    proof = Proof(
        digest="d",
        user_id=ADA.id,
        purpose="reset",
        email_folded=folded(ADA.email),
        expires_at_ms=NOW_MS + 1,
    )
    await stores.proofs.keep(proof, NOW_MS)
    assert await stores.proofs.reset("d", HASH, NOW_MS) == ADA
    assert await stores.proofs.reset("d", HASH, NOW_MS) is None

    assert (await told(stores))[1:] == [
        ("session.revoked", ADA.id),
        ("password.changed", ADA.id),
        ("sessions.revoked", ADA.id),
        ("key.created", "k" * 12),
        ("key.rotated", "k" * 12),
        ("key.revoked", "k" * 12),
        ("tracker.created", "t" * 16),
        ("tracker.rotated", "t" * 16),
        ("tracker.revoked", "t" * 16),
        ("identity.linked", ADA.id),
        ("user.created", person(2).id),
        ("identity.linked", person(2).id),
        ("password.changed", ADA.id),
    ]
    entries = {entry.number: entry for entry in await trail_of(stores)}
    assert entries[2].details == {"session": session.id, "reason": "token used twice"}
    assert entries[3].details == {"sessionsEnded": 1}
    assert entries[4].details == {"count": 1}
    # What an issuer calls somebody, addresses, names, hashes: none of it is in any of them.
    whole = msgspec.json.encode(list(entries.values())).decode()
    assert not [secret for secret in ("@", "Person", "argon2id", '"d"') if secret in whole]


async def test_1_a_session_that_ends_because_there_are_too_many_is_told(stores: Stores) -> None:
    await stores.users.save(ADA)
    for number in range(SESSIONS_OF_A_USER_LIMIT + 1):
        session = msgspec.structs.replace(
            session_of(ADA), id=f"s{number:03}", used_at_ms=NOW_MS + number
        )
        await stores.sessions.open(session)

    (entry,) = await trail_of(stores, action="session.revoked")
    assert entry.details == {"session": "s000", "reason": "too many"}


async def test_1_what_fails_is_not_told_and_what_cannot_be_told_is_not_done(
    stores: Stores, database: Database
) -> None:
    await stores.users.save(ADA)
    twin = msgspec.structs.replace(person(2), email=ADA.email)
    with pytest.raises(EmailTaken):
        await stores.users.save(twin)
    with pytest.raises(VersionStale):
        await stores.users.save(msgspec.structs.replace(ADA, version=5, name="Late"))
    assert await told(stores) == [("user.created", ADA.id)]

    async with database.writing() as connection:
        await connection.execute(text("ALTER TABLE audit RENAME TO elsewhere"))
    identity = ExternalIdentity("https://id.example", "five")
    work: list[Callable[[], Awaitable[object]]] = [
        lambda: stores.users.save(person(3)),
        lambda: stores.users.save(after(ADA, role="admin")),
        lambda: stores.users.delete(ADA.id, NOW_MS),
        lambda: stores.users.save_new([person(4)]),
        lambda: stores.sessions.set_password(ADA.id, HASH, NOW_MS, None),
        lambda: stores.keys.save(key_of(1, None), NOW_MS),
        lambda: stores.external.create(person(5), identity),
    ]
    for each in work:
        with pytest.raises((ProgrammingError, StoreUnavailable), match="audit"):
            await each()

    people = (await stores.users.page(_ALL)).users
    assert people == [ADA]
    assert await stores.sessions.find_password(ADA.id) is None
    assert await stores.keys.all() == []


async def test_1_whatever_an_issuer_calls_somebody_does_not_prevent_a_change(
    stores: Stores,
) -> None:
    with acting(Actor("\0" + "ü" * 5_000, "token")):
        await stores.users.save(ADA)

    (entry,) = await trail_of(stores)
    assert entry.subject == "ü" * 200


async def test_2_numbers_have_no_gap_whoever_writes_at_once_and_whatever_fails(
    stores: Stores, other_store: SqlUserStore
) -> None:
    async def make(number: int) -> None:
        store = (stores.users, other_store)[number % 2]
        user = person(number)
        if number % 5 == 0:  # the address of the one before
            user = msgspec.structs.replace(user, email=person(number + 1).email)
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(StoreUnavailable):  # SQLite lets in one, and is not fair
                    with contextlib.suppress(EmailTaken):
                        await store.save(user)
                    return

    await asyncio.gather(*(make(number) for number in range(40)))

    people = (await stores.users.page(_ALL)).users
    entries = await trail_of(stores)
    assert len(people) == 32
    assert [entry.number for entry in entries] == list(range(1, len(people) + 1))
    assert sorted(entry.whom for entry in entries) == sorted(user.id for user in people)


async def test_3_what_is_old_goes_from_the_beginning_and_that_is_told(stores: Stores) -> None:
    times = [10, 20, 50, 30, 60]  # clocks of two workers
    for at_ms in times:
        await stores.audit.note(at_ms, Deed("worker.drained", f"{at_ms}"))

    assert await stores.audit.cut(40, 100) == 2
    assert await stores.audit.cut(40, 100) == 0

    entries = await trail_of(stores)
    assert [entry.number for entry in entries] == [3, 4, 5, 6]
    assert entries[-1].action == "audit.cut"
    assert entries[-1].details == {"through": 2, "count": 2}
    assert (await stores.audit.page(EVERYTHING)).total == 4

    assert await stores.audit.cut(1_000, 1_000) == 4
    (last,) = await trail_of(stores)
    assert (last.number, last.details) == (7, {"through": 6, "count": 4})


async def test_4_pages_of_each_query_go_on_without_hole_or_repetition(stores: Stores) -> None:
    for number in range(25):
        with acting(Actor(f"somebody {number % 2}", "token")):
            action = "peer.removed" if number % 3 else "worker.drained"
            await stores.audit.note(number, Deed(action, f"{number % 4}"))  # type: ignore[arg-type] # one of two

    queries: dict[AuditQuery, set[int]] = {
        AuditQuery(): set(range(25)),
        AuditQuery(subject="somebody 1"): set(range(1, 25, 2)),
        AuditQuery(whom="3"): set(range(3, 25, 4)),
        AuditQuery(action="worker.drained"): set(range(0, 25, 3)),
        AuditQuery(since_ms=5, until_ms=9): {5, 6, 7, 8},
        AuditQuery(subject="nobody"): set(),
    }
    for query, wanted in queries.items():
        for is_descending in (True, False):
            some = msgspec.structs.replace(query, is_descending=is_descending, limit=4)
            found: list[int] = []
            while True:
                page = await stores.audit.page(some)
                assert page.total == len(wanted)
                found += [entry.at_ms for entry in page.entries]
                if not page.has_more:
                    break
                some = msgspec.structs.replace(some, after=page.entries[-1].number)
            assert found == sorted(wanted, reverse=is_descending)


async def test_a_trail_of_nothing_is_empty(stores: Stores) -> None:
    page = await stores.audit.page(EVERYTHING)

    assert (list(page.entries), page.total, page.has_more) == ([], 0, False)


def test_what_stays_is_no_change() -> None:
    assert deeds_of_change(ADA, ADA) == []
    assert len(set(ACTIONS)) == len(ACTIONS)
