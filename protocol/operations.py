"""This module owns THE table of the REST side: what may be asked over HTTP, and what is answered.

Descriptions are made from it, and a test holds it against the table of URLs.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from protocol.events import Members, Published
from protocol.keys import KeyView, NewKey, Rotation
from protocol.members import Removed, Whom
from protocol.publishing import Item
from protocol.refusals import Refusal
from protocol.sessions import GivenPassword, OwnPassword, Refresh, SessionView, SignIn, Tokens
from protocol.users import (
    NewUser,
    OwnChanges,
    Pagination,
    UserChanges,
    UserListing,
    UserSelection,
    UserView,
)

IF_MATCH: Final = "If-Match"
IF_NONE_MATCH: Final = "If-None-Match"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
HEADERS: Final = {
    IF_MATCH: "The `ETag` of the version that is meant; another version is answered 412.",
    IF_NONE_MATCH: "The `ETag` of the version that is known; the same one is answered 304.",
    IDEMPOTENCY_KEY: "1 to 128 printable characters; the same key again does nothing new.",
}


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A row: one method of one path. `refusals` are those beside what `access` and `body` bring."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    summary: str
    access: Literal["anybody", "token", "operator", "admin"] = "admin"
    body: type[msgspec.Struct] | None = None
    may_be_many: bool = False  # whether the body may also be a list of such
    parameters: type[msgspec.Struct] | None = None
    headers: tuple[str, ...] = ()
    status: int = 200
    answer: type[msgspec.Struct] | None = None
    is_list: bool = False
    pages: type[msgspec.Struct] | None = None
    refusals: tuple[Refusal, ...] = ()

    @property
    def name(self) -> str:
        """A name of its own, for tools: the method and the words of the path."""
        words = [part.strip("{}") for part in self.path.split("/")[2:]]
        return "-".join([self.method.lower(), *words])


_NOT_FOUND: Final = (Refusal.NOT_FOUND,)
_CHANGED: Final = (Refusal.NOT_FOUND, Refusal.PRECONDITION_FAILED, Refusal.MALFORMED)
_TAKEN: Final = (*_CHANGED, Refusal.EMAIL_TAKEN, Refusal.CONFLICT)
_SLOWED: Final = (Refusal.TOO_FAST,)
_USER: Final = "/api/users/{userId}"

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/api/rooms/{roomId}/events",
        summary="Publish one event into a room, or up to 1,000 of them.",
        access="token",
        body=Item,
        may_be_many=True,
        headers=(IDEMPOTENCY_KEY,),
        answer=Published,
        refusals=(Refusal.INVALID_ROOM, Refusal.FORBIDDEN, Refusal.TOO_FAST),
    ),
    Operation(
        method="GET",
        path="/api/rooms/{roomId}/members",
        summary="Everybody who is in a room, on all workers, in the order in which they came.",
        access="token",
        answer=Members,
        refusals=(Refusal.INVALID_ROOM,),
    ),
    Operation(
        method="DELETE",
        path="/api/rooms/{roomId}/members/{peerId}",
        summary="Take a peer out of a room, wherever it is connected; it stays connected.",
        access="operator",
        answer=Removed,
        refusals=(Refusal.INVALID_ROOM, Refusal.INVALID),
    ),
    Operation(
        method="DELETE",
        path="/api/peers",
        summary="End all sockets of a subject, or one, with a goodbye that is for good.",
        access="operator",
        parameters=Whom,
        answer=Whom,
    ),
    Operation(
        method="GET",
        path="/api/users",
        summary="A page of users.",
        parameters=UserListing,
        answer=UserView,
        is_list=True,
        pages=Pagination,
        refusals=(Refusal.INVALID_CURSOR,),
    ),
    Operation(
        method="POST",
        path="/api/users",
        summary="Make a user.",
        body=NewUser,
        headers=(IDEMPOTENCY_KEY,),
        status=201,
        answer=UserView,
        refusals=(Refusal.EMAIL_TAKEN,),
    ),
    Operation(
        method="GET",
        path="/api/users/me",
        summary="The user whose id is the subject of the token.",
        access="token",
        parameters=UserSelection,
        headers=(IF_NONE_MATCH,),
        answer=UserView,
        refusals=_NOT_FOUND,
    ),
    Operation(
        method="PATCH",
        path="/api/users/me",
        summary="Change some of one's own fields.",
        access="token",
        body=OwnChanges,
        headers=(IF_MATCH,),
        answer=UserView,
        refusals=_TAKEN,
    ),
    Operation(
        method="PUT",
        path="/api/users/me/password",
        summary="Change one's password; one's other sessions end.",
        access="token",
        body=OwnPassword,
        status=204,
        refusals=(*_NOT_FOUND, *_SLOWED),
    ),
    Operation(
        method="GET",
        path=_USER,
        summary="One user.",
        parameters=UserSelection,
        headers=(IF_NONE_MATCH,),
        answer=UserView,
        refusals=_NOT_FOUND,
    ),
    Operation(
        method="PATCH",
        path=_USER,
        summary="Change some fields of a user.",
        body=UserChanges,
        headers=(IF_MATCH,),
        answer=UserView,
        refusals=_TAKEN,
    ),
    Operation(
        method="DELETE",
        path=_USER,
        summary="Delete a user.",
        headers=(IF_MATCH,),
        status=204,
        refusals=(*_CHANGED, Refusal.CONFLICT),
    ),
    Operation(
        method="PUT",
        path=f"{_USER}/password",
        summary="Give a user a password; all sessions of the user end.",
        body=GivenPassword,
        status=204,
        refusals=(*_NOT_FOUND, *_SLOWED),
    ),
    Operation(
        method="GET",
        path=f"{_USER}/sessions",
        summary="The sessions of a user.",
        answer=SessionView,
        is_list=True,
        refusals=_NOT_FOUND,
    ),
    Operation(
        method="DELETE",
        path=f"{_USER}/sessions",
        summary="End all sessions of a user.",
        status=204,
        refusals=_NOT_FOUND,
    ),
    Operation(
        method="POST",
        path="/api/sessions",
        summary="Sign in.",
        access="anybody",
        body=SignIn,
        status=201,
        answer=Tokens,
        refusals=(Refusal.CREDENTIALS_WRONG, Refusal.FORBIDDEN, *_NOT_FOUND, *_SLOWED),
    ),
    Operation(
        method="POST",
        path="/api/sessions/refresh",
        summary="Exchange a refresh token for new tokens.",
        access="anybody",
        body=Refresh,
        answer=Tokens,
        refusals=(Refusal.TOKEN_INVALID, Refusal.FORBIDDEN),
    ),
    Operation(
        method="GET",
        path="/api/sessions",
        summary="One's own sessions.",
        access="token",
        answer=SessionView,
        is_list=True,
    ),
    Operation(
        method="DELETE",
        path="/api/sessions/current",
        summary="Sign out.",
        access="token",
        status=204,
        refusals=_NOT_FOUND,
    ),
    Operation(
        method="DELETE",
        path="/api/sessions/{sessionId}",
        summary="End a session of one's own; an administrator, any.",
        access="token",
        status=204,
        refusals=_NOT_FOUND,
    ),
    Operation(
        method="GET", path="/api/keys", summary="Every API key.", answer=KeyView, is_list=True
    ),
    Operation(
        method="POST",
        path="/api/keys",
        summary="Make an API key; it is shown this once.",
        body=NewKey,
        status=201,
        answer=KeyView,
    ),
    Operation(
        method="GET",
        path="/api/keys/{keyId}",
        summary="One API key.",
        answer=KeyView,
        refusals=_NOT_FOUND,
    ),
    Operation(
        method="DELETE",
        path="/api/keys/{keyId}",
        summary="Revoke an API key.",
        status=204,
        refusals=_NOT_FOUND,
    ),
    Operation(
        method="POST",
        path="/api/keys/{keyId}/rotate",
        summary="Give an API key a new secret, beside which the one before is good for a while.",
        body=Rotation,
        answer=KeyView,
        refusals=_NOT_FOUND,
    ),
)


def refusals_of(operation: Operation) -> list[Refusal]:
    """Everything that may be answered instead, each once."""
    found = [Refusal.UNAVAILABLE, *operation.refusals]
    if operation.access != "anybody":
        found += [Refusal.UNAUTHENTICATED, Refusal.TOKEN_INVALID, Refusal.TOKEN_EXPIRED]
        found.append(Refusal.FORBIDDEN)  # a disabled account may do nothing at all
    if operation.body is not None:
        found += [Refusal.MALFORMED, Refusal.TOO_LARGE, Refusal.UNSUPPORTED_MEDIA_TYPE]
    if operation.body is not None or operation.parameters is not None:
        found.append(Refusal.INVALID)
    if IDEMPOTENCY_KEY in operation.headers:
        found.append(Refusal.KEY_REUSED)
    return list(dict.fromkeys(found))


def shapes() -> list[Any]:
    """Every class that the table names."""
    rows = [(row.body, row.parameters, row.answer, row.pages) for row in OPERATIONS]
    return list(dict.fromkeys(shape for row in rows for shape in row if shape is not None))
