"""This module owns every no and every parting: the codes, what they mean, who may come back."""

from __future__ import annotations

import enum
from typing import Any


class Refusal(enum.Enum):
    """A no to one request: `(HTTP status, sentence)`; the member's name is the code on the wire."""

    MALFORMED = (400, "The request could not be read.")
    INVALID_ROOM = (400, "A room's name is a string of 1 to 200 printable characters.")
    INVALID_CURSOR = (400, "`since` is not a cursor that this gateway gave out.")
    UNKNOWN_EVENT = (400, "There is no such event.")
    RESERVED_EVENT = (400, "That event name belongs to the gateway or to Socket.IO.")
    UNAUTHENTICATED = (401, "A token is needed.")
    CREDENTIALS_WRONG = (401, "The e-mail address or the password is wrong.")
    SIGN_IN_FAILED = (401, "The provider did not say who this is.")
    TOKEN_INVALID = (401, "The token is not valid here.")
    TOKEN_EXPIRED = (401, "The token has expired.")
    SIGN_IN_AGAIN = (403, "That takes a sign-in of the last few minutes.")
    FORBIDDEN = (403, "This identity may not do that.")
    TOO_MANY_ROOMS = (403, "This socket is in as many rooms as it may be.")
    NOT_FOUND = (404, "There is nothing here.")
    METHOD_NOT_ALLOWED = (405, "The resource has no such method.")
    CONFLICT = (409, "The resource has changed in the meantime.")
    EMAIL_TAKEN = (409, "Another user has that e-mail address.")
    CURSOR_GONE = (410, "The room's history does not reach from that cursor to now.")
    PRECONDITION_FAILED = (412, "The resource is not, or no longer, what If-Match says it is.")
    TOO_LARGE = (413, "The request is larger than the gateway takes.")
    UNSUPPORTED_MEDIA_TYPE = (415, "The body must be JSON.")
    INVALID = (422, "Some fields are not right; `details.fields` names each of them.")
    KEY_REUSED = (422, "The idempotency key was used for another request.")
    TOO_FAST = (429, "Too many requests; slow down.")
    INTERNAL = (500, "Internal server error")
    UNAVAILABLE = (503, "The gateway cannot do this right now; try again.")

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        self.sentence = sentence

    @property
    def code(self) -> str:
        """The code on the wire."""
        return self.name


class Goodbye(enum.Enum):
    """A parting: `(code, reason)`. 3000-3499: come back; 3500-3999: do not."""

    SHUTTING_DOWN = (3000, "the gateway is going away")
    TOO_SLOW = (3001, "too much was waiting to be read")
    TOKEN_EXPIRED = (3002, "the token has expired")
    TOO_FAST = (3003, "too many requests")
    OUT_OF_STEP = (3004, "the gateway lost its place; join again")
    REMOVED = (3500, "an operator removed this socket")
    DISABLED = (3501, "the account is disabled")
    REVOKED = (3502, "the key or session was revoked")
    PROTOCOL_ERROR = (3503, "what was sent is not Socket.IO")

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason

    @property
    def may_return(self) -> bool:
        """Whether the peer is welcome to connect again."""
        return self.code < 3500  # noqa: PLR2004 - the border is the contract's


class Refused(Exception):
    """A no to one request; it carries its own answer."""

    def __init__(
        self,
        refusal: Refusal,
        message: str | None = None,
        details: Any = None,  # noqa: ANN401 - anything that JSON can hold
        retry_after_ms: int | None = None,
    ) -> None:
        self.refusal = refusal
        self.message = message or refusal.sentence
        self.details = details
        self.retry_after_ms = retry_after_ms
        super().__init__(refusal.code, self.message)

    def body(self) -> dict[str, Any]:
        """The `error` member of the envelope; `details` says when to retry, if that is known."""
        body: dict[str, Any] = {"code": self.refusal.code, "message": self.message}
        details = self.details
        if self.retry_after_ms is not None:
            details = {**(details or {}), "retryAfterMs": self.retry_after_ms}
        if details is not None:
            body["details"] = details
        return body
