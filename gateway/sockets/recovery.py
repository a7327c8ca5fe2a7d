"""This module owns coming back: Socket.IO's connection state recovery, for clients that ask for it.

A client that says `recover: true` gets a `pid` with its acceptance, a secret of its own. Whoever
comes back with it, and is the same subject, goes on as the same peer, in the same rooms and after
what it was told last: in all of them, or it begins anew. It does not matter who has noticed that a
connection was lost, nor whether its worker still lives. Who is still connected is taken over from.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.broker.contract import BrokerUnavailable
from gateway.identity import Identity
from gateway.rooms.places import OffsetInvalid, places_to_resume
from gateway.sockets.tickets import TicketOffice
from protocol.cursor import Cursor

if TYPE_CHECKING:
    from gateway.broker.sessions import Intercom, Record, Sessions
    from gateway.metrics import Metrics
    from gateway.sockets.session import Session

_PID_BYTES: Final = 18  # 144 bits
_PID = re.compile(r"[A-Za-z0-9_-]{24}")
# How often a record is saved again in the time for which it is kept behind a lost connection.
RENEWALS: Final = 3
# What the worker that still has a peer is told: it goes on elsewhere, or begins anew there.
_RELEASE: Final = "release"
_CLOSE: Final = "close"
# After these a session is of no more use.
_FINAL: Final = frozenset({"invalid", "forbidden", "discontinued"})


class Returning(msgspec.Struct, frozen=True):
    """Who a client comes back as, and after what it goes on in each of its rooms."""

    pid: str
    peer_id: str
    identity: Identity
    places: dict[str, Cursor]
    keeper: str
    former: str  # the keeper until now


class Recovery:
    """Gives out secrets, and takes them back."""

    def __init__(
        self, window_seconds: float, sessions: Sessions, intercom: Intercom, metrics: Metrics
    ) -> None:
        self._window_seconds = window_seconds
        self._sessions = sessions
        self._intercom = intercom
        self._metrics = metrics
        self._office = TicketOffice(sessions, intercom.worker_id)
        self.release: Callable[[Session], None] = lambda _session: None
        intercom.hear(_RELEASE, lambda keeper: self._release_keeper(keeper.decode()))
        intercom.hear(_CLOSE, lambda keeper: self._close_keeper(keeper.decode()))

    @property
    def is_on(self) -> bool:
        """Whether clients that ask for it get it."""
        return self._window_seconds > 0

    def start(self, release: Callable[[Session], None]) -> None:
        """Begin; `release` lets a peer go without a word, because another goes on as it."""
        self.release = release
        if self.is_on:
            self._office.start(self._window_seconds / RENEWALS, release)

    async def stop(self) -> None:
        """Save what is not saved yet, and end."""
        await self._office.stop()

    # ---- going

    def issue(self, session: Session) -> str:
        """Give a new peer what it may come back with: its `pid`, of which only a hash is kept."""
        pid = secrets.token_urlsafe(_PID_BYTES)
        ticket = self._office.issue(
            session, _key_of(pid), _holder_of(session.identity), self._office.next_keeper()
        )
        ticket.note()
        return pid

    def drop(self, session: Session) -> None:
        """The peer is about to be forgotten; it may come back, unless it was the last goodbye."""
        if session.ticket is not None:
            self._office.drop(session.ticket)
            if not session.may_return:
                self._office.end(session.ticket)

    # ---- coming back

    async def claim(self, identity: Identity, pid: Any, offset: Any) -> Returning | None:  # noqa: ANN401 - any JSON
        """Take a session; None when there is nothing to go on with. Raises `BrokerUnavailable`.

        Whoever has it on this worker is released. If it is taken, `settle` has to follow.
        """
        if not isinstance(pid, str) or _PID.fullmatch(pid) is None:
            self._metrics.note_recovery("invalid")
            return None
        keeper = self._office.next_keeper()
        try:
            # What is looked up is a hash, so the time that it takes tells nothing about a secret.
            record = await self._sessions.claim(_key_of(pid), _holder_of(identity), keeper)
        except BrokerUnavailable:
            self._metrics.note_recovery("unavailable")
            raise
        if record is None:
            self._metrics.note_recovery("unknown")
            return None
        if identity.is_anonymous:
            identity = msgspec.structs.replace(identity, subject=record.subject)
        found = _places_of(identity, record, offset)
        places = {} if isinstance(found, str) else found
        returning = Returning(pid, record.peer_id, identity, places, keeper, record.keeper)
        if isinstance(found, str):
            await self.settle(returning, found)
            return None
        self._release_keeper(record.keeper)
        return returning

    def resume(self, session: Session, returning: Returning) -> None:
        """Give the peer that comes back its ticket, before it is in any room."""
        key, holder = _key_of(returning.pid), _holder_of(returning.identity)
        self._office.issue(session, key, holder, returning.keeper)

    async def settle(self, returning: Returning, result: str) -> None:
        """Count what became of it, and see to whoever had the session before."""
        self._metrics.note_recovery(result)
        if result == "recovered":
            self._tell(returning.former, _RELEASE)
        elif result in _FINAL:
            self._tell(returning.former, _CLOSE)
            with contextlib.suppress(BrokerUnavailable):  # then it ends by itself
                await self._sessions.end(_key_of(returning.pid), returning.keeper)

    def _tell(self, keeper: str, topic: str) -> None:
        """Let whoever is behind a keeper go; on this worker or on any other."""
        worker_id, _, _ = keeper.rpartition(".")
        if worker_id != self._intercom.worker_id:
            self._intercom.tell(worker_id, topic, keeper.encode())
        elif topic == _RELEASE:
            self._release_keeper(keeper)
        else:
            self._close_keeper(keeper)

    def _release_keeper(self, keeper: str) -> None:
        ticket = self._office.held.get(keeper)
        if ticket is not None:
            self.release(ticket.owner)

    def _close_keeper(self, keeper: str) -> None:
        ticket = self._office.held.get(keeper)
        if ticket is not None:
            ticket.owner.connection.close()


def _places_of(identity: Identity, record: Record, offset: Any) -> dict[str, Cursor] | str:  # noqa: ANN401
    """After what the client goes on in each of its rooms; or why it cannot."""
    if not all(map(identity.may_join, record.rooms)):
        return "forbidden"
    if not isinstance(offset, str | None):
        return "invalid"
    confirmed = {
        room: Cursor.parse(cursor) if cursor else None for room, cursor in record.rooms.items()
    }
    try:
        places = places_to_resume(confirmed, offset)
    except OffsetInvalid:
        return "invalid"
    return "discontinued" if places is None else places


def _key_of(pid: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(pid.encode()).digest()).decode().rstrip("=")


def _holder_of(identity: Identity) -> str:
    """Who may come back: the same subject; of those that proved nothing, whoever has the secret."""
    return "anonymous" if identity.is_anonymous else f"subject {identity.subject}"
