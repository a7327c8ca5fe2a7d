"""This module owns the namespace `/ops`: who watches, and what they are told each second."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from socketio.exceptions import ConnectionRefusedError as SocketRefusedError

from gateway.authentication import bearer_of
from gateway.broker.contract import BrokerUnavailable
from gateway.identity import Permission
from gateway.sockets.entrance import ENTRIES_LIMIT
from protocol import codec, events
from protocol.refusals import Goodbye, Refusal, Refused
from protocol.reports import LookRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from gateway.authentication import Authenticator
    from gateway.identity import Identity
    from gateway.logs import Offences
    from gateway.metrics import Metrics
    from gateway.reports.gathering import Gathering
    from gateway.reports.looking import Looking
    from gateway.sockets.connection import Connection
    from gateway.sockets.handshake import Handshake
    from gateway.sockets.server import Server

logger = structlog.get_logger(__name__)

NAMESPACE: Final = "/ops"
EVERY_SECONDS: Final = 1.0
# What the others need to answer; what comes later is told a second later.
PATIENCE_SECONDS: Final = 0.15
_PREFIX: Final = b"2/ops,"
_FAREWELL: Final = b"1/ops,"

_encode = msgspec.json.Encoder().encode


class Watcher:
    """One operator's socket."""

    __slots__ = ("connection", "id", "identity")

    def __init__(self, sid: str, identity: Identity, connection: Connection) -> None:
        self.id = sid
        self.identity = identity
        self.connection = connection

    def send(self, packet: bytes) -> None:
        """Send a packet; one who reads next to nothing is let go."""
        self.connection.send_message(packet)
        self.connection.close_if_left_unread()


