"""This module owns `paceline publish`: one event, sent to a gateway over HTTP."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from gateway.cli.running import (
    DEFAULT_URL,
    OK,
    ArgumentsInvalid,
    CommandFailed,
    Commands,
    run_to_end,
)
from gateway.feeds.source import reason_of
from protocol import codec
from protocol.refusals import Refused
from protocol.rooms import is_room_name

_PUBLISH_TIMEOUT_SECONDS: Final = 10.0


def add_to(commands: Commands) -> None:
    """What the command understands."""
    publish = commands.add_parser("publish", help="publish one event into a room")
    publish.add_argument("--room", required=True)
    publish.add_argument(
        "--event", default="bike-update", metavar="NAME", help="bike-update unless told"
    )
    publish.add_argument(
        "--url",
        help=f"the gateway (PACELINE_URL; default {DEFAULT_URL}). "
        "A token, when it wants one, comes from PACELINE_TOKEN",
    )
    publish.add_argument(
        "--idempotency-key", metavar="KEY", help="the same key again publishes nothing new"
    )
    publish.add_argument("data", metavar="DATA", help="JSON; - reads it from standard input")
    publish.set_defaults(command=_publish)


def _publish(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    address = namespace.url or environ.get("PACELINE_URL") or DEFAULT_URL
    data = _data_of(namespace.data)
    token = environ.get("PACELINE_TOKEN", "").strip()
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if namespace.idempotency_key:
        headers["Idempotency-Key"] = namespace.idempotency_key
    mistakes = list(_mistakes_in(address, namespace.room, data, headers))
    if mistakes:
        raise ArgumentsInvalid("\n".join(mistakes))
    body = msgspec.json.encode({"event": namespace.event, "data": msgspec.Raw(data)})
    url = f"{address.rstrip('/')}/api/rooms/{quote(namespace.room, safe='')}/events"
    sys.stdout.write(f"{run_to_end(_post(url, body, headers))}\n")
    return OK


def _data_of(argument: str) -> bytes:
    # What the shell passed need not be UTF-8; Python has kept the odd bytes.
    is_piped = argument == "-"
    return sys.stdin.buffer.read() if is_piped else argument.encode("utf-8", "surrogateescape")


def _mistakes_in(address: str, room: str, data: bytes, headers: Mapping[str, str]) -> Iterator[str]:
    if not _is_address(address):
        yield "--url (PACELINE_URL) must begin with http:// or https://, and have a host."
    if not is_room_name(room):
        yield "--room must be 1 to 200 printable characters."
    try:
        codec.plain_json(data)
    except Refused as refused:
        yield f"DATA: {refused.message}"
    if not _is_plain(headers.get("Idempotency-Key", "")):
        yield "--idempotency-key must be printable ASCII."
    if not _is_plain(headers.get("Authorization", "")):
        yield "PACELINE_TOKEN holds characters that no token has."


def _is_address(text: str) -> bool:
    try:
        url = URL(text)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.host)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> str:
    timeout = aiohttp.ClientTimeout(total=_PUBLISH_TIMEOUT_SECONDS)
    # The room's name is percent-encoded already; and a redirect would carry the token elsewhere.
    exact = URL(url, encoded=True)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(exact, data=body, headers=headers, allow_redirects=False) as response,
        ):
            answer = await response.text(errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CommandFailed(f"The gateway was not reached: {reason_of(error)}.") from error
    if response.status != HTTPStatus.OK:
        raise CommandFailed(f"The gateway answered {response.status}: {answer}")
    return answer
