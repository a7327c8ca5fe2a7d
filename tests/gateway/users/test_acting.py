"""Who is doing what is being done right now."""

from __future__ import annotations

import asyncio

from gateway.users.acting import Actor, act_as, acting, actor, become

ADA = Actor("ada", "session", "192.0.2.1", "abc")


def test_it_is_the_gateway_itself_unless_somebody_has_said_who() -> None:
    assert actor() == Actor("", "gateway")
    with acting(ADA):
        assert actor() == ADA
        become("bob", "mail")
        assert actor() == Actor("bob", "mail", "192.0.2.1", "abc")
    assert actor() == Actor("", "gateway")


async def test_each_task_has_its_own_and_what_it_starts_has_the_same() -> None:
    seen: dict[str, Actor] = {}

    async def ask(name: str) -> None:
        act_as(Actor(name, "token"))
        await asyncio.sleep(0)
        seen[name] = await asyncio.create_task(_who())

    await asyncio.gather(*(ask(name) for name in ("ada", "bob", "eve")))

    assert seen == {name: Actor(name, "token") for name in ("ada", "bob", "eve")}
    assert actor() == Actor()


async def _who() -> Actor:
    return actor()
