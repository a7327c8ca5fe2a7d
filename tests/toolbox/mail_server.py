"""This module owns a real mail server for tests: it keeps what it gets, or says what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import email
import re
import ssl
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


class MailServer:
    """Keeps mails. `answers` are said first, one for each mail; then all is well."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: list[str] = []
        self.were_encrypted: list[bool] = []
        self.port = 0

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,  # noqa: ARG002 - aiosmtpd's signature
        session: Session,
        envelope: Envelope,
    ) -> str:
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        assert envelope.rcpt_tos == [mail["To"].addresses[0].addr_spec]
        self.mails.append(mail)
        self.were_encrypted.append(session.ssl is not None)
        return "250 OK"

    def tokens(self) -> list[str]:
        """The tokens in the mails, the oldest first."""
        found = [re.search(r"token[= ]([A-Za-z0-9_-]{40,})", text_of(mail)) for mail in self.mails]
        return [match[1] for match in found if match is not None]


def text_of(mail: EmailMessage) -> str:
    content: str = mail.get_content()
    return content


@contextlib.asynccontextmanager
async def mail_server(
    tls: ssl.SSLContext | None = None, login: tuple[bytes, bytes] | None = None
) -> AsyncIterator[MailServer]:
    """A server on a free port of 127.0.0.1; with `tls` it insists on STARTTLS."""
    server = MailServer()

    def authenticate(
        _server: object, _session: object, _envelope: object, _way: str, given: object
    ) -> AuthResult:
        is_right = (getattr(given, "login", None), getattr(given, "password", None)) == login
        return AuthResult(success=is_right, handled=False)

    def protocol() -> SMTP:
        return SMTP(
            server,
            hostname="127.0.0.1",
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=login is not None,
            authenticator=authenticate,
        )

    listener = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()
