"""This module owns what every resource reads of a request: body, key, and who is asking."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.addresses import Network, address_of
from gateway.authentication import Authenticator, bearer_of
from gateway.identity import Identity, Permission
from gateway.rest.acting import note_identity
from gateway.users.session import Origin
from protocol.operations import IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_PATTERN
from protocol.refusals import Refusal, Refused

BODY_TIMEOUT_SECONDS: Final = 10.0
JSON: Final = "application/json"
_is_key: Final = re.compile(IDEMPOTENCY_KEY_PATTERN.strip("^$")).fullmatch
_IDENTITY: Final = web.RequestKey("identity", Identity)
_REFUSED: Final = web.RequestKey("refused", Refused)
MERGE_PATCH: Final = "application/merge-patch+json"  # RFC 7396: what PATCH does here, by its name


async def body_bytes_of(request: web.Request, *media_types: str) -> bytes:
    """The body, UTF-8 of one of the media types (JSON unless told); raises `Refused`."""
    if request.content_type not in (media_types or (JSON,)):
        raise Refused(Refusal.UNSUPPORTED_MEDIA_TYPE)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            body = await request.read()
        body.decode()
    except web.HTTPRequestEntityTooLarge as error:
        raise Refused(Refusal.TOO_LARGE) from error
    except UnicodeDecodeError as error:
        raise Refused(Refusal.MALFORMED, "The body is not UTF-8.") from error
    except (web.RequestPayloadError, HttpProcessingError) as error:
        raise Refused(Refusal.MALFORMED, "The body is not encoded as its headers say.") from error
    except TimeoutError as error:
        raise Refused(Refusal.MALFORMED, "The body did not arrive in time.") from error
    return body


def origin_of(request: web.Request, trusted_proxies: Sequence[Network]) -> Origin:
    """From where somebody asks, and with what."""
    address = address_of(request, trusted_proxies)
    return Origin(address, request.headers.get("User-Agent", ""))


def idempotency_key_of(request: web.Request) -> str | None:
    """What makes a repeated request happen once; raises `Refused` (MALFORMED)."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _is_key(key):
        raise Refused(Refusal.MALFORMED, "Idempotency-Key is 1 to 128 printable ASCII characters.")
    return key


def identity_known_of(request: web.Request, authenticator: Authenticator) -> Identity | None:
    """Who is asking, if that is known without a question to anybody; None also for a bad token.

    What is found out is kept for `identity_of`: a token is not looked into twice.
    """
    token = bearer_of(request.headers.get("Authorization"))
    if token is None:
        return None
    try:
        identity = authenticator.identify_now(token)
    except Refused as refused:
        request[_REFUSED] = refused
        return None
    if identity is not None:
        request[_IDENTITY] = identity
    return identity


async def identity_of(request: web.Request, authenticator: Authenticator) -> Identity:
    """Who is asking, as its `Authorization` proves; raises `Refused`."""
    identity: Identity | None = request.get(_IDENTITY)
    if identity is None:
        refused: Refused | None = request.get(_REFUSED)
        if refused is not None:
            raise refused
        identity = await authenticator.identify(bearer_of(request.headers.get("Authorization")))
    note_identity(request, identity)
    return identity


async def check_operator(request: web.Request, authenticator: Authenticator) -> Identity:
    """The operator who is asking; raises `Refused` when it is somebody else."""
    identity = await identity_of(request, authenticator)
    if not identity.may(Permission.OPERATE):
        raise Refused(Refusal.FORBIDDEN, "That takes an operator.")
    return identity


async def check_manager(request: web.Request, authenticator: Authenticator) -> Identity:
    """The administrator who is asking; raises `Refused` when it is somebody else."""
    identity = await identity_of(request, authenticator)
    if not identity.may(Permission.MANAGE):
        raise Refused(Refusal.FORBIDDEN)
    return identity
