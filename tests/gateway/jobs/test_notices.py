"""The mail to an address that is not a user's any more, through a real mail server."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from gateway.backends import Stores
from gateway.jobs.letters import Letters
from gateway.jobs.notices import ADDRESS_CHANGED, Notices, notices_owed
from gateway.jobs.postman import SmtpPostman
from gateway.jobs.work import Work
from gateway.metrics import Metrics
from gateway.settings.mail_server import MailServer as Where
from gateway.users.database import Database
from gateway.users.sql import SqlUserStore
from gateway.users.tables import jobs
from gateway.users.user import User, changed
from protocol.users import UserChanges
from tests.gateway.jobs.bench import running, until
from tests.gateway.users.people import person
from tests.toolbox.mail_server import mail_server, text_of

ADA = person(1)
CHANGED_MS = 1_767_225_600_000  # what is done then is owed by now


def renamed(user: User, email: str, at_ms: int = CHANGED_MS) -> User:
    before = msgspec.structs.replace(user, updated_at_ms=at_ms)
    return changed(before, UserChanges(email=email), at_ms)


async def test_the_address_from_before_hears_of_it_and_of_nothing_more(
    database: Database, stores: Stores
) -> None:
    users = SqlUserStore(database, notices_owed)
    await users.save(ADA)
    await users.save(renamed(ADA, "new@example.org"))

    async with mail_server() as server:
        metrics = Metrics()
        async with running(stores.jobs, _works(server.port), metrics=metrics):
            await until(lambda: metrics.jobs["done"] == 1)
        (mail,) = server.mails
        assert mail["To"] == ADA.email
        assert mail["Subject"] == "Your e-mail address was changed"
        assert "2026-01-01 00:00 (UTC)" in text_of(mail)
        assert "new@example.org" not in mail.as_string()


async def test_letters_of_another_case_or_another_name_are_no_news(database: Database) -> None:
    users = SqlUserStore(database, notices_owed)
    await users.save(ADA)
    upper = renamed(ADA, ADA.email.upper())
    await users.save(upper)
    await users.save(changed(upper, UserChanges(name="Countess"), CHANGED_MS))

    async with database.reading() as connection:
        assert (await connection.execute(select(jobs.c.id))).all() == []


async def test_who_changes_the_address_again_and_again_fills_no_mailboxes(
    database: Database, stores: Stores
) -> None:
    users = SqlUserStore(database, notices_owed)
    await users.save(ADA)
    user = ADA
    for number in range(8):
        user = renamed(user, f"victim{number}@example.org", CHANGED_MS + number)
        await users.save(user)

    async with mail_server() as server:
        metrics = Metrics()
        async with running(stores.jobs, _works(server.port), metrics=metrics):
            await until(lambda: metrics.jobs["done"] == 8)
        assert len(server.mails) == 5
        assert ADA.email in {mail["To"] for mail in server.mails}


async def test_a_notice_is_told_when_the_mail_server_takes_it(
    database: Database, stores: Stores
) -> None:
    users = SqlUserStore(database, notices_owed)
    await users.save(ADA)
    await users.save(renamed(ADA, "new@example.org"))

    async with mail_server() as server:
        server.answers = ["451 come back"]
        work = _works(server.port)[ADDRESS_CHANGED]
        hasty = {ADDRESS_CHANGED: type(work)(run=work.run, first_wait_seconds=0.01)}
        metrics = Metrics()
        async with running(stores.jobs, hasty, metrics=metrics):
            await until(lambda: metrics.jobs["done"] == 1)
        assert metrics.jobs["failed"] == 1
        assert [mail["To"] for mail in server.mails] == [ADA.email]


def _works(port: int) -> dict[str, Work]:
    postman = SmtpPostman(Where(host="127.0.0.1", port=port, way="plain"))
    return dict(Notices(postman, Letters(sender="Paceline <no-reply@maps.example>")).works())
