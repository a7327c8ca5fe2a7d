"""This module owns sessions: what one is, and the contract of where they and passwords are kept.

Beyond what the contract of users guarantees (`store.py`):

1.  `turn` makes of turn n the turn n + 1, once, however many ask.
2.  What is closed is not found any more, nor are the sessions of a user that was deleted.
3.  A new password and the end of the other sessions are one: both or neither. No session begins
    with a password that is not the user's any more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final, Literal, Protocol

import msgspec

from gateway.users.user import User, id_of, is_user_id
from protocol.sessions import SessionView

# The oldest ones beyond it end: somebody with a password must not fill the store.
SESSIONS_OF_A_USER_LIMIT: Final = 100
_AGENT_LIMIT_CHARACTERS: Final = 200

ClosingReason = Literal["asked for", "token used twice"]


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has signed in. Times are milliseconds since 1970; `turn` counts refreshes."""

    id: str
    user_id: str
    turn: int = 1
    created_at_ms: int
    used_at_ms: int
    expires_at_ms: int
    agent: str
    address: str

    def view(self, current_id: str | None) -> SessionView:
        """What answers show of it."""
        return SessionView(
            id=self.id,
            created_at=_time_of(self.created_at_ms),
            used_at=_time_of(self.used_at_ms),
            expires_at=_time_of(self.expires_at_ms),
            agent=self.agent,
            address=self.address,
            is_current=self.id == current_id,
        )


class Origin(msgspec.Struct, frozen=True):
    """From where somebody signs in; `agent` is what a stranger wrote."""

    address: str
    agent: str = ""


def new_session(
    user_id: str, origin: Origin, now_ms: int, lifetime_ms: int, randomness: bytes
) -> Session:
    """A session that begins now."""
    printable = "".join(character for character in origin.agent if character.isprintable())
    return Session(
        id=id_of(now_ms, randomness),
        user_id=user_id,
        created_at_ms=now_ms,
        used_at_ms=now_ms,
        expires_at_ms=now_ms + lifetime_ms,
        agent=printable[:_AGENT_LIMIT_CHARACTERS],
        address=origin.address,
    )


def is_session_id(text: str) -> bool:
    """Whether a session may have such an id: it is made as the id of a user is."""
    return is_user_id(text)


def next_turn(session: Session, now_ms: int, lifetime_ms: int, most_ms: int) -> Session:
    """The session after a refresh; it is over `most_ms` after it began, however often that is."""
    end_ms = min(now_ms + lifetime_ms, session.created_at_ms + most_ms)
    return msgspec.structs.replace(
        session, turn=session.turn + 1, used_at_ms=now_ms, expires_at_ms=end_ms
    )


class SessionStore(Protocol):
    """Sessions and passwords, kept. Everything raises `StoreUnavailable`."""

    async def credentials_of(self, email: str) -> tuple[User, str | None] | None:
        """A user and the hash of its password, in one question for whoever there is or is not."""

    async def find_password(self, user_id: str) -> str | None:
        """The hash of a user's password."""

    async def set_password(
        self, user_id: str, password_hash: str, now_ms: int, kept_id: str | None
    ) -> bool:
        """Keep a hash, and end all sessions of the user but one; False when there is no user."""

    async def replace_hash(self, user_id: str, before: str, after: str) -> None:
        """Keep another hash of the same password."""

    async def open(self, session: Session, password_hash: str | None = None) -> bool:
        """Keep a new session; ended ones of the same user are forgotten.

        False, and nothing done, when there is no such user, or its password has another hash.
        """

    async def find(self, session_id: str, now_ms: int) -> Session | None:
        """The session of that id, if it has not expired."""

    async def turn(self, before: Session, after: Session) -> bool:
        """Put the next turn in the place of the one before; False when somebody was quicker."""

    async def close(
        self, session_id: str, now_ms: int, reason: ClosingReason = "asked for"
    ) -> Session | None:
        """End a session; gives it, or None when there was none."""

    async def close_all(self, user_id: str, now_ms: int) -> int:
        """End all sessions of a user; how many there were."""

    async def of_user(self, user_id: str, now_ms: int) -> Sequence[Session]:
        """All sessions of a user that have not expired, the one used last first."""


def _time_of(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
