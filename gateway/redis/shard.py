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

import msgspec
import structlog

from gateway.redis.connection import CommandConnection, connect, pack
from gateway.redis.errors import RedisAway, RedisRefused, is_wrong_server, redirection_of
from gateway.redis.scripts import Script
from gateway.redis.subscriber import Message, SubscriberConnection
from gateway.settings.redis_url import Endpoint, RedisAddress

logger = structlog.get_logger(__name__)

Locate = Callable[[], Awaitable[Endpoint]]
OnReply = Callable[[Any], None]

# How many commands may wait for their replies before further ones are refused at once.
_WAITING_LIMIT: Final = 20_000
_LAST_CHANCE_SECONDS: Final = 0.1
_RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5)
_START_LOOK_SECONDS: Final = 0.02
_ASKING: Final = pack(("ASKING",))


class Patience(msgspec.Struct, frozen=True):
    """How long things may take."""

    beat_seconds: float = 1.0  # from one beat to the next
    silence_seconds: float = 2.5  # red, and connected anew, within three seconds in all
    command_seconds: float = 1.0
    start_seconds: float = 3.0


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
        learn: Callable[[Exception], None],
        patience: Patience,
    ) -> None:
        self.name = name
        self._locate = locate
        self._address = address
        self._scripts = scripts
        self._beat_channel_of = beat_channel
        self._beat_channel = b""
        self._listener = listener
        self._patience = patience
        self._learn = learn  # is told of errors that beats are answered with
        self._loads_on_the_way = 0
        self.commands: CommandConnection | None = None
        self.subscriber: SubscriberConnection | None = None
        self._endpoint: Endpoint | None = None  # where the newer of the two connections leads to
        self._heard_seconds = 0.0
        self._is_reported_away = False
        self._tasks: list[asyncio.Task[None]] = []

    # ---- life

    def start(self) -> None:
        """Begin to connect."""
        self._heard_seconds = asyncio.get_running_loop().time()
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
        return self.silence_seconds < self._patience.silence_seconds

    @property
    def silence_seconds(self) -> float:
        """How long ago it was last heard, or begun to be listened to."""
        return asyncio.get_running_loop().time() - self._heard_seconds

    @property
    def waiting(self) -> int:
        """Commands that are not answered yet."""
        return 0 if self.commands is None else self.commands.waiting

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

    def send_with_scripts(self, command: bytes, on_reply: OnReply) -> bool:
        """Send a command whose script the server has forgotten, and the scripts before it.

        All that is refused for the same reason at the same time shares them.
        """
        if not self._loads_on_the_way:
            for script in self._scripts:
                if self.send(pack(("SCRIPT", "LOAD", script.source)), self._loaded):
                    self._loads_on_the_way += 1
        return self.send(command, on_reply)

    def _loaded(self, reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
        self._loads_on_the_way -= 1
        if isinstance(reply, Exception):
            logger.warning("! a script is not loaded", shard=self.name, why=str(reply))

    def send_asking(self, command: bytes, on_reply: OnReply) -> bool:
        """Send about a slot that is on its way to this node; the same otherwise."""
        return self.send(_ASKING, _unread) and self.send(command, on_reply)

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

    def distrust(self, error: Exception) -> None:
        """Connect anew when an error reply says that this is not the master any more."""
        if is_wrong_server(error):
            self._abort()

    def _abort(self) -> None:
        for connection in (self.commands, self.subscriber):
            if connection is not None:
                connection.abort()

    # ---- connections

    async def _keep_forever(self, serve: Callable[[Endpoint], Awaitable[None]]) -> None:
        attempts = 0
        while True:
            try:
                await serve(await self._locate())
                attempts = 0
            except (RedisAway, RedisRefused) as error:
                self._learn(error)
                self._report_away(str(error))
            except Exception:
                logger.exception("! Redis connection failed", shard=self.name)
            wait_seconds = _RETRY_SECONDS[min(attempts, len(_RETRY_SECONDS) - 1)]
            attempts += 1
            # Many workers lose the same server at the same moment.
            await asyncio.sleep(wait_seconds * random.uniform(0.7, 1.3))  # noqa: S311 - spreading

    async def _serve_commands(self, endpoint: Endpoint) -> None:
        connection = await connect(
            lambda: CommandConnection(self._patience.command_seconds), endpoint, self._address
        )
        try:
            await _check_is_master(connection)
            await _load(connection, self._scripts)
            self.commands = connection
            self._lead_to(endpoint, self.subscriber)
            self._report_back()
            self._listener.commands_up(self)
            await connection.lost.wait()
        finally:
            self.commands = None
            connection.abort()

    async def _serve_subscriber(self, endpoint: Endpoint) -> None:
        connection = await connect(
            lambda: SubscriberConnection(
                self._patience.command_seconds,
                self._heard,
                self._dropped,
            ),
            endpoint,
            self._address,
        )
        assert isinstance(connection, SubscriberConnection)
        try:
            await _check_is_master(connection)
            channel = self._beat_channel_of()
            async with asyncio.timeout(self._patience.command_seconds):
                await connection.subscribe(channel)
            self._beat_channel = channel
            self._heard_seconds = asyncio.get_running_loop().time()
            self.subscriber = connection
            self._lead_to(endpoint, self.commands)
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

    def _lead_to(self, endpoint: Endpoint, other: CommandConnection | None) -> None:
        """Both connections lead to one server: the other one is of before a failover."""
        if other is not None and endpoint != self._endpoint:
            other.abort()
        self._endpoint = endpoint

    def _dropped(self, channel: bytes) -> None:
        if channel == self._beat_channel:
            self._beat()  # it tells where the slot is now
        else:
            self._listener.dropped(self, channel)

    # ---- the beat

    async def _beat_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._patience.beat_seconds)
            if self.subscriber is None:
                continue
            self._beat()
            if loop.time() - self._heard_seconds < self._patience.silence_seconds:
                continue
            # It may be this process that was held up: then the beat is here and was not read.
            await asyncio.sleep(_LAST_CHANCE_SECONDS)
            if loop.time() - self._heard_seconds > self._patience.silence_seconds:
                logger.warning("! Redis is silent, connecting anew", shard=self.name)
                self._abort()

    def _beat(self) -> None:
        if self.commands is not None:
            beat = pack((b"SPUBLISH", self._beat_channel, b"beat"))
            self.commands.send(beat, self._beat_sent)

    def _beat_sent(self, reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
        if isinstance(reply, Exception):
            self._learn(reply)
            if redirection_of(reply) is not None:
                self._beat_elsewhere()

    def _beat_elsewhere(self) -> None:
        """The slot of the beat is another master's now: choose one that is still this one's."""
        subscriber = self.subscriber
        if subscriber is None:
            return
        try:
            channel = self._beat_channel_of()
        except RedisAway:
            subscriber.abort()
            return

        def subscribed(done: asyncio.Future[None]) -> None:
            if self.subscriber is not subscriber:
                return
            if done.cancelled() or done.exception() is not None:
                subscriber.abort()
                return
            self._beat_channel = channel
            self._beat()

        subscriber.subscribe(channel).add_done_callback(subscribed)

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


async def until_connected(shards: Callable[[], Sequence[Shard]], patience_seconds: float) -> None:
    """Give the connections a moment: whoever starts now should not be refused for nothing."""
    try:
        async with asyncio.timeout(patience_seconds):
            while not _are_connected(shards()):  # noqa: ASYNC110 - connections come and go
                await asyncio.sleep(_START_LOOK_SECONDS)
    except TimeoutError:
        return


def _are_connected(shards: Sequence[Shard]) -> bool:
    return bool(shards) and all(
        shard.commands is not None and shard.subscriber is not None for shard in shards
    )


def _unread(_reply: Any) -> None:  # noqa: ANN401 - what matters is the reply to what follows
    pass
