from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from gateway.redis.errors import RedisAway
from gateway.redis.sentinel import Sentinels
from gateway.settings.redis_url import Endpoint, address_of
from tests.gateway.redis.silent_server import silent_server
from tests.toolbox.redis_sentinel import NAME, SentinelTrio


@contextlib.asynccontextmanager
async def sentinel(master_port: int, epoch: int) -> AsyncIterator[int]:
    """Says what a Sentinel says that knows of a failover up to `epoch`; gives its port."""
    host, port = b"$9\r\n127.0.0.1\r\n", b"$4\r\n%d\r\n" % master_port
    answers = {
        b"SETNAME": b"+OK\r\n",
        b"GET-MASTER-ADDR-BY-NAME": b"*2\r\n" + host + port,
        b"MASTER\r\n": b"*4\r\n$4\r\nname\r\n$1\r\nm\r\n$12\r\nconfig-epoch\r\n$1\r\n%d\r\n"
        % epoch,
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(next(answers[word] for word in answers if word in data))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


def sentinels(*ports: int) -> Sentinels:
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return Sentinels(address_of(f"redis+sentinel://{hosts}/{NAME}"))


async def test_the_master_is_the_one_of_the_newest_configuration() -> None:
    async with sentinel(7001, 3) as old, sentinel(7002, 4) as new, sentinel(7001, 3) as older:
        assert await sentinels(old, new, older).locate() == Endpoint("127.0.0.1", 7002)


async def test_silent_ones_delay_nobody(shared_sentinel_trio: SentinelTrio) -> None:
    loop = asyncio.get_running_loop()
    async with silent_server() as silent, silent_server() as silent_too:
        began_at = loop.time()
        found = await sentinels(silent, silent_too, *shared_sentinel_trio.sentinel_ports).locate()

    assert found.port == shared_sentinel_trio.master.port
    assert loop.time() - began_at < 0.5


async def test_without_any_that_answers_there_is_no_master(free_port: int) -> None:
    with pytest.raises(RedisAway, match="is not reached"):
        await sentinels(free_port).locate()


async def test_a_name_that_no_sentinel_knows_is_told(shared_sentinel_trio: SentinelTrio) -> None:
    port = shared_sentinel_trio.sentinel_ports[0]
    address = address_of(f"redis+sentinel://127.0.0.1:{port}/scooters")

    with pytest.raises(RedisAway, match="scooters"):
        await Sentinels(address).locate()
