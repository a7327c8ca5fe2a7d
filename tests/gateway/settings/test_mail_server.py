"""Where mails go through."""

from __future__ import annotations

import pytest

from gateway.settings.mail_server import MailServer, is_sender, mail_server_of


def test_each_way_has_its_port() -> None:
    assert mail_server_of("smtp://mail.example") == MailServer(
        host="mail.example", port=587, way="starttls"
    )
    assert mail_server_of("smtps://u%40x:p%2F1@mail.example") == MailServer(
        host="mail.example", port=465, way="tls", user="u@x", password="p/1"
    )
    assert mail_server_of("smtp+plain://127.0.0.1:2525/").port == 2525


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example",
        "smtp://",
        "smtp://mail.example:port",
        "smtp://mail.example/path",
        "smtp://secret@mail.example",
        "smtp+plain://user:secret@mail.example",
    ],
)
def test_what_is_no_server_is_told_without_its_secret(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(it|its|a password) ") as raised:
        mail_server_of(url)

    assert "secret" not in str(raised.value)


def test_a_password_is_not_shown() -> None:
    assert "p1" not in repr(mail_server_of("smtps://u:p1@mail.example"))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("no-reply@example.org", True),
        ("Paceline <no-reply@example.org>", True),
        ("Paceline", False),
        ("a@b@c", False),
        ("a@b\r\nBcc: c@d", False),
        ("<a..b@>", False),
    ],
)
def test_a_sender_is_an_address(text: str, *, is_one: bool) -> None:
    assert is_sender(text) is is_one
