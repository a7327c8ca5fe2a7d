"""This module owns one HTTP connection that is kept open between requests."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

# An answer is some 100 bytes for each event; whoever sends more is no gateway.
_ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
_SCHEMES = frozenset({"http", "https"})


class NotReached(Exception):
    """No answer came; whether the request was read is not known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway, or whoever stands before it, has said."""

    status: int
    retry_after: str | None
    body: bytes


class Connection:
    """One request at a time. Redirects are not followed: they would carry the token elsewhere."""

    def __init__(self, url: str, timeout_seconds: float, context: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("the gateway's address is one such as https://bikes.example")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a token is an argument of its own, and not part of an address")
        self._prefix = parts.path.rstrip("/")
        self._http = (
            http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout_seconds, context=context
            )
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_seconds)
        )

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises `NotReached`; the next request opens a new connection then."""
        try:
            self._http.request("POST", self._prefix + path, body, dict(headers))
            response = self._http.getresponse()
            content = response.read(_ANSWER_LIMIT_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NotReached(f"{type(error).__name__}: {error}") from error
        if len(content) > _ANSWER_LIMIT_BYTES:
            self.close()
            raise NotReached("the answer has no end")
        if response.length:  # http.client says nothing when fewer bytes come than were announced
            self.close()
            raise NotReached("the answer was cut off")
        return Answer(response.status, response.headers.get("Retry-After"), content)

    def close(self) -> None:
        """Let go of the socket; a later request opens a new one."""
        self._http.close()
