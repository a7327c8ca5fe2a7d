"""This module owns one connection to Redis: bytes out once a turn, replies in, and its end.

asyncio's streams would cost a future a reply, and redis-py's subscriber spins without yielding
after a silent loss; the docs (`docs/decisions/own-redis-connection.md`) have the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

import hiredis
import structlog

from gateway.redis.errors import RedisAway, exception_of
from gateway.settings.redis_url import Credentials, Endpoint, RedisAddress

logger = structlog.get_logger(__name__)

CONNECT_TIMEOUT_SECONDS: Final = 1.0
HANDSHAKE_TIMEOUT_SECONDS: Final = 1.5
_UNSENT_LIMIT_BYTES: Final = 8_388_608
_LAST_CHANCE_SECONDS: Final = 0.1

pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command


class ConversationBroken(Exception):
    """A reply came to which there is no question, so all later ones would be mistaken."""


class Connection(asyncio.Protocol):
    """Sends packed commands, joined once a turn of the loop; hands each reply to `receive`.

    Ends once, by whatever side: then `lost` is set and nothing more is received.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self.is_full = False  # the other side does not read as fast as it is written to
        self.lost = asyncio.Event()

    # ---- what subclasses say

    def receive(self, reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
        """Take one reply or message, in order."""
        raise NotImplementedError

    def received(self) -> None:
        """All that came together has been taken."""

    def ended(self) -> None:
        """The connection is gone."""

    # ---- use

    def write(self, command: bytes) -> None:
        """Send a packed command, together with all others of this turn."""
        self._outgoing.append(command)
        if len(self._outgoing) == 1:
            self._loop.call_soon(self._flush)

    def abort(self) -> None:
        """End at once, without a word to the other side, which may not be there any more."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Not by isinstance: uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        # A burst of one turn is no sign of a server that does not read.
        self._transport.set_write_buffer_limits(high=_UNSENT_LIMIT_BYTES)

    def data_received(self, data: bytes) -> None:
        """Take the replies apart; what is not RESP, or was not asked for, ends the connection."""
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                self.receive(reply)
        except (hiredis.HiredisError, ConversationBroken) as error:
            logger.warning("! Redis said something that cannot be understood", why=str(error))
            self.abort()
        self.received()

    def pause_writing(self) -> None:
        """Much is waiting to be sent."""
        self.is_full = True

    def resume_writing(self) -> None:
        """It has been sent."""
        self.is_full = False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The other side, or the network, is gone."""
        self._end()

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._transport is not None and not self.lost.is_set():
            self._transport.write(outgoing[0] if len(outgoing) == 1 else b"".join(outgoing))

    def _end(self) -> None:
        if not self.lost.is_set():
            self.lost.set()
            self.ended()


class CommandConnection(Connection):
    """Commands and their replies. One that makes no progress for `timeout_seconds` is ended.

    Replies come in the order of the commands, so to look whether any has come is to look at all.
    """

    def __init__(self, timeout_seconds: float) -> None:
        super().__init__()
        self._timeout_seconds = timeout_seconds
        self._awaiting: list[Callable[[Any], None]] = []
        self._next = 0  # of `_awaiting`: whose reply comes next
        self._progress_seconds = 0.0
        self._is_suspect = False
        self._watch: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many commands have no reply yet."""
        return len(self._awaiting) - self._next

    def send(self, command: bytes, on_reply: Callable[[Any], None]) -> None:
        """Send a packed command. `on_reply` gets the reply, an exception among them, once."""
        if self.lost.is_set():
            self._loop.call_soon(on_reply, RedisAway("the connection to Redis is lost"))
            return
        if not self._awaiting:  # what was not asked for could not come
            self._progress_seconds = self._loop.time()
        self._awaiting.append(on_reply)
        self.write(command)
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout_seconds, self._look)

    async def call(self, *words: str | bytes | float) -> Any:  # noqa: ANN401 - whatever Redis says
        """Send one command and return its reply. Raises `RedisAway` or `RedisRefused`."""
        answered: asyncio.Future[Any] = self._loop.create_future()

        def take(reply: Any) -> None:  # noqa: ANN401
            if not answered.done():
                answered.set_result(reply)

        self.send(pack(words), take)
        reply = await answered
        if isinstance(reply, RedisAway):
            raise reply
        if isinstance(reply, Exception):
            raise exception_of(reply)
        return reply

    def receive(self, reply: Any) -> None:  # noqa: ANN401
        """Give the reply to whoever waits for it."""
        awaiting = self._awaiting
        if self._next == len(awaiting):
            if self.lost.is_set():
                return  # it was ended by whoever took an earlier reply of the same moment
            raise ConversationBroken("nothing was asked")
        on_reply = awaiting[self._next]
        self._next += 1
        if self._next == len(awaiting):
            awaiting.clear()
            self._next = 0
        try:
            on_reply(reply)
        except Exception:
            logger.exception("! a reply could not be used")  # the next one is somebody else's

    def received(self) -> None:
        """Note the progress, and let go of the callbacks that have been called."""
        self._progress_seconds = self._loop.time()
        self._is_suspect = False
        if self._next > 1000:  # noqa: PLR2004 - seldom enough to cost nothing
            del self._awaiting[: self._next]
            self._next = 0

    def ended(self) -> None:
        """Nobody will answer any more; whether the commands were executed is not known."""
        if self._watch is not None:
            self._watch.cancel()
        unanswered = self._awaiting[self._next :]
        self._awaiting, self._next = [], 0
        away = RedisAway("the connection to Redis is lost")
        for on_reply in unanswered:
            self._loop.call_soon(on_reply, away)

    def _look(self) -> None:
        self._watch = None
        if not self.waiting:
            return
        idle_seconds = self._loop.time() - self._progress_seconds
        if idle_seconds >= self._timeout_seconds and not self._is_suspect:
            # It may be this process that was held up: then the reply is here and has not been read.
            self._is_suspect = True
            self._watch = self._loop.call_later(_LAST_CHANCE_SECONDS, self._look)
        elif idle_seconds >= self._timeout_seconds:
            logger.warning("! Redis does not answer", waiting=self.waiting)
            self.abort()
        else:
            left_seconds = self._timeout_seconds - idle_seconds
            self._watch = self._loop.call_later(left_seconds, self._look)


async def connect(
    make: Callable[[], CommandConnection], endpoint: Endpoint, address: RedisAddress
) -> CommandConnection:
    """Open a connection and log in. Raises `RedisAway`, or `RedisRefused` for wrong credentials."""
    connection = make()
    await _open(connection, endpoint, address)
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_SECONDS):
            await log_in(connection, address.credentials, address.database)
    except TimeoutError as error:
        connection.abort()
        raise RedisAway(f"{endpoint} does not answer") from error
    except BaseException:
        connection.abort()
        raise
    return connection


async def _open(connection: Connection, endpoint: Endpoint, address: RedisAddress) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            if endpoint.port:
                await loop.create_connection(
                    lambda: connection, endpoint.host, endpoint.port, ssl=address.tls()
                )
            else:
                await loop.create_unix_connection(lambda: connection, endpoint.host)
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise RedisAway(f"{endpoint} is not reached: {reason}") from error


async def log_in(connection: CommandConnection, credentials: Credentials, database: int) -> None:
    """Say who we are, and which database is meant."""
    if credentials.password:
        user = (credentials.username,) if credentials.username else ()
        await connection.call("AUTH", *user, credentials.password)
    await connection.call("CLIENT", "SETNAME", "paceline")
    if database:
        await connection.call("SELECT", database)