class Watchers:
    """Everybody who watches through this worker. Nothing runs while there is nobody."""

    def __init__(  # noqa: PLR0913, PLR0917 - these are the parts that meet here
        self,
        server: Server,
        authenticator: Authenticator,
        gathering: Gathering,
        looking: Looking,
        metrics: Metrics,
        offences: Offences,
        leeway_seconds: float,
    ) -> None:
        self._server = server
        self._authenticator = authenticator
        self._gathering = gathering
        self._looking = looking
        self._metrics = metrics
        self._offences = offences
        self._leeway_seconds = leeway_seconds
        self._watchers: dict[str, Watcher] = {}
        self._telling: asyncio.Task[None] | None = None
        for event, handle in {
            "connect": self._enter,
            "disconnect": self._leave,
            "authenticate": self._authenticate,
            "look": self._look,
        }.items():
            server.on(event, handle, namespace=NAMESPACE)

    def present(self) -> Collection[Watcher]:
        """Everybody who watches here."""
        return self._watchers.values()

    def dismiss(self, watcher: Watcher, goodbye: Goodbye) -> None:
        """Say goodbye and close."""
        notice = events.GoodbyeNotice(goodbye.code, goodbye.reason)
        watcher.send(_PREFIX + codec.packet_of("goodbye", notice)[1:])
        if not goodbye.may_return:
            watcher.send(_FAREWELL)
        self._metrics.note_goodbye(goodbye)
        watcher.connection.close()

    def dismiss_subject(self, subject: str) -> None:
        """Send off everybody who watches as that subject."""
        for watcher in [each for each in self.present() if each.identity.subject == subject]:
            self.dismiss(watcher, Goodbye.REMOVED)

    async def stop(self) -> None:
        """End; a second call does nothing."""
        telling, self._telling = self._telling, None
        if telling is not None:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling
        await self._gathering.stop()

    # ---- from python-socketio

    async def _enter(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        connection = self._connection_of(sid)
        if connection is None:
            return  # it has gone
        connection.entries += 1
        if connection.entries > ENTRIES_LIMIT:
            connection.fail("entries")
            raise SocketRefusedError
        handshake: Handshake = environ["engine.handshake"]
        token = auth.get("token") if isinstance(auth, dict) else None
        try:
            identity = await self._operator(token or bearer_of(handshake.authorization))
        except Refused as refused:
            self._metrics.note_refusal(refused.refusal)
            self._offences.note("not let in", handshake.address, code=refused.refusal.code)
            raise SocketRefusedError(refused.message, refused.body()) from refused
        self._watchers[sid] = Watcher(sid, identity, connection)
        logger.info("= watched by", subject=identity.subject)
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell_forever())

    async def _leave(self, sid: str, _reason: str = "") -> None:
        self._watchers.pop(sid, None)

    async def _authenticate(self, sid: str, *arguments: object) -> object:
        async def answer(watcher: Watcher) -> object:
            request = _request_of(arguments, events.Authenticate)
            identity = await self._operator(request.token)
            if identity.subject != watcher.identity.subject:
                raise Refused(Refusal.FORBIDDEN, "The new token must be of the same subject.")
            watcher.identity = identity
            return {"subject": identity.subject}

        return await self._answered(sid, answer)

    async def _look(self, sid: str, *arguments: object) -> object:
        async def answer(watcher: Watcher) -> object:
            request = _request_of(arguments, LookRequest)
            return await self._looking.look(watcher.identity, request)

        return await self._answered(sid, answer)

    # ---- inside

    async def _operator(self, token: object) -> Identity:
        if token is not None and not isinstance(token, str):
            raise Refused(Refusal.MALFORMED, "auth: the token is not a string.")
        identity = await self._authenticator.identify(token)
        if not identity.may(Permission.OPERATE):
            raise Refused(Refusal.FORBIDDEN, "That takes an operator.")
        return identity

    def _connection_of(self, sid: str) -> Connection | None:
        engine_id = self._server.manager.eio_sid_from_sid(sid, NAMESPACE)
        connection: Connection | None = self._server.engine.sockets.get(engine_id)
        return connection

    async def _answered(self, sid: str, answer: Callable[[Watcher], Awaitable[object]]) -> object:
        """The envelope, as at every door."""
        watcher = self._watchers.get(sid)
        if watcher is None:
            return None
        try:
            return {"data": await answer(watcher)}
        except Refused as refused:
            self._metrics.note_refusal(refused.refusal)
            return {"error": refused.body()}
        except BrokerUnavailable as unavailable:
            self._metrics.note_refusal(Refusal.UNAVAILABLE)
            wait_ms = unavailable.retry_after_ms
            return {"error": Refused(Refusal.UNAVAILABLE, retry_after_ms=wait_ms).body()}

    async def _tell_forever(self) -> None:
        """Tell everybody, until nobody is left."""
        loop = asyncio.get_running_loop()
        try:
            while self._watchers:
                due_seconds = loop.time() + EVERY_SECONDS
                await self._tell()
                await asyncio.sleep(max(0.0, due_seconds - loop.time()))
        finally:
            self._telling = None
            self._gathering.rest()

    async def _tell(self) -> None:
        try:
            await self._gathering.ask()
            await asyncio.sleep(PATIENCE_SECONDS)
            packet = _PREFIX + _encode(("report", self._gathering.overview()))
        except Exception:  # the next second is another one
            logger.exception("! no report")
            return
        now_seconds = time.time()
        for watcher in list(self._watchers.values()):
            expires_seconds = watcher.identity.expires_at_seconds
            if expires_seconds is not None and now_seconds > expires_seconds + self._leeway_seconds:
                self.dismiss(watcher, Goodbye.TOKEN_EXPIRED)
            else:
                watcher.send(packet)


def _request_of(arguments: tuple[object, ...], kind: type[Any]) -> Any:  # noqa: ANN401 - of that kind
    if len(arguments) != 1:
        raise Refused(Refusal.MALFORMED, "One object is expected.")
    try:
        return msgspec.convert(arguments[0], kind)
    except msgspec.ValidationError as error:
        raise Refused(Refusal.MALFORMED, f"{error}.") from error
