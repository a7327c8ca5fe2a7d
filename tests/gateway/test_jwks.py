import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.identity import Identity, KeySet, TokenRules
from gateway.jwks import DOCUMENT_LIMIT_BYTES, JwksCache, JwksPace
from protocol.refusals import Refusal, Refused
from tests.toolbox.clock import Clock
from tests.toolbox.forgery import EC_KEY, ED_KEY, NOW, RSA_KEY, Jwk, PrivateKey, claims_with, jwk_of

RULES = TokenRules()
KEYS = KeySet.of(has_issuer=True)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Issuer:
    """A real HTTP server that publishes keys; `answer` may be replaced to misbehave."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.keys: list[Jwk] = []
        self.answer: Answer = self.publish
        self.was_asked = asyncio.Event()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        self.server = TestServer(app)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.was_asked.set()
        return await self.answer(request)

    async def publish(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002 - a handler
        return web.json_response({"keys": self.keys})

    async def fail(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002 - a handler
        return web.Response(status=503)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/jwks.json"))


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with issuer.server:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def cache(issuer: Issuer, clock: Clock) -> AsyncIterator[JwksCache]:
    """Not started yet: a test starts it when the issuer is as it wants it."""
    cache = JwksCache(issuer.url, clock=clock)
    yield cache
    await cache.stop()


def token_of(key: PrivateKey, kid: str | None, algorithm: str = "ES256") -> str:
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(claims_with(), key, algorithm=algorithm, headers=headers)


async def identified(cache: JwksCache, token: str) -> Identity:
    return await cache.identity_of_token(token, KEYS, NOW, RULES)


async def refusal_of(cache: JwksCache, token: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await identified(cache, token)
    return caught.value


# ---- keeping


async def test_a_token_of_a_published_key_is_good_and_costs_no_reading(
    issuer: Issuer, cache: JwksCache
) -> None:
    issuer.keys = [jwk_of(EC_KEY, "k1"), jwk_of(RSA_KEY, "k2"), jwk_of(ED_KEY, "k3")]
    await cache.start()
    for key, kid, algorithm in (
        (EC_KEY, "k1", "ES256"),
        (RSA_KEY, "k2", "RS256"),
        (ED_KEY, "k3", "EdDSA"),
        (EC_KEY, None, "ES256"),
    ):
        assert (await identified(cache, token_of(key, kid, algorithm))).subject == "ada"
    assert len(issuer.requests) == 1


async def test_a_new_key_is_good_as_soon_as_asking_is_allowed(
    issuer: Issuer, cache: JwksCache, clock: Clock
) -> None:
    issuer.keys = [jwk_of(RSA_KEY, "old")]
    await cache.start()
    issuer.keys = [jwk_of(EC_KEY, "new")]
    assert (await refusal_of(cache, token_of(EC_KEY, "new"))).refusal is Refusal.TOKEN_INVALID
    clock.now_seconds += 30
    assert (await identified(cache, token_of(EC_KEY, "new"))).subject == "ada"
    # The old key went with the same reading.
    assert (await refusal_of(cache, token_of(RSA_KEY, "old", "RS256"))).refusal is (
        Refusal.TOKEN_INVALID
    )
    assert len(issuer.requests) == 2


async def test_a_removed_key_is_refused_after_the_time_to_live(
    issuer: Issuer, cache: JwksCache, clock: Clock
) -> None:
    issuer.keys = [jwk_of(EC_KEY, "k1")]
    await cache.start()
    issuer.keys = []
    clock.now_seconds += 45
    assert (await identified(cache, token_of(EC_KEY, "k1"))).subject == "ada"
    clock.now_seconds += 1
    assert (await refusal_of(cache, token_of(EC_KEY, "k1"))).refusal is Refusal.TOKEN_INVALID


async def test_a_flood_of_unknown_kids_causes_one_reading(
    issuer: Issuer, cache: JwksCache, clock: Clock
) -> None:
    issuer.keys = [jwk_of(EC_KEY, "k1")]
    await cache.start()
    clock.now_seconds += 31
    tokens = [token_of(EC_KEY, f"random-{number}") for number in range(1000)]
    refused = await asyncio.gather(*(refusal_of(cache, token) for token in tokens))
    assert {one.refusal for one in refused} == {Refusal.TOKEN_INVALID}
    assert len(issuer.requests) == 2
    for token in tokens[:50]:
        await refusal_of(cache, token)
    assert len(issuer.requests) == 2
    assert set(cache.keys) == {"k1"}


async def test_who_gives_up_waiting_takes_the_answer_from_nobody(
    issuer: Issuer, cache: JwksCache, clock: Clock
) -> None:
    await cache.start()
    clock.now_seconds += 31
    issuer.keys = [jwk_of(EC_KEY, "k1")]
    may_answer = asyncio.Event()
    issuer.was_asked.clear()

    async def answer_later(request: web.Request) -> web.StreamResponse:
        await may_answer.wait()
        return await issuer.publish(request)

    issuer.answer = answer_later
    impatient = asyncio.create_task(identified(cache, token_of(EC_KEY, "k1")))
    patient = asyncio.create_task(identified(cache, token_of(EC_KEY, "k1")))
    await issuer.was_asked.wait()
    impatient.cancel()
    may_answer.set()
    assert (await patient).subject == "ada"
    assert impatient.cancelled()
    assert len(issuer.requests) == 2


async def test_keys_are_read_again_before_anybody_has_to_wait(issuer: Issuer) -> None:
    cache = JwksCache(issuer.url, JwksPace(ttl_seconds=0.05))
    await cache.start()
    try:
        for _ in range(2):
            issuer.was_asked.clear()
            await asyncio.wait_for(issuer.was_asked.wait(), 5)
    finally:
        await cache.stop()


# ---- outage


async def test_known_keys_stay_good_for_a_day_while_the_issuer_is_away(
    issuer: Issuer, cache: JwksCache, clock: Clock
) -> None:
    issuer.keys = [jwk_of(EC_KEY, "k1")]
    await cache.start()
    issuer.answer = issuer.fail
    clock.now_seconds += 86_400
    assert (await identified(cache, token_of(EC_KEY, "k1"))).subject == "ada"
    clock.now_seconds += 1
    refused = await refusal_of(cache, token_of(EC_KEY, "k1"))
    assert (refused.refusal, refused.retry_after_ms) == (Refusal.UNAVAILABLE, 30_000)
    assert cache.keys == {}


async def test_while_the_issuer_is_away_nobody_with_a_known_key_waits_for_it(
    issuer: Issuer, cache: JwksCache, clock: Clock
) -> None:
    issuer.keys = [jwk_of(EC_KEY, "k1")]
    await cache.start()
    issuer.answer = issuer.fail
    for _ in range(5):
        clock.now_seconds += 301
        assert (await identified(cache, token_of(EC_KEY, "k1"))).subject == "ada"
    # The start, and the one request that found the issuer away.
    assert len(issuer.requests) == 2


async def test_while_the_issuer_is_away_an_unknown_key_is_told_to_try_again(
    issuer: Issuer, cache: JwksCache, clock: Clock
) -> None:
    issuer.answer = issuer.fail
    await cache.start()
    assert (await refusal_of(cache, token_of(EC_KEY, "k1"))).refusal is Refusal.UNAVAILABLE
    assert len(issuer.requests) == 1
    issuer.answer = issuer.publish
    issuer.keys = [jwk_of(EC_KEY, "k1")]
    clock.now_seconds += 30
    assert (await identified(cache, token_of(EC_KEY, "k1"))).subject == "ada"


async def test_an_issuer_that_is_not_there_does_not_stop_the_start(
    issuer: Issuer, cache: JwksCache
) -> None:
    await issuer.server.close()
    await cache.start()
    assert (await refusal_of(cache, token_of(EC_KEY, "k1"))).refusal is Refusal.UNAVAILABLE


async def test_an_issuer_that_does_not_answer_is_given_up(issuer: Issuer) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    issuer.answer = never
    cache = JwksCache(issuer.url, JwksPace(timeout_seconds=0.05))
    await asyncio.wait_for(cache.start(), 5)
    assert cache.keys == {}
    await cache.stop()


async def test_stopping_twice_or_before_the_start_does_nothing(cache: JwksCache) -> None:
    await cache.stop()
    await cache.start()
    await cache.stop()
    await cache.stop()


# ---- answers that are not taken


async def _not_json(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>")


async def _too_large(_: web.Request) -> web.StreamResponse:
    return web.Response(text=json.dumps({"keys": [], "pad": "x" * DOCUMENT_LIMIT_BYTES}))


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(10_000):
        await response.write(b"x" * 10_000)
    return response


async def _compressed(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})


async def _to_another_host(request: web.Request) -> web.StreamResponse:
    if request.path == "/elsewhere":
        return web.json_response({"keys": [jwk_of(EC_KEY, "k1")]})
    # The same server under another name: a reading of it would find the key.
    raise web.HTTPFound(f"http://localhost:{request.url.port}/elsewhere")


async def _to_a_file(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("file:///etc/passwd")


async def _to_nowhere(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302)


async def _in_circles(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound(request.path)


@pytest.mark.parametrize(
    "answer",
    [
        _not_json,
        _too_large,
        _endless,
        _compressed,
        _to_another_host,
        _to_a_file,
        _to_nowhere,
        _in_circles,
    ],
)
async def test_a_bad_answer_keeps_the_keys_that_are_known(
    issuer: Issuer, cache: JwksCache, clock: Clock, answer: Answer
) -> None:
    issuer.keys = [jwk_of(RSA_KEY, "good")]
    await cache.start()
    issuer.answer = answer
    clock.now_seconds += 31
    assert (await refusal_of(cache, token_of(EC_KEY, "k1"))).refusal is Refusal.UNAVAILABLE
    assert set(cache.keys) == {"good"}
    assert len(issuer.requests) <= 5


async def test_a_redirect_within_the_host_is_followed(issuer: Issuer, cache: JwksCache) -> None:
    async def moved(request: web.Request) -> web.StreamResponse:
        if request.path == "/jwks.json":
            raise web.HTTPMovedPermanently("/keys/now.json")
        return await issuer.publish(request)

    issuer.answer = moved
    issuer.keys = [jwk_of(EC_KEY, "k1")]
    await cache.start()
    assert set(cache.keys) == {"k1"}
