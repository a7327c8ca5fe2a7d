"""This module owns the two connections to one master, brought back whenever they are lost.

Commands and messages travel apart, so that neither waits for the other. A beat goes out on the
one every second and has to come back on the other: a connection that is open, and deaf, or that
leads to a master that was replaced, shows itself by that, whatever TCP says.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from gateway.redis.connection import CommandConnection, connect, pack
from gateway.redis.errors import RedisAway, RedisRefused, is_wrong_server, redirection_of
from gateway.redis.scripts import Script
from gateway.redis.subscriber import Message, SubscriberConnection
from gateway.settings.redis_url import Endpoint, RedisAddress

logger = structlog.get_logger(__name__)

Locate = Callable[[], Awaitable[Endpoint]]
OnReply = Callable[[Any], None]

BEAT_SECONDS: Final = 1.0
SILENCE_LIMIT_SECONDS: Final = 2.5  # red, and connected anew, within three seconds in all
COMMAND_TIMEOUT_SECONDS: Final = 1.0
# How many commands may wait for their replies before further ones are refused at once.
_WAITING_LIMIT: Final = 20_000
_LAST_CHANCE_SECONDS: Final = 0.1
_RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5)


class ShardListener(Protocol):
    """Who reads what one master publishes."""

    def heard(self, messages: Sequence[Message]) -> None:
        """Messages of subscribed channels, in order."""

    def dropped(self, shard: Shard, channel: bytes) -> None:
        """The server has ended a subscription."""

    def subscriber_up(self, shard: Shard) -> None:
        """The shard hears again, and is subscribed to nothing yet."""

    def subscriber_down(self, shard: Shard) -> None:
        """What is published from now on is not heard here."""

    def commands_up(self, shard: Shard) -> None:
        """The shard takes commands again; what it held before may be gone."""

    def moved(self) -> None:
        """Slots have moved between shards."""


class Shard:
    """One master, wherever it is at the moment: `locate` is asked again for each connection."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a connection needs to know
        self,
        name: str,
        locate: Locate,
        address: RedisAddress,
        scripts: Sequence[Script],
        beat_channel: Callable[[], bytes],
        listener: ShardListener,
    ) -> None:
        self.name = name
        self._locate = locate
        self._address = address
        self._scripts = scripts
        self._beat_channel_of = beat_channel
        self._beat_channel = b""
        self._listener = listener
        self.commands: CommandConnection | None = None
        self.subscriber: SubscriberConnection | None = None
        self._heard_seconds = 0.0
        self._is_reported_away = False
        self._tasks: list[asyncio.Task[None]] = []

    # ---- life

    def start(self) -> None:
        """Begin to connect."""
        self._tasks = [
            asyncio.create_task(work, name=f"redis-{self.name}-{name}")
            for name, work in (
                ("commands", self._keep_forever(self._serve_commands)),
                ("subscriber", self._keep_forever(self._serve_subscriber)),
                ("beat", self._beat_forever()),
            )
        ]

    async def stop(self) -> None:
        """End; a second call does nothing."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def is_healthy(self) -> bool:
        """Whether a beat, or an answer to subscribing, came back within the last seconds."""
        if self.commands is None or self.subscriber is None:
            return False
        return asyncio.get_running_loop().time() - self._heard_seconds < SILENCE_LIMIT_SECONDS

    # ---- use

    def send(self, command: bytes, on_reply: OnReply) -> bool:
        """Send a packed command; False, and nothing sent, when there is no way to do it now."""
        commands = self.commands
        if commands is None or commands.is_full or commands.waiting >= _WAITING_LIMIT:
            return False
        commands.send(command, on_reply)
        return True

    async def call(self, *words: str | bytes | float) -> Any:  # noqa: ANN401 - whatever Redis says
        """Send one command and return its reply. Raises `RedisAway` or `RedisRefused`."""
        commands = self.commands
        if commands is None or commands.is_full or commands.waiting >= _WAITING_LIMIT:
            raise RedisAway("Redis is not connected")
        return await commands.call(*words)

    async def open(self, timeout_seconds: float) -> CommandConnection:
        """One more connection to the same master, for commands that make others wait.

        The caller ends it. Raises `RedisAway` or `RedisRefused`.
        """
        connection = await connect(
            lambda: CommandConnection(timeout_seconds), await self._locate(), self._address
        )
        try:
            await _check_is_master(connection)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def load_scripts(self) -> None:
        """Make the scripts known to the server: it forgets them when it is restarted."""
        commands = self.commands
        if commands is not None:
            await _load(commands, self._scripts)

    def distrust(self, error: Exception) -> None:
        """Connect anew when an error reply says that this is not the master any more."""
        if is_wrong_server(error) and self.commands is not None:
            self.commands.abort()

    # ---- connections

    async def _keep_forever(self, serve: Callable[[Endpoint], Awaitable[None]]) -> None:
        attempts = 0
        while True:
            try:
                await serve(await self._locate())
                attempts = 0
            except (RedisAway, RedisRefused) as error:
                self._report_away(str(error))
            except Exception:
                logger.exception("! Redis connection failed", shard=self.name)
            wait_seconds = _RETRY_SECONDS[min(attempts, len(_RETRY_SECONDS) - 1)]
            attempts += 1
            # Many workers lose the same server at the same moment.
            await asyncio.sleep(wait_seconds * random.uniform(0.7, 1.3))  # noqa: S311 - spreading

    async def _serve_commands(self, endpoint: Endpoint) -> None:
        connection = await connect(
            lambda: CommandConnection(COMMAND_TIMEOUT_SECONDS), endpoint, self._address
        )
        try:
            await _check_is_master(connection)
            await _load(connection, self._scripts)
            self.commands = connection
            self._report_back()
            self._listener.commands_up(self)
            await connection.lost.wait()
        finally:
            self.commands = None
            connection.abort()

    async def _serve_subscriber(self, endpoint: Endpoint) -> None:
        connection = await connect(
            lambda: SubscriberConnection(
                COMMAND_TIMEOUT_SECONDS,
                self._heard,
                lambda channel: self._listener.dropped(self, channel),
            ),
            endpoint,
            self._address,
        )
        assert isinstance(connection, SubscriberConnection)
        try:
            await _check_is_master(connection)
            channel = self._beat_channel_of()
            async with asyncio.timeout(COMMAND_TIMEOUT_SECONDS):
                await connection.subscribe(channel)
            self._beat_channel = channel
            self._heard_seconds = asyncio.get_running_loop().time()
            self.subscriber = connection
            self._listener.subscriber_up(self)
            await connection.lost.wait()
        except TimeoutError as error:
            raise RedisAway(f"{endpoint} does not answer") from error
        finally:
            was_up, self.subscriber = self.subscriber is not None, None
            connection.abort()
            if was_up:
                self._listener.subscriber_down(self)

    def _heard(self, messages: Sequence[Message]) -> None:
        if messages[-1][0] == self._beat_channel or any(
            channel == self._beat_channel for channel, _ in messages
        ):
            self._heard_seconds = asyncio.get_running_loop().time()
        self._listener.heard(messages)

    async def _beat_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            subscriber = self.subscriber
            if subscriber is None:
                continue
            if self.commands is not None:
                self.commands.send(
                    pack((b"SPUBLISH", self._beat_channel, b"beat")), self._beat_sent
                )
            if loop.time() - self._heard_seconds < SILENCE_LIMIT_SECONDS:
                continue
            # It may be this process that was held up: then the beat is here and was not read.
            await asyncio.sleep(_LAST_CHANCE_SECONDS)
            if loop.time() - self._heard_seconds > SILENCE_LIMIT_SECONDS:
                logger.warning("! Redis is silent, connecting anew", shard=self.name)
                subscriber.abort()
                if self.commands is not None:
                    self.commands.abort()

    def _beat_sent(self, reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
        if not isinstance(reply, Exception):
            return
        self.distrust(reply)
        if redirection_of(reply) is not None and self.subscriber is not None:
            self.subscriber.abort()  # the slot of the beat is another node's now: choose anew

    # ---- one line each way

    def _report_away(self, reason: str) -> None:
        if not self._is_reported_away:
            self._is_reported_away = True
            logger.warning("! Redis is away", shard=self.name, why=reason)

    def _report_back(self) -> None:
        if self._is_reported_away:
            self._is_reported_away = False
            logger.warning("= Redis is back", shard=self.name)


async def _check_is_master(connection: CommandConnection) -> None:
    """Raise `RedisAway` for a replica: a Sentinel may name the old master for a moment."""
    role = await connection.call("ROLE")
    if role[0] != b"master":
        raise RedisAway(f"the server is a {role[0].decode()}, not the master")


async def _load(connection: CommandConnection, scripts: Sequence[Script]) -> None:
    await asyncio.gather(*(connection.call("SCRIPT", "LOAD", each.source) for each in scripts))
