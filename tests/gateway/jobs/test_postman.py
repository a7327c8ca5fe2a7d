"""How a mail leaves."""

from __future__ import annotations

import ssl
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest

from gateway.jobs.postman import FolderPostman, NoPostman, SmtpPostman
from gateway.jobs.work import JobFailed
from gateway.settings.mail_server import MailServer
from tests.gateway.redis.certificates import write_certificate
from tests.toolbox.mail_server import mail_server
from tests.toolbox.ports import free_port


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["To"], mail["From"] = "ada@example.org", "no-reply@example.org"
    mail["Message-ID"] = "<../0190-a@example.org>"
    mail.set_content("Hello")
    return mail


async def test_tls_and_the_password_are_insisted_on(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate, key)
    theirs = ssl.create_default_context(cafile=str(certificate))
    async with mail_server(ours, login=(b"user", b"right")) as server:
        right = MailServer(
            host="127.0.0.1", port=server.port, way="starttls", user="user", password="right"
        )
        wrong = msgspec.structs.replace(right, password="wrong")

        await SmtpPostman(right, theirs).send(a_mail())
        assert server.were_encrypted == [True]
        with pytest.raises(JobFailed, match=r"took no sign-in \(535\)") as refused:
            await SmtpPostman(wrong, theirs).send(a_mail())
        assert not refused.value.is_final
        with pytest.raises(JobFailed, match="did not take it"):  # nobody vouches for it
            await SmtpPostman(right).send(a_mail())
    async with mail_server() as server:  # which has no TLS at all
        bare = MailServer(host="127.0.0.1", port=server.port, way="starttls")
        with pytest.raises(JobFailed, match="did not take it"):
            await SmtpPostman(bare, theirs).send(a_mail())
        assert server.mails == []


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    where = MailServer(host="127.0.0.1", port=free_port(), way="plain")

    with pytest.raises(JobFailed, match="did not take it") as failed:
        await SmtpPostman(where).send(a_mail())

    assert not failed.value.is_final


async def test_a_folder_holds_each_mail_once(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    for _ in range(2):
        await FolderPostman(folder).send(a_mail())

    (path,) = folder.iterdir()
    assert path.name == "0190-a.eml"
    assert b"\n\nHello\n" in path.read_bytes()


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(JobFailed, match="Not a directory"):
        await FolderPostman(tmp_path / "file" / "mail").send(a_mail())


async def test_without_a_way_a_mail_is_given_up() -> None:
    with pytest.raises(JobFailed) as failed:
        await NoPostman().send(a_mail())

    assert failed.value.is_final
