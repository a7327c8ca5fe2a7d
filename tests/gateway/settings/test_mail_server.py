"""Where mails go through."""

from __future__ import annotations

import pytest

from gateway.settings import Settings, SettingsInvalid
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


SERVER = {"PACELINE_SMTP_URL": "smtp://u:secret@mail.example", "PACELINE_MAIL_FROM": "a@b.example"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"PACELINE_SMTP_URL": "http://secret"}, "PACELINE_SMTP_URL is not right: it must begin"),
        ({"PACELINE_MAIL_FROM": ""}, "PACELINE_MAIL_FROM is needed"),
        ({"PACELINE_MAIL_FROM": "nobody"}, "PACELINE_MAIL_FROM is no sender"),
        ({"PACELINE_MAIL_DIR": "mail"}, "are both set"),
        ({"PACELINE_MAIL_RESET_URL": "https://maps.example/"}, "PACELINE_MAIL_RESET_URL is not"),
        ({"PACELINE_MAIL_VERIFICATION_URL": "{token}"}, "PACELINE_MAIL_VERIFICATION_URL is not"),
    ],
)
def test_mistakes_about_mail_are_told(change: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsInvalid) as invalid:
        Settings.from_env({"PACELINE_ENV": "development"} | SERVER | change)

    assert told in str(invalid.value)
    assert "secret" not in str(invalid.value)


def test_what_is_right_is_shown_without_its_secret() -> None:
    link = {"PACELINE_MAIL_RESET_URL": "https://maps.example/#token={token}"}
    settings = Settings.from_env({"PACELINE_ENV": "development"} | SERVER | link)

    assert settings.sends_mail
    assert settings.mail_folder is None
    assert "secret" not in repr(settings)


def test_mails_are_written_down_in_development_and_where_it_was_asked_for() -> None:
    assert Settings(environment="development").mail_folder == "paceline-mail"
    assert Settings(mail_dir="mail").mail_folder == "mail"
    assert not Settings().sends_mail


def test_jobs_are_run_by_a_worker_that_is_alone_or_was_told_to() -> None:
    assert Settings().runs_jobs
    assert not Settings(workers=2, redis_url="redis://localhost").runs_jobs
    assert not Settings(redis_url="redis://localhost").runs_jobs
    assert Settings(redis_url="redis://localhost", run_jobs="always").runs_jobs
    assert not Settings(run_jobs="never").runs_jobs
