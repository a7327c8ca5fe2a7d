"""This module owns the Sentinels: who is the master now, by those that answer."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.redis.asking import answers_of, ask
from gateway.redis.errors import RedisAway
from gateway.settings.redis_url import Endpoint, RedisAddress

# One Sentinel may not have heard of a failover yet; the others are given a moment to know better.
_GRACE_SECONDS: Final = 0.1


class _View(msgspec.Struct, frozen=True, gc=False):
    master: Endpoint
    epoch: int  # of the configuration: a failover raises it


class Sentinels:
    """All are asked at once, so that one of which nothing comes back delays nobody."""

    def __init__(self, address: RedisAddress) -> None:
        self._name = address.master_name
        self._address = RedisAddress(
            "single",
            address.endpoints,
            address.sentinel_credentials,
            is_secure=address.is_secure,
        )

    async def locate(self) -> Endpoint:
        """The master, by the newest configuration that is known. Raises `RedisAway`."""
        questions = map(self._ask, self._address.endpoints)
        try:
            views = await answers_of(questions, _GRACE_SECONDS)
        except RedisAway as away:
            raise RedisAway(f"no Sentinel names the master of {self._name!r}: {away}") from away
        return max(views, key=lambda view: view.epoch).master

    async def _ask(self, sentinel: Endpoint) -> _View:
        # The address that the first names is the new one as soon as the new master is promoted;
        # the second, which says the epoch, still describes the old one then.
        found, described = await ask(
            sentinel,
            self._address,
            ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name),
            ("SENTINEL", "MASTER", self._name),
        )
        details = dict(zip(described[::2], described[1::2], strict=True))
        host, port = found
        return _View(Endpoint(host.decode(), int(port)), int(details[b"config-epoch"]))
