"""Webhooks: who hears of what, signed, at least once, and never in our own networks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from gateway.jobs import webhooks
from gateway.jobs.runner import now_ms
from gateway.jobs.webhooks import Deliveries, signature_of, user_deliveries_owed
from gateway.jobs.work import Work
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.settings.webhooks import Webhook
from gateway.users.database import Database
from gateway.users.outbox import UserEvent
from gateway.users.sql import SqlUserStore
from gateway.users.sql_jobs import SqlJobStore
from gateway.users.user import User, changed
from protocol.users import UserChanges
from tests.gateway.jobs.bench import running, until
from tests.gateway.jobs.receiver import KEY, SECRET, Receiver, answering, hanging
from tests.gateway.users.people import person
from tests.toolbox.programs import REPOSITORY


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    runner = await receiver.start()
    yield receiver
    await runner.cleanup()


def hasty(webhooks: Sequence[Webhook], attempts: int = 15) -> dict[str, Work]:
    works = Deliveries(webhooks).works()
    return {
        kind: msgspec.structs.replace(work, first_wait_seconds=0.01, attempts=attempts)
        for kind, work in works.items()
    }


def ada() -> User:
    return msgspec.structs.replace(person(1), created_at_ms=now_ms(), updated_at_ms=now_ms())


async def owe(store: SqlJobStore, *hooks: Webhook) -> None:
    event = UserEvent(name="created", user=ada(), at_ms=now_ms())
    await store.add(user_deliveries_owed(hooks, event))


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification's own libraries."""
    key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    webhook = Webhook(name="x", url="https://x.example", secret=f"whsec_{key}")
    body = b'{"test": 2432232314}'

    signature = signature_of(webhook.keys[0], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_what_becomes_of_a_user_is_told_with_the_change_itself(
    database: Database, store: SqlJobStore, receiver: Receiver
) -> None:
    hooks = [receiver.webhook(), receiver.webhook("picky", events=("user.deleted",))]
    users = SqlUserStore(database, lambda event: user_deliveries_owed(hooks, event))
    user = ada()
    renamed = changed(user, UserChanges(name="Renamed"), now_ms())
    disabled = changed(renamed, UserChanges(disabled=True), now_ms())
    metrics = Metrics()
    async with running(store, hasty(hooks), metrics=metrics):
        for each in (user, renamed, disabled):
            await users.save(each)
        await users.delete(user.id, now_ms())
        await until(lambda: metrics.jobs["done"] == 5)

    assert sorted(receiver.types) == [
        *("user.changed", "user.created", "user.deleted", "user.deleted", "user.disabled")
    ]
    assert len(set(receiver.ids)) == 5
    names = {message["type"]: message["data"]["name"] for _, message in receiver.messages}
    assert names["user.created"] == "Person 1"
    assert names["user.deleted"] == "Renamed"


async def test_who_fails_is_told_again_with_the_same_id(
    store: SqlJobStore, receiver: Receiver
) -> None:
    receiver.answers = [answering(500), answering(503)]
    hook, metrics = receiver.webhook(), Metrics()
    async with running(store, hasty([hook]), metrics=metrics):
        await owe(store, hook)
        await until(lambda: metrics.jobs["done"] == 1)

    assert metrics.jobs["failed"] == 2
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert receiver.types == ["user.created"]


async def outcome(store: SqlJobStore, hook: Webhook) -> str:
    """What is said of the one attempt at it."""
    metrics = Metrics()
    async with running(store, hasty([hook], attempts=1), metrics=metrics):
        await owe(store, hook)
        await until(lambda: metrics.jobs["dead"] == 1)
    (dead,) = await store.dead(1)
    assert SECRET not in f"{dead} {dead.body} {dead.error}"
    assert dead.error is not None
    return dead.error


async def test_who_hangs_is_given_up_in_time(
    store: SqlJobStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "_TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    receiver.answers = [hanging]

    assert await outcome(store, receiver.webhook()) == "It did not answer within 0.2 s."


async def test_a_redirect_is_not_followed(store: SqlJobStore, receiver: Receiver) -> None:
    receiver.answers = [answering(307, Location=receiver.url)]

    said = await outcome(store, receiver.webhook())

    assert said == "It answered 307; redirects are not followed."
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_our_own_networks_are_not_asked(
    store: SqlJobStore, receiver: Receiver, host: str
) -> None:
    hook = receiver.webhook(private_networks=())
    hook = msgspec.structs.replace(hook, url=hook.url.replace("127.0.0.1", host))

    said = await outcome(store, hook)

    assert said == "It may not be told: its address is private, or of no use."
    assert receiver.requests == []


async def test_a_name_that_is_none_and_a_port_that_nobody_has(
    store: SqlJobStore, receiver: Receiver
) -> None:
    hook = msgspec.structs.replace(receiver.webhook(), url="http://no-such.invalid/secret-path")
    assert await outcome(store, hook) == "Its name is not known."
    await store.discard(None)

    hook = msgspec.structs.replace(receiver.webhook(), url="http://127.0.0.1:1/secret-path")
    assert await outcome(store, hook) == "It could not be told: ClientConnectorError."


async def test_who_is_gone_or_not_configured_any_more_is_not_tried_again(
    store: SqlJobStore, receiver: Receiver
) -> None:
    receiver.answers = [answering(410)]
    hook, other, metrics = receiver.webhook(), receiver.webhook("other"), Metrics()
    async with running(store, hasty([hook]), metrics=metrics):
        await owe(store, hook, other)
        await until(lambda: metrics.jobs["dead"] == 2)

    assert {job.lane: job.error for job in await store.dead(2)} == {
        "webhook shop": "It answered 410.",
        "webhook other": "No webhook 'other' is configured here.",
    }


async def test_who_asks_to_wait_is_waited_for(store: SqlJobStore, receiver: Receiver) -> None:
    receiver.answers = [answering(429, **{"Retry-After": "120"})]
    hook, metrics = receiver.webhook(), Metrics()
    async with running(store, hasty([hook]), metrics=metrics):
        await owe(store, hook)
        await until(lambda: metrics.jobs["failed"] == 1)

    assert await store.claim("me", now_ms() + 110_000, 0, 1) == []
    assert len(await store.claim("me", now_ms() + 121_000, 0, 1)) == 1


async def test_each_of_its_secrets_signs(store: SqlJobStore, receiver: Receiver) -> None:
    newer = "whsec_" + "bmV3" * 8
    hook, metrics = receiver.webhook(), Metrics()
    hook = msgspec.structs.replace(hook, secret=f"{newer} {SECRET}")
    async with running(store, hasty([hook]), metrics=metrics):
        await owe(store, hook)
        await until(lambda: metrics.jobs["done"] == 1)

    assert len(receiver.requests[0].headers["webhook-signature"].split(" ")) == 2


async def test_nothing_is_owed_to_who_wants_nothing(receiver: Receiver) -> None:
    event = UserEvent(name="created", user=ada(), at_ms=1)

    assert user_deliveries_owed([], event) == []
    assert user_deliveries_owed([receiver.webhook(events=("room.*",))], event) == []


def test_the_receiver_that_is_shown_tells_ours_from_others() -> None:
    page = (REPOSITORY / "docs/how-to/webhooks.md").read_text()
    shown: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], shown)  # noqa: S102 - our own page
    shown["SECRETS"][:] = [SECRET]
    body, now = b'{"type":"user.created"}', int(time.time())

    def is_ours(at: int, told: bytes = body, key: bytes = KEY) -> bool:
        signature = signature_of(key, "id", at, body)
        headers = {
            "webhook-id": "id",
            "webhook-timestamp": str(at),
            "webhook-signature": f"v1,AAAA {signature}",
        }
        answer: bool = shown["is_from_paceline"](headers, told)
        return answer

    assert is_ours(now)
    assert not is_ours(now, told=body + b" ")
    assert not is_ours(now, key=b"o" * 32)
    assert not is_ours(now - 301)


def test_the_settings_that_are_shown_can_be_used(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs/how-to/webhooks.md").read_text()
    toml = page.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "secret").write_text(SECRET)
    config = tmp_path / "paceline.toml"
    config.write_text(toml.replace("/run/secrets/shop", str(tmp_path / "secret")))

    settings = Settings.from_env({"PACELINE_ENV": "development", "PACELINE_CONFIG": str(config)})

    assert settings.webhooks[0].wants("room.occupied", "city:paris")
    assert settings.kind_of("city:paris").webhooks
