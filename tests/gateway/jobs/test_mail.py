"""Mails to users, through a real mail server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from gateway.backends import Stores
from gateway.jobs.letters import Letters
from gateway.jobs.mail import Mails, verifications_owed
from gateway.jobs.postman import SmtpPostman
from gateway.jobs.runner import now_ms
from gateway.metrics import Metrics
from gateway.settings.mail_server import MailServer as Where
from gateway.users.database import Database
from gateway.users.job import new_job
from gateway.users.outbox import UserEvent
from gateway.users.passwords import Passwords
from gateway.users.proving import RESET, Proving
from gateway.users.sql import SqlUserStore
from gateway.users.user import User, changed
from protocol.refusals import Refusal, Refused
from protocol.users import UserChanges
from tests.gateway.jobs.bench import running, until
from tests.gateway.users.people import person
from tests.toolbox.mail_server import MailServer, mail_server, text_of

ADDRESS = "192.0.2.7"
LETTERS = Letters(
    sender="Paceline <no-reply@maps.example>",
    verification_url="https://maps.example/#token={token}",
)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords()
    yield passwords
    passwords.stop()


@pytest.fixture
def proving(stores: Stores, passwords: Passwords) -> Proving:
    return Proving(stores.proofs, stores.jobs, passwords, sends_mail=True)


@pytest.fixture
async def metrics(stores: Stores, server: MailServer) -> AsyncIterator[Metrics]:
    """Of a runner that sends mails."""
    metrics = Metrics()
    postman = SmtpPostman(Where(host="127.0.0.1", port=server.port, way="plain"))
    works = Mails(stores.users, stores.proofs, postman, LETTERS).works()
    async with running(stores.jobs, works, metrics=metrics):
        yield metrics


@pytest.fixture
async def ada(database: Database) -> User:
    user = msgspec.structs.replace(person(1), created_at_ms=now_ms(), updated_at_ms=now_ms())
    await SqlUserStore(database, verifications_owed).save(user)
    return user


async def test_whoever_is_new_gets_a_mail_whose_token_verifies_the_address(
    ada: User, proving: Proving, server: MailServer, metrics: Metrics
) -> None:
    await until(lambda: metrics.jobs["done"] == 1)
    (mail,) = server.mails
    assert (mail["To"], mail["From"]) == (ada.email, LETTERS.sender)
    assert mail["Message-ID"].endswith("@maps.example>")
    assert "https://maps.example/#token=" in text_of(mail)
    (token,) = server.tokens()

    assert await proving.verified_at_ms(ada) is None
    assert (await proving.verify(token, ADDRESS))[0] == ada
    assert await proving.verified_at_ms(ada) is not None
    with pytest.raises(Refused) as refused:
        await proving.verify(token, ADDRESS)
    assert refused.value.refusal is Refusal.TOKEN_INVALID

    await proving.ask_verification(ada, ADDRESS)
    await until(lambda: metrics.jobs["done"] == 2)
    assert len(server.mails) == 1  # there is nothing left to verify


async def test_a_lost_password_is_replaced_by_who_reads_the_mail(
    ada: User, proving: Proving, server: MailServer, metrics: Metrics, stores: Stores
) -> None:
    await until(lambda: metrics.jobs["done"] == 1)  # the mail to whoever is new: the first of two
    await proving.ask_reset(ada.email.upper(), ADDRESS)
    await proving.ask_reset("nobody@example.org", ADDRESS)
    await until(lambda: metrics.jobs["done"] == 3)
    reset = server.tokens()[-1]

    for bad in (ada.email, "x" * 43):
        with pytest.raises(Refused) as refused:
            await proving.reset(reset, bad, ADDRESS)
        assert refused.value.refusal is Refusal.INVALID
        assert list(refused.value.details["fields"]) == ["password"]
    await proving.reset(reset, "correct horse", ADDRESS)
    with pytest.raises(Refused, match="TOKEN_INVALID"):
        await proving.reset(reset, "another horse", ADDRESS)

    found = await stores.sessions.find_password(ada.id)
    assert found is not None
    assert found.startswith("$argon2id$")
    assert len(server.mails) == 2


async def test_what_the_server_does_not_take_now_is_sent_later_and_is_the_same_mail(
    ada: User, stores: Stores, server: MailServer
) -> None:
    server.answers = ["451 come back"]
    postman = SmtpPostman(Where(host="127.0.0.1", port=server.port, way="plain"))
    works = Mails(stores.users, stores.proofs, postman, LETTERS).works()
    hasty = {
        kind: type(work)(run=work.run, first_wait_seconds=0.01) for kind, work in works.items()
    }
    metrics = Metrics()
    async with running(stores.jobs, hasty, metrics=metrics):
        await until(lambda: metrics.jobs["done"] == 1)

    assert metrics.jobs["failed"] == 1
    assert len(server.mails) == 1


async def test_a_mailbox_that_is_none_is_given_up_with_what_the_server_said(
    ada: User, stores: Stores, server: MailServer
) -> None:
    server.answers = ["550 there is no such mailbox"]
    postman = SmtpPostman(Where(host="127.0.0.1", port=server.port, way="plain"))
    works = Mails(stores.users, stores.proofs, postman, LETTERS).works()
    metrics = Metrics()
    async with running(stores.jobs, works, metrics=metrics):
        await until(lambda: metrics.jobs["dead"] == 1)

    (dead,) = await stores.jobs.dead(1)
    assert dead.error == "The mail server said 550 there is no such mailbox"


async def test_who_changes_the_address_again_and_again_fills_no_mailboxes(
    ada: User, database: Database, server: MailServer, metrics: Metrics
) -> None:
    users, user = SqlUserStore(database, verifications_owed), ada
    for number in range(7):
        await until(lambda number=number: metrics.jobs["done"] == number + 1 or number > 4)  # type: ignore[misc]
        user = changed(user, UserChanges(email=f"victim{number}@example.org"), now_ms())
        await users.save(user)
    await until(lambda: metrics.jobs["failed"] == 1)

    assert len(server.mails) == 5


def test_mails_are_owed_to_new_addresses_alone() -> None:
    user, at_ms = person(1), 1
    moved = changed(user, UserChanges(email="new@example.org"), at_ms)
    renamed = changed(user, UserChanges(name="Renamed", email=user.email.upper()), at_ms)
    disabled = changed(user, UserChanges(disabled=True), at_ms)

    def owed(**event: Any) -> int:  # noqa: ANN401 - the fields of an event
        return len(verifications_owed(UserEvent(at_ms=at_ms, **event)))

    assert owed(name="created", user=user) == 1
    assert owed(name="changed", user=moved, before=user) == 1
    assert owed(name="created", user=user, is_import=True) == 0
    assert owed(name="created", user=user, is_verified=True) == 0
    assert owed(name="created", user=disabled) == 0
    assert owed(name="changed", user=renamed, before=user) == 0
    assert owed(name="deleted", user=user) == 0


async def test_a_stranger_fills_neither_a_mailbox_nor_the_table(
    ada: User, proving: Proving, stores: Stores
) -> None:
    before = (await stores.jobs.counts(now_ms())).waiting
    for _ in range(10):
        await proving.ask_reset(ada.email, ADDRESS)
    assert (await stores.jobs.counts(now_ms())).waiting == before + 1

    for number in range(10):
        await proving.ask_reset(f"nobody{number}@example.org", ADDRESS)
    with pytest.raises(Refused) as refused:
        await proving.ask_reset("nobody@example.org", ADDRESS)
    assert refused.value.refusal is Refusal.TOO_FAST
    with pytest.raises(Refused) as refused:
        await proving.ask_verification(ada, "192.0.2.8")
    assert refused.value.refusal is Refusal.TOO_FAST


async def test_without_a_way_to_send_mail_nobody_is_promised_one(
    ada: User, stores: Stores, passwords: Passwords
) -> None:
    proving = Proving(stores.proofs, stores.jobs, passwords, sends_mail=False)

    for asked in (proving.ask_reset(ada.email, ADDRESS), proving.ask_verification(ada, ADDRESS)):
        with pytest.raises(Refused, match="sends no mail"):
            await asked


async def test_one_user_gets_so_many_resets_within_an_hour(
    ada: User, stores: Stores, server: MailServer, metrics: Metrics
) -> None:
    for number in range(7):
        job = new_job(RESET, {"email": ada.email}, now_ms(), secrets.token_bytes(10), lane="mail")
        await stores.jobs.add([job])
        await until(lambda number=number: metrics.jobs["done"] == number + 2)  # type: ignore[misc]

    assert [mail["Subject"] for mail in server.mails].count("Choose a new password") == 5
