"""This module owns webhooks: who is told of what, signed, at least once.

The signature is that of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over the id of the
message, the time of the attempt and the body. The id is the same at each attempt.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import msgspec
from yarl import URL

from gateway.jobs.guard import AddressForbidden, GuardedResolver, check_address
from gateway.jobs.work import JobFailed, Work
from gateway.settings.webhooks import Webhook
from gateway.users.job import Job, NewJob, new_job
from gateway.users.outbox import UserEvent
from gateway.users.user import ID_RANDOM_BYTES
from protocol.webhooks import Message

KIND: Final = "webhook"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=15.0, sock_connect=5.0)
_ATTEMPTS: Final = 15  # over half a day
_LONGEST_WAIT_SECONDS: Final = 6 * 3600.0
_LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0
_REDIRECTS: Final = range(300, 400)
_SUCCESSES: Final = range(200, 300)
_GONE: Final = 410


class _Owed(msgspec.Struct, frozen=True):
    """The body of a job: to whom, and the text that is signed and sent."""

    to: str
    message: str


_decode = msgspec.json.Decoder(_Owed).decode


def deliveries_owed(webhooks: Sequence[Webhook], message: Message, now_ms: int) -> list[NewJob]:
    """A job for each who wants to hear of it."""
    wanting = [webhook for webhook in webhooks if webhook.wants(message.type)]
    if not wanting:
        return []
    text = msgspec.json.encode(message).decode()
    return [delivery_owed(webhook, text, now_ms) for webhook in wanting]


def delivery_owed(webhook: Webhook, text: str, now_ms: int) -> NewJob:
    """The job that tells one of them."""
    randomness = secrets.token_bytes(ID_RANDOM_BYTES)
    body = _Owed(webhook.name, text)
    return new_job(KIND, body, now_ms, randomness, lane=f"{KIND} {webhook.name}")


def signature_of(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """What a receiver computes as well, and compares."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


class Deliveries:
    """The work of telling those who are configured."""

    def __init__(self, webhooks: Sequence[Webhook]) -> None:
        self._webhooks = {webhook.name: webhook for webhook in webhooks}

    def works(self) -> Mapping[str, Work]:
        """The work, by kind of job."""
        work = Work(
            run=self._deliver, attempts=_ATTEMPTS, longest_wait_seconds=_LONGEST_WAIT_SECONDS
        )
        return {KIND: work}

    async def _deliver(self, job: Job) -> None:
        owed = _decode(job.body)
        webhook = self._webhooks.get(owed.to)
        if webhook is None:
            raise JobFailed(f"No webhook {owed.to!r} is configured here.", is_final=True)
        body = owed.message.encode()
        try:
            status, retry_after = await _post(webhook, _headers(webhook, job.id, body), body)
        except AddressForbidden as forbidden:
            raise JobFailed(f"It may not be told: {forbidden}.") from None
        except TimeoutError:
            raise JobFailed(f"It did not answer within {_TIMEOUT.total:g} s.") from None
        except aiohttp.ClientConnectorDNSError as error:
            is_ours = isinstance(error.os_error, AddressForbidden)
            said = f"It may not be told: {error.os_error}." if is_ours else "Its name is not known."
            raise JobFailed(said) from None
        except (aiohttp.ClientError, OSError) as error:
            # Only the kind: what an exception says may hold the URL, and that a secret.
            raise JobFailed(f"It could not be told: {type(error).__name__}.") from None
        _check_status(status, retry_after)


async def _post(
    webhook: Webhook, headers: Mapping[str, str], body: bytes
) -> tuple[int, str | None]:
    """The status of the answer and its `Retry-After`; the rest of it is not read."""
    url = URL(webhook.url)
    if url.host is not None and _is_address(url.host):
        check_address(url.host, webhook.networks)
    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(webhook.networks), force_close=True, use_dns_cache=False
    )
    async with (
        aiohttp.ClientSession(
            connector=connector, timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()
        ) as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        return response.status, response.headers.get("Retry-After")


def _headers(webhook: Webhook, message_id: str, body: bytes) -> dict[str, str]:
    timestamp = int(time.time())
    signatures = [signature_of(key, message_id, timestamp, body) for key in webhook.keys]
    return {
        "Content-Type": "application/json",
        "User-Agent": "paceline",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def _check_status(status: int, retry_after: str | None) -> None:
    if status in _SUCCESSES:
        return
    if status in _REDIRECTS:
        raise JobFailed(f"It answered {status}; redirects are not followed.")
    wait_seconds = 0.0
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        wait_seconds = min(float(retry_after[:9]), _LONGEST_RETRY_AFTER_SECONDS)
    raise JobFailed(f"It answered {status}.", is_final=status == _GONE, wait_seconds=wait_seconds)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def user_deliveries_owed(webhooks: Sequence[Webhook], event: UserEvent) -> list[NewJob]:
    """Who hears of a change of a user; that somebody was disabled has a name of its own."""
    is_disabled = event.before is not None and event.user.disabled and not event.before.disabled
    name = "user.disabled" if is_disabled else f"user.{event.name}"
    at = dt.datetime.fromtimestamp(event.at_ms / 1000, dt.UTC)
    message = Message(type=name, timestamp=at, data=event.user.view())
    return deliveries_owed(webhooks, message, event.at_ms)
