from __future__ import annotations

import redis

from gateway.redis.scripts import Script


def test_a_script_has_the_digest_that_redis_gives_it(redis_url: str) -> None:
    script = Script("gateway.broker.redis", "rooms.lua", "publish.lua")

    with redis.Redis.from_url(redis_url) as server:
        assert server.script_load(script.source) == script.digest


def test_files_are_joined_and_the_first_has_the_flags() -> None:
    first = Script("gateway.broker.redis", "rooms.lua")
    both = Script("gateway.broker.redis", "rooms.lua", "expire.lua")

    assert both.source.startswith("#!lua\n")
    assert both.source.startswith(first.source)
    assert both.digest != first.digest
