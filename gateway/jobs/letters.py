"""This module owns what every mail is like: whom it is from, its headers, its identity."""

from __future__ import annotations

from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate

import msgspec

from gateway.jobs.work import JobFailed
from gateway.users.job import Job


class Letters(msgspec.Struct, frozen=True, kw_only=True):
    """What mails are made with. A link has `{token}` in it; None: the token stands by itself."""

    sender: str
    verification_url: str | None = None
    reset_url: str | None = None


def letter(job: Job, sender: str, recipient: str, subject: str, text: str) -> EmailMessage:
    """The mail of a job, the same one each time but for its text. Raises `JobFailed`."""
    mail = EmailMessage()
    domain = sender.rpartition("@")[2].rstrip(">") or "localhost"
    try:
        mail["To"] = Address(addr_spec=recipient)
        mail["From"] = sender
    except (ValueError, IndexError, AttributeError, HeaderParseError) as error:
        raise JobFailed("The address cannot be written into a mail.", is_final=True) from error
    mail["Subject"] = subject
    mail["Date"] = formatdate(job.created_at_ms / 1000)
    mail["Message-ID"] = f"<{job.id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answers
    mail.set_content(text)
    return mail
