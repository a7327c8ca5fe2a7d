"""This module owns what an operation over HTTP is: a row of the table, and what it may refuse."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from protocol.paces import Pace
from protocol.refusals import Refusal

IF_MATCH: Final = "If-Match"
IF_NONE_MATCH: Final = "If-None-Match"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
LAST_EVENT_ID: Final = "Last-Event-ID"
JSON: Final = "application/json"
GEOJSON: Final = "application/geo+json"
EVENT_STREAM: Final = "text/event-stream"
HEADERS: Final = {
    IF_MATCH: "The `ETag` of the version that is meant; another version is answered 412.",
    IF_NONE_MATCH: "The `ETag` of the version that is known; the same one is answered 304.",
    IDEMPOTENCY_KEY: "1 to 128 characters of ASCII; the same key again does nothing new.",
    LAST_EVENT_ID: "The `id` of the last event that was read; it counts for more than `since`.",
}
IDEMPOTENCY_KEY_PATTERN: Final = "^[!-~]([ -~]{0,126}[!-~])?$"


class OtherBody(msgspec.Struct, frozen=True):
    """A body of another media type: one of the shape, or a list."""

    media_type: str
    shape: type[msgspec.Struct]
    items_most: int = 0  # it is a list of so many, each of which is judged by itself


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A row: one method of one path. `refusals` are those beside what `access` and `body` bring."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    summary: str
    access: Literal["anybody", "token", "basic", "operator", "admin"] = "admin"
    body: type[msgspec.Struct] | None = None
    other_bodies: tuple[OtherBody, ...] = ()  # as others have described them
    items_most: int = 0  # the body may also be a list of so many; each item is judged by itself
    parameters: type[msgspec.Struct] | None = None
    headers: tuple[str, ...] = ()
    status: int = 200
    answer: type[msgspec.Struct] | None = None
    media_types: tuple[str, ...] = (JSON,)  # of the answer
    other_answer: str = ""  # what else may be answered as JSON, without the envelope
    is_partly_open: bool = False  # whether some of it is for everybody, without a token
    is_list: bool = False
    is_bare: bool = False  # whether the answer is an empty list, as a foreign program wants it
    pages: type[msgspec.Struct] | None = None
    refusals: tuple[Refusal, ...] = ()
    limited_as: Pace | None = None  # None: by the method, and strictly where anybody may ask

    @property
    def pace(self) -> Pace:
        """The class of requests whose limit it has."""
        if self.limited_as is not None:
            return self.limited_as
        if self.method == "GET":
            return "read"
        return "sign-in" if self.access == "anybody" else "write"

    @property
    def other_shapes(self) -> list[type[msgspec.Struct]]:
        """Those of the bodies of other media types."""
        return [other.shape for other in self.other_bodies]

    @property
    def name(self) -> str:
        """A name of its own, for tools: the method and the words of the path."""
        words = [part.strip("{}") for part in self.path.split("/")[2:]]
        return "-".join([self.method.lower(), *words])


NOT_FOUND: Final = (Refusal.NOT_FOUND,)
CHANGED: Final = (Refusal.NOT_FOUND, Refusal.PRECONDITION_FAILED)
TAKEN: Final = (*CHANGED, Refusal.EMAIL_TAKEN, Refusal.CONFLICT)
USER: Final = "/api/users/{userId}"


def refusals_of(operation: Operation) -> list[Refusal]:
    """Everything that may be answered instead, each once."""
    # Any request may be one that cannot be read: a URL or a header that is too long, for instance.
    found = [Refusal.UNAVAILABLE, Refusal.TOO_FAST, Refusal.MALFORMED, *operation.refusals]
    if operation.access != "anybody":
        found += [Refusal.UNAUTHENTICATED, Refusal.TOKEN_INVALID, Refusal.TOKEN_EXPIRED]
        found.append(Refusal.FORBIDDEN)  # a disabled account may do nothing at all
    if operation.body is not None:
        found += [Refusal.TOO_LARGE, Refusal.UNSUPPORTED_MEDIA_TYPE]
    if operation.body is not None or operation.parameters is not None:
        found.append(Refusal.INVALID)
    if IDEMPOTENCY_KEY in operation.headers:
        found.append(Refusal.KEY_REUSED)
    return list(dict.fromkeys(found))
