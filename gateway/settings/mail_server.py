"""This module owns what a URL of a mail server means, and what a sender looks like."""

from __future__ import annotations

import re
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from gateway.settings.urls import is_loopback

_WAYS: dict[str, tuple[Literal["tls", "starttls", "plain"], int]] = {
    "smtps": ("tls", 465),
    "smtp": ("starttls", 587),
    "smtp+plain": ("plain", 25),
}


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where mails go through, and how: with TLS from the start, by STARTTLS, or without."""

    host: str
    port: int
    way: Literal["tls", "starttls", "plain"]
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        """Without the password."""
        return f"MailServer({self.way} {self.host}:{self.port})"


def mail_server_of(url: str) -> MailServer:
    """The server of a URL; raises `ValueError`, which quotes nothing of it."""
    parts = urlsplit(url)
    if parts.scheme not in _WAYS:
        raise ValueError("it must begin with smtp://, smtps:// or smtp+plain://")
    way, port = _WAYS[parts.scheme]
    try:
        port = parts.port or port
    except ValueError as error:
        raise ValueError("its port is none") from error
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("it must look like smtp://USER:PASSWORD@HOST:PORT")
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if (user is None) != (password is None):
        raise ValueError("it has a user or a password, and not both")
    if password is not None and way == "plain" and not is_loopback(parts.hostname):
        raise ValueError("a password may not go over the network without TLS")
    return MailServer(host=parts.hostname, port=port, way=way, user=user, password=password)


def is_sender(text: str) -> bool:
    """Whether mails may come from there: an address, with a name before it or not."""
    name, address = parseaddr(text)
    if not text.isprintable() or not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
        return False
    try:
        Address(name, addr_spec=address)
    except (ValueError, IndexError, AttributeError):  # as email's parser says no
        return False
    return True
