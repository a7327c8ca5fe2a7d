"""This module owns what a `[[webhook]]` in the file of PACELINE_CONFIG may say, and its checks."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from protocol.rooms import matches

_PREFIX: Final = "whsec_"
_KEY_LEAST_BYTES: Final = 24  # the least and the most that Standard Webhooks has
_KEY_MOST_BYTES: Final = 64


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who is told of events."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$(?!\n)")]
    url: Annotated[str, Meta(max_length=2000)]
    secret: str = ""  # whsec_...; several, the newest first, while one takes the place of another
    secret_file: str = ""
    events: tuple[str, ...] = ("*",)  # patterns of names
    rooms: tuple[str, ...] = ("*",)  # patterns of rooms, for events of rooms and peers
    private_networks: tuple[str, ...] = ()  # addresses of our own that it may be at

    def __repr__(self) -> str:
        """Without the secret, and without a URL that may hold one."""
        return f"Webhook({self.name})"

    def wants(self, event: str, room: str | None = None) -> bool:
        """Whether it is to be told of an event, in that room if it is in one."""
        return any(matches(pattern, event) for pattern in self.events) and (
            room is None or any(matches(pattern, room) for pattern in self.rooms)
        )

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What messages to it are signed with, the newest first; raises `ValueError`."""
        return tuple(map(_key_of, self.secret.replace(",", " ").split()))

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`private_networks`, as values; raises `ValueError`."""
        return tuple(map(ip_network, self.private_networks))


def _key_of(text: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret is whsec_ and Base64") from error
    if not text.startswith(_PREFIX) or not _KEY_LEAST_BYTES <= len(key) <= _KEY_MOST_BYTES:
        raise ValueError(
            f"a secret is whsec_ and {_KEY_LEAST_BYTES} to {_KEY_MOST_BYTES} bytes in Base64"
        )
    return key


def problems_of_webhooks(webhooks: Sequence[Webhook]) -> Iterator[str]:
    """What must be put right, a sentence each; none of them holds a secret."""
    names = [webhook.name for webhook in webhooks]
    for number, webhook in enumerate(webhooks, 1):
        place = f"PACELINE_CONFIG: [[webhook]] number {number} ({webhook.name})"
        if webhook.name in names[: number - 1]:
            yield f"{place}: another one has that name."
        try:
            if not webhook.keys:
                yield f"{place} has no secret: whsec_ and the output of openssl rand -base64 32."
        except ValueError as error:
            yield f"{place}: {error}."
        try:
            is_private = bool(webhook.networks)
        except ValueError as error:
            yield f"{place}: {error}."
            continue
        yield from _problems_of_url(place, webhook.url, may_be_plain=is_private)


def _problems_of_url(place: str, url: str, *, may_be_plain: bool) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not url.isprintable() or " " in url:
        yield f"{place}: its url is none such as https://shop.example/hooks."
    elif "@" in urlsplit(url).netloc:
        yield f"{place}: its url has a user or a password, which ends up in logs of others."
    elif url.startswith("http:") and not may_be_plain:
        yield f"{place}: http:// is for its private_networks alone; write https://."
