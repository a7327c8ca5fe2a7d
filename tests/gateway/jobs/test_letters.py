"""What every mail is like."""

from __future__ import annotations

import pytest

from gateway.jobs.letters import letter
from gateway.jobs.work import JobFailed
from gateway.users.job import Job

SENDER = "Paceline <no-reply@maps.example>"
JOB = Job(
    id="1",
    kind="mail",
    lane="mail",
    body="{}",
    run_at_ms=0,
    created_at_ms=1_767_225_600_000,
    attempts=1,
)


def test_a_mail_is_the_same_one_however_often_it_is_made() -> None:
    mail = letter(JOB, SENDER, "ada@example.org", "A subject", "A text\n")

    assert (
        mail.as_string()
        == letter(JOB, SENDER, "ada@example.org", "A subject", "A text\n").as_string()
    )
    assert (mail["To"], mail["From"]) == ("ada@example.org", SENDER)
    assert mail["Message-ID"] == "<1@maps.example>"
    assert mail["Date"] == "Thu, 01 Jan 2026 00:00:00 -0000"
    assert mail["Auto-Submitted"] == "auto-generated"


def test_an_address_that_no_header_can_have_is_given_up() -> None:
    with pytest.raises(JobFailed) as failed:
        letter(JOB, SENDER, "a b@example.org", "A subject", "A text\n")

    assert failed.value.is_final
