"""This module owns every answer that is a no: exceptions in, the one envelope out."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextvars import ContextVar
from typing import Final

import msgspec
import structlog
from aiohttp import hdrs, web
from structlog.contextvars import STRUCTLOG_KEY_PREFIX

from gateway.addresses import Network, address_of
from gateway.broker.contract import BrokerUnavailable
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.rest.access_log import GONE, AccessLog
from gateway.users.store import StoreUnavailable
from protocol.refusals import Refusal, Refused

logger = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ENDPOINT: Final = "/socket.io/"  # Engine.IO has answers of its own
_PRIVATE: Final = "/api/"
# On every answer; pages for people say themselves what they load.
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "paceline",  # and not of which versions it is made
}
# In the form that answers have them in: to copy that is a quarter of the work.
_HEADERS_OF_JSON: Final = web.Response(headers=HEADERS, content_type="application/json").headers
# Every line that is written while a request is handled says which one. By this name structlog finds
# it; its own way to bind costs many times as much.
_LOGGED_REQUEST_ID: Final[ContextVar[str]] = ContextVar(f"{STRUCTLOG_KEY_PREFIX}request_id")
READING: Final = frozenset({"GET", "HEAD"})  # what may be given up at any point
REQUEST_ID: Final = web.RequestKey("request_id", str)
# What a handler says of how to authenticate, where it is not with a token.
CHALLENGE: Final = web.RequestKey("challenge", str)
_UNAUTHORIZED: Final = 401
_BEARER: Final = "Bearer"
_FIRST_PROBLEM: Final = 400  # below it there are successes and redirects
_FIRST_BUG: Final = 500

_REFUSALS_BY_STATUS = {
    404: Refusal.NOT_FOUND,
    405: Refusal.METHOD_NOT_ALLOWED,
    413: Refusal.TOO_LARGE,
    415: Refusal.UNSUPPORTED_MEDIA_TYPE,
}


class Problems:
    """Answers whatever a handler raises, counts it, and notes what strangers do wrong."""

    def __init__(
        self,
        metrics: Metrics,
        offences: Offences,
        tell: Callable[[web.Request, MutableMapping[str, str]], None] | None = None,
        access_log: AccessLog | None = None,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self._metrics = metrics
        self._offences = offences
        self._tell = tell  # adds what else there is to say to the headers of any answer
        self._access_log = access_log
        self._trusted_proxies = trusted_proxies

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn what `handler` raises into the envelope; what begins is finished, come what may.

        A client that goes away in the middle must not leave half of its request done, so handlers
        that change something are shielded; the polling of Engine.IO has to notice, and reading may.
        """
        if request.path == _ENDPOINT:
            return _with_headers(await handler(request))
        request_id = f"{random.getrandbits(64):016x}"
        request[REQUEST_ID] = request_id
        bound = _LOGGED_REQUEST_ID.set(request_id)
        try:
            if self._access_log is None:
                response = await self._answered(request, handler, request_id)
            else:
                response = await self._noted(self._access_log, request, handler, request_id)
        finally:
            _LOGGED_REQUEST_ID.reset(bound)
        if not response.prepared:
            headers = response.headers
            headers["X-Request-Id"] = request_id
            _with_headers(response)
            if request.path.startswith(_PRIVATE):
                headers.setdefault("Cache-Control", "no-store")
            if self._tell is not None:
                self._tell(request, headers)
        return response

    async def _answered(
        self, request: web.Request, handler: Handler, request_id: str
    ) -> web.StreamResponse:
        try:
            if request.method in READING:
                return await handler(request)
            return await asyncio.shield(asyncio.ensure_future(handler(request)))
        except Exception as error:  # noqa: BLE001 - each kind has its answer
            return self._answer_to(error, request, request_id)

    async def _noted(
        self, log: AccessLog, request: web.Request, handler: Handler, request_id: str
    ) -> web.StreamResponse:
        began_seconds, status = time.perf_counter(), GONE
        try:
            response = await self._answered(request, handler, request_id)
            status = response.status
        except web.HTTPException as redirect:
            status = redirect.status
            raise
        finally:
            log.note(request, status, time.perf_counter() - began_seconds)
        return response

    def _answer_to(
        self, error: Exception, request: web.Request, request_id: str
    ) -> web.StreamResponse:
        match error:
            case Refused():
                self._note(error, request)
                return refusal_response(error, request.get(CHALLENGE, _BEARER))
            case BrokerUnavailable() | StoreUnavailable():
                return refusal_response(self._counted(not_now(error)))
            case web.HTTPException() if error.status < _FIRST_PROBLEM:
                raise error
            case web.HTTPException():
                return self._http_problem(error, request)
        logger.error("! request failed", path=request.path, exc_info=error)
        details = {"requestId": request_id}
        return refusal_response(self._counted(Refused(Refusal.INTERNAL, details=details)))

    def _http_problem(self, error: web.HTTPException, request: web.Request) -> web.Response:
        """A no of aiohttp itself, for instance to a path that leads nowhere."""
        refused = Refused(_REFUSALS_BY_STATUS.get(error.status, Refusal.MALFORMED))
        self._note(refused, request)
        response = refusal_response(refused)
        response.set_status(error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response

    def _note(self, refused: Refused, request: web.Request) -> None:
        code = self._counted(refused).refusal.code
        address = address_of(request, self._trusted_proxies)
        self._offences.note("refused", address, path=request.path, code=code, why=refused.message)

    def _counted(self, refused: Refused) -> Refused:
        self._metrics.note_refusal(refused.refusal)
        return refused


def _with_headers(response: web.StreamResponse) -> web.StreamResponse:
    """The same answer, which also says how it is to be taken."""
    headers = response.headers
    if hdrs.SERVER not in headers and not response.prepared:  # most have them from the start
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
    return response


def not_now(unavailable: BrokerUnavailable | StoreUnavailable) -> Refused:
    """The no that invites to try again."""
    return Refused(Refusal.UNAVAILABLE, retry_after_ms=unavailable.retry_after_ms)


def refusal_response(refused: Refused, challenge: str = _BEARER) -> web.Response:
    """The envelope of a refusal."""
    response = json_response({"error": refused.body()}, refused.refusal.status)
    if refused.retry_after_ms is not None:
        response.headers["Retry-After"] = str(math.ceil(refused.retry_after_ms / 1000))
    if refused.refusal.status == _UNAUTHORIZED:  # RFC 9110, section 15.5.2, asks for it
        response.headers["WWW-Authenticate"] = challenge
    return response


def unreadable_response(status: int) -> web.Response:
    """The envelope of a no to what is not HTTP, or more of it than is read; or of a bug with it."""
    is_bug = status >= _FIRST_BUG
    refusal = Refusal.INTERNAL if is_bug else _REFUSALS_BY_STATUS.get(status, Refusal.MALFORMED)
    response = refusal_response(Refused(refusal))
    response.set_status(status)
    _with_headers(response)
    return response


def json_response(body: object, status: int = 200) -> web.Response:
    """Any JSON answer; bytes are JSON already."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return web.Response(status=status, body=raw, headers=_HEADERS_OF_JSON)
