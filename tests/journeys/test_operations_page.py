"""The operations page in a real browser: faults are seen at once, and a click is enough to act."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.identity import KeySet, Role, sign_token
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.map_page import MapPage, map_page
from tests.toolbox.raw_client import RawSocket, connect
from tests.toolbox.redis_server import RedisServer

pytestmark = [pytest.mark.journey, pytest.mark.browser]

SECRET = "a-secret-of-more-than-thirty-two-bytes-for-tests-alone"
PASSWORD = "a long enough passphrase"  # of nobody
ROOM = "city:paris"
SHOWN_SECONDS = 5.0  # from a fault to its sentence on the page
PATIENCE_SECONDS = 15.0
PHONE: dict[str, Any] = {"width": 390, "height": 844, "touch": True}
IS_TOLD = "(paceline.overview?.workers.length ?? 0) > 0"
OTHER = "paceline.overview.workers.find((each) => each.workerId !== paceline.overview.toldBy{})"


def token_of(subject: str, role: Role) -> str:
    return sign_token(
        KeySet.of([SECRET]),
        subject=subject,
        role=role,
        now_seconds=time.time(),
        lifetime_seconds=600,
    )


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def gateway(
    redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """Two workers and their supervisor."""
    process = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        PACELINE_ENV="production",
        PACELINE_JWT_SECRET=SECRET,
        PACELINE_WORKERS="2",
        PACELINE_DRAIN_SECONDS="3",
        REDIS_URL=redis.url,
    )
    process.start()
    yield process
    process.stop()


@contextlib.asynccontextmanager
async def watching(
    folder: Path, gateway: GatewayProcess, role: Role = Role.OPERATOR, **options: object
) -> AsyncIterator[MapPage]:
    """The page, signed in with a token; it may complain of nothing and ask nobody else."""
    with map_page(folder, f"{gateway.url}/ops", **options) as page:
        await page.ready()
        await sign_in_with_token(page, role)
        yield page
        where = await page.evaluate("location.href")
        assert where == f"{gateway.url}/ops", "no token in the address"
        assert page.complaints == []
        assert page.hosts == {f"127.0.0.1:{gateway.port}"}


async def seconds_until(page: MapPage, expression: str) -> float:
    began = time.monotonic()
    await page.until(expression)
    return time.monotonic() - began


def faults_with(words: str) -> str:
    return f"document.querySelector('#faults').innerText.includes({json.dumps(words)})"


async def sign_in_with_token(page: MapPage, role: Role = Role.OPERATOR) -> None:
    await page.do(click="summary")
    await page.do(fill="[name=token]", text=token_of("olga", role))
    await page.do(press="Enter")


async def sign_in(page: MapPage, email: str) -> None:
    await page.do(fill="[name=email]", text=email)
    await page.do(fill="[name=password]", text=PASSWORD)
    await page.do(press="Enter")
    await page.until("!document.querySelector('#board').hidden")


async def enter(gateway: GatewayProcess, subject: str) -> tuple[RawSocket, str]:
    """A rider in the room, and its peer id."""
    credentials = json.dumps({"token": token_of(subject, Role.RIDER)})
    socket, accepted = await connect(gateway.port, f"40{credentials}")
    socket.say(f'421["join-room","{ROOM}"]')
    assert (await socket.hear()).startswith("431")
    return socket, json.loads(accepted[2:])["sid"]


async def publish(gateway: GatewayProcess, bike_id: str) -> None:
    headers = {"Authorization": f"Bearer {token_of('backend', Role.SERVICE)}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(
            f"{gateway.url}/api/rooms/{ROOM}/events",
            json={"event": "bike-update", "data": {"bike_id": bike_id, "lat": 48.8, "lon": 2.3}},
        ) as response,
    ):
        assert response.status == 200, await response.text()


async def test_a_killed_worker_is_shown_at_once_and_its_successor_drained_by_a_click(
    gateway: GatewayProcess, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    async with watching(tmp_path, gateway) as page:
        await page.until(f"{IS_TOLD} && paceline.overview.workers.length === 2")
        victim = await page.evaluate(OTHER.format(""))
        os.kill(victim["processId"], signal.SIGKILL)
        shown_seconds = await seconds_until(page, faults_with(f"{victim['workerId']} (slot"))
        record_property("killed worker shown after seconds", shown_seconds)

        accepting = OTHER.format(" && each.state === 'accepting'")
        successor = (await page.until(accepting))["workerId"]
        card = f"[data-worker='{successor}']"
        await page.until(f'document.querySelector("{card} button")?.disabled === false')
        await page.do(click=f"{card} button")
        await page.do(click="#ask-yes")
        state = f'document.querySelector("{card} .state").innerText'
        await page.until(f"/draining|has left/.test({state})")
        await page.until(f"{state}.includes('has left')")
        await page.until(
            OTHER.format(f" && each.workerId !== '{successor}' && each.state === 'accepting'")
        )

    assert shown_seconds < SHOWN_SECONDS
    audit = [line for line in gateway.log.splitlines() if "audit" in line]
    assert any("worker.drained" in line and "olga" in line and successor in line for line in audit)


async def test_a_room_is_looked_into_and_a_peer_removed_by_a_click(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    ann, peer_id = await enter(gateway, "ann")
    bob, bobs_id = await enter(gateway, "bob")
    async with watching(tmp_path, gateway) as page:
        await page.until(f"document.querySelector('#rooms [data-name=\"{ROOM}\"]')")
        await publish(gateway, "b1")
        await page.do(click=f'#rooms [data-name="{ROOM}"]')
        await page.until("document.querySelector('#room-values').innerText.includes('b1')")
        await publish(gateway, "b2")
        await page.until("document.querySelector('#room-heard').innerText.includes('b2')")
        members = await page.evaluate("document.querySelector('#room-members').innerText")
        row = f'#room-members [data-peer="{peer_id}"]'
        await page.do(click=f"{row} .at-all")
        await page.do(click="#ask-yes")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "goodbye" not in (heard := await ann.hear(PATIENCE_SECONDS)):
                pass
        await page.until(f"document.querySelector('{row}') === null")
        await page.do(click=f'#room-members [data-peer="{bobs_id}"] .from-room')
        while "room-reset" not in (reset := await bob.hear(PATIENCE_SECONDS)):
            pass
        await page.until("document.querySelector('#goodbyes').innerText.includes('ann')")
        goodbye = await page.evaluate("document.querySelector('#goodbyes li').innerText")

    assert "ann" in members
    assert "bob" in members
    assert json.loads(heard[2:])[1]["code"] == 3500
    assert "3500" in goodbye
    assert json.loads(reset[2:])[1] == {"roomId": ROOM, "reason": "removed"}
    assert any("sockets.ended" in line and "olga" in line for line in gateway.log.splitlines())
    bob.close()


async def test_one_signs_in_with_a_password_and_is_out_when_the_account_is_closed(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    headers = {"Authorization": f"Bearer {token_of('an admin', Role.ADMIN)}"}
    olga = {"email": "olga@example.org", "name": "Olga", "role": "operator"}
    async with aiohttp.ClientSession(gateway.url, headers=headers) as admin:
        async with admin.post("/api/users", json=olga) as response:
            user_id = (await response.json())["data"]["id"]
        path = f"/api/users/{user_id}"
        async with admin.put(f"{path}/password", json={"newPassword": PASSWORD}) as response:
            assert response.status == 204
        with map_page(tmp_path, f"{gateway.url}/ops") as page:
            await page.ready()
            await sign_in(page, olga["email"])
            await page.do(click="#sign-out")
            await page.until("!document.querySelector('#door').hidden")
            await sign_in(page, olga["email"])
            merge = {"Content-Type": "application/merge-patch+json"}
            async with admin.patch(path, data='{"disabled": true}', headers=merge) as response:
                assert response.status == 200
            shown_seconds = await seconds_until(page, "!document.querySelector('#door').hidden")
            text = await page.text("#door-text")
            complaints = page.complaints

    assert text == "the account is disabled."
    assert shown_seconds < SHOWN_SECONDS
    assert complaints == []


# Twice the page hears that the user store is away, for longer than the token is good.
STORE_AWAY_TWICE = """void (() => {
  const { fetch } = window;
  window.refreshed = 0;
  window.fetch = async (path, options) => {
    const isAway = path.endsWith("/sessions/refresh") && (window.refreshed += 1) <= 2;
    if (!isAway) return fetch(path, options);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return Response.json({ error: { code: "UNAVAILABLE", message: "not now" } }, { status: 503 });
  };
})()"""


async def test_a_session_is_gone_on_with_though_its_token_ended_while_the_store_was_away(
    tmp_path: Path,
) -> None:
    gateway = GatewayProcess(
        tmp_path,
        PACELINE_ENV="production",
        PACELINE_JWT_SECRET=SECRET,
        PACELINE_JWT_LEEWAY_SECONDS="0",
        PACELINE_ACCESS_TOKEN_SECONDS="5",
    )
    gateway.start()
    headers = {"Authorization": f"Bearer {token_of('an admin', Role.ADMIN)}"}
    olga = {"email": "olga@example.org", "name": "Olga", "role": "operator"}
    async with aiohttp.ClientSession(gateway.url, headers=headers) as admin:
        async with admin.post("/api/users", json=olga) as response:
            user_id = (await response.json())["data"]["id"]
        password = {"newPassword": PASSWORD}
        async with admin.put(f"/api/users/{user_id}/password", json=password) as response:
            assert response.status == 204
    with map_page(tmp_path, f"{gateway.url}/ops") as page:
        await page.ready()
        await page.evaluate(STORE_AWAY_TWICE)
        await sign_in(page, olga["email"])
        shown = "document.querySelector('#connection-text').innerText"
        await page.until(
            f"refreshed > 2 && {shown} === 'Live' || !document.querySelector('#door').hidden"
        )
        is_out = await page.evaluate("!document.querySelector('#door').hidden")
    gateway.kill()

    assert not is_out


async def test_who_may_not_operate_is_refused_and_told_so(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    async with watching(tmp_path, gateway, Role.VIEWER) as page:
        await page.until("document.querySelector('#door-text').innerText !== ''")
        text = await page.text("#door-text")
        is_shown = await page.evaluate("!document.querySelector('#board').hidden")
        kept = await page.evaluate("sessionStorage.getItem('paceline.ops.token')")

    assert text == "That takes an operator."
    assert not is_shown
    assert not kept


@pytest.mark.parametrize("look", [{}, {"dark": True}, PHONE], ids=["light", "dark", "phone"])
async def test_no_serious_fault_of_accessibility_is_found(
    gateway: GatewayProcess, tmp_path: Path, look: dict[str, Any]
) -> None:
    ann, _ = await enter(gateway, "ann")
    with map_page(tmp_path, f"{gateway.url}/ops", **look) as page:
        await page.ready()
        found = await page.do(axe=True)
        await sign_in_with_token(page)
        await page.until(f"document.querySelector('#rooms [data-name=\"{ROOM}\"]')")
        found += await page.do(axe=True)
        scrolls = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        await page.do(click=f'#rooms [data-name="{ROOM}"]')
        await page.until("document.querySelector('#room-members tr')")
        found += await page.do(axe=True)

    assert [each for each in found if each["impact"] in {"serious", "critical"}] == []
    assert not scrolls
    ann.close()


async def test_redis_that_is_away_is_shown_at_once_and_that_it_is_back(
    gateway: GatewayProcess,
    redis: RedisServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    async with watching(tmp_path, gateway) as page:
        await page.until(
            f"{IS_TOLD} && document.querySelector('#lights').innerText.includes('connected')"
        )
        redis.stop()
        shown_seconds = await seconds_until(page, faults_with("is cut off from Redis"))
        lights = await page.text("#lights")
        redis.restart()
        await page.until(faults_with("Over: "))
        await page.until("document.querySelector('#lights').innerText.includes('connected')")
    record_property("stopped Redis shown after seconds", shown_seconds)

    assert shown_seconds < SHOWN_SECONDS
    assert "away for" in lights


async def test_in_development_one_click_is_enough(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path)
    gateway.start()
    try:
        with map_page(tmp_path, f"{gateway.url}/ops") as page:
            await page.ready()
            await page.until("!document.querySelector('#development').hidden")
            await page.do(click="#development button")
            await page.until(IS_TOLD)
            broker = await page.text("#lights")
            complaints = page.complaints
    finally:
        gateway.kill()

    assert "embedded" in broker
    assert complaints == []
