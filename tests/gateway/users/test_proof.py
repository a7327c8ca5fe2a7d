"""What mails prove (`users/proof.py`), over every database."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.users.database import Database
from gateway.users.proof import Proof, Purpose
from gateway.users.sql import SqlUserStore
from gateway.users.sql_proofs import SqlProofStore
from gateway.users.sql_sessions import SqlSessionStore
from gateway.users.user import User, folded
from tests.gateway.users.people import NOW_MS, person
from tests.gateway.users.test_session import session_of

HOUR_MS = 3_600_000


def proof(number: int, user: User, purpose: Purpose = "verification") -> Proof:
    return Proof(
        digest=f"digest{number}",
        user_id=user.id,
        purpose=purpose,
        email_folded=folded(user.email),
        expires_at_ms=NOW_MS + HOUR_MS,
    )


@pytest.fixture
def proofs(database: Database) -> SqlProofStore:
    return SqlProofStore(database)


@pytest.fixture
async def ada(store: SqlUserStore) -> User:
    await store.save(person(1))
    return person(1)


async def test_a_token_verifies_once_and_takes_its_like_along(
    proofs: SqlProofStore, ada: User
) -> None:
    await proofs.keep(proof(1, ada), NOW_MS)
    await proofs.keep(proof(2, ada), NOW_MS)
    assert await proofs.verified_at_ms(ada.id) is None

    at_once = [proofs.verify("digest1", NOW_MS + 5) for _ in range(4)]
    answers = await asyncio.gather(*at_once)

    assert [user for user in answers if user is not None] == [ada]
    assert await proofs.verify("digest2", NOW_MS + 5) is None
    assert await proofs.verified_at_ms(ada.id) == NOW_MS + 5


async def test_a_token_is_good_for_its_purpose_until_it_expires(
    proofs: SqlProofStore, ada: User
) -> None:
    await proofs.keep(proof(1, ada), NOW_MS)

    assert await proofs.count(ada.id, "verification", NOW_MS + HOUR_MS - 1) == 1
    assert await proofs.count(ada.id, "verification", NOW_MS + HOUR_MS) == 0
    assert await proofs.count(ada.id, "reset", NOW_MS) == 0
    assert await proofs.find("digest1", "reset", NOW_MS) is None
    assert await proofs.reset("digest1", "hash", NOW_MS) is None
    assert await proofs.find("digest1", "verification", NOW_MS + HOUR_MS) is None
    assert await proofs.verify("digest1", NOW_MS + HOUR_MS) is None
    assert await proofs.find("digest1", "verification", NOW_MS + HOUR_MS - 1) == ada


async def test_another_address_makes_tokens_and_verification_worth_nothing(
    proofs: SqlProofStore, store: SqlUserStore, ada: User
) -> None:
    for number in (1, 2):
        await proofs.keep(proof(number, ada), NOW_MS)
    await proofs.verify("digest1", NOW_MS)
    await proofs.keep(proof(3, ada), NOW_MS)
    moved = msgspec.structs.replace(ada, email="ada@elsewhere.org", version=2)
    await store.save(moved)

    assert await proofs.verified_at_ms(ada.id) is None
    assert await proofs.verify("digest3", NOW_MS) is None

    same = msgspec.structs.replace(ada, email=ada.email.upper(), version=3)
    await store.save(same)
    assert await proofs.verified_at_ms(ada.id) == NOW_MS


async def test_a_reset_sets_the_password_ends_the_sessions_and_verifies(
    proofs: SqlProofStore, database: Database, ada: User
) -> None:
    sessions = SqlSessionStore(database)
    await sessions.set_password(ada.id, "before", NOW_MS, None)
    await sessions.open(session_of(ada))
    await proofs.keep(proof(1, ada, "reset"), NOW_MS)

    assert await proofs.reset("digest1", "after", NOW_MS) == ada
    assert await proofs.reset("digest1", "again", NOW_MS) is None

    assert await sessions.find_password(ada.id) == "after"
    assert await sessions.of_user(ada.id, NOW_MS) == []
    assert await proofs.verified_at_ms(ada.id) == NOW_MS


async def test_tokens_go_with_their_user_and_with_time(
    proofs: SqlProofStore, store: SqlUserStore, ada: User
) -> None:
    await proofs.keep(proof(1, ada), NOW_MS)
    await proofs.keep(proof(2, ada), NOW_MS + HOUR_MS)  # forgets the first one
    assert await proofs.forget(NOW_MS + HOUR_MS) == 0
    assert await proofs.forget(NOW_MS + HOUR_MS + 1) == 1

    await proofs.keep(proof(3, ada), NOW_MS)
    await store.delete(ada.id, NOW_MS)
    assert await proofs.forget(2**50) == 0
