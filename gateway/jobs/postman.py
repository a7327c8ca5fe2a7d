"""This module owns how a mail leaves: through a server, or as a file in a folder."""

from __future__ import annotations

import re
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol

import aiosmtplib

from gateway.jobs.work import JobFailed
from gateway.settings.mail_server import MailServer

_TIMEOUT_SECONDS: Final = 15.0
_FIRST_PERMANENT: Final = 500  # RFC 5321, section 4.2.1
_SAID_LIMIT_CHARACTERS: Final = 200


class Postman(Protocol):
    """Takes mails away. Raises `JobFailed`."""

    async def send(self, mail: EmailMessage) -> None:
        """Take a mail away; the same mail again has the same Message-ID."""


class SmtpPostman:
    """Through a server, with a connection for each mail."""

    def __init__(self, server: MailServer, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._tls = tls  # None: the machine's own authorities

    async def send(self, mail: EmailMessage) -> None:
        server = self._server
        try:
            await aiosmtplib.send(
                mail,
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                use_tls=server.way == "tls",
                start_tls=server.way == "starttls",
                tls_context=self._tls,
                timeout=_TIMEOUT_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            first = refused.recipients[0]
            raise _failed(first.code, first.message) from None
        except aiosmtplib.SMTPAuthenticationError as refused:
            # Not the recipient's fault: it is put right in the settings.
            raise JobFailed(f"The mail server took no sign-in ({refused.code}).") from None
        except aiosmtplib.SMTPResponseException as refused:
            raise _failed(refused.code, refused.message) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            said = f"{type(error).__name__} at {server.host}:{server.port}"
            raise JobFailed(f"The mail server did not take it: {said}.") from None


class FolderPostman:
    """Into a folder, a file for each mail."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, mail: EmailMessage) -> None:
        name = re.sub(r"[^A-Za-z0-9-]", "", mail["Message-ID"].partition("@")[0])
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._folder / f"{name}.eml").write_bytes(bytes(mail))
        except OSError as error:
            raise JobFailed(f"{error.filename}: {error.strerror}.") from error


class NoPostman:
    """There is no way for mails to go; what was owed when there was one is parked."""

    async def send(self, mail: EmailMessage) -> None:  # noqa: ARG002 - the others' signature
        raise JobFailed("No mail is sent here: set PACELINE_SMTP_URL.", is_final=True)


def _failed(code: int, said: str) -> JobFailed:
    line = " ".join(said.split())[:_SAID_LIMIT_CHARACTERS]
    return JobFailed(f"The mail server said {code} {line}", is_final=code >= _FIRST_PERMANENT)
