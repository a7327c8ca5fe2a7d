"""This module owns every answer that is a no: exceptions in, the one envelope out."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiohttp import web

from gateway.broker.contract import BrokerUnavailable
from protocol.refusals import Refusal, Refused

logger = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ENDPOINT = "/socket.io/"  # Engine.IO has answers of its own

_REFUSALS_BY_STATUS = {
    404: Refusal.NOT_FOUND,
    405: Refusal.METHOD_NOT_ALLOWED,
    413: Refusal.TOO_LARGE,
    415: Refusal.UNSUPPORTED_MEDIA_TYPE,
}


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into the envelope; what begins is finished, come what may.

    A client that goes away in the middle must not leave half of its request done, so handlers are
    shielded; the polling of Engine.IO alone has to notice.
    """
    if request.path == _ENDPOINT:
        return await handler(request)
    request_id = secrets.token_hex(8)
    try:
        response = await asyncio.shield(asyncio.ensure_future(handler(request)))
    except Refused as refused:
        response = refusal_response(refused)
    except BrokerUnavailable as unavailable:
        response = refusal_response(
            Refused(Refusal.UNAVAILABLE, retry_after_ms=unavailable.retry_after_ms)
        )
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 - a redirect is no problem
            raise
        response = _http_problem(error)
    except Exception:
        logger.exception("! request failed", request_id=request_id, path=request.path)
        response = refusal_response(
            Refused(Refusal.INTERNAL, details={"requestId": request_id})
        )
    if not response.prepared:
        response.headers["X-Request-Id"] = request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def refusal_response(refused: Refused) -> web.Response:
    """The envelope of a refusal."""
    response = json_response({"error": refused.body()}, refused.refusal.status)
    if refused.retry_after_ms is not None:
        response.headers["Retry-After"] = str(math.ceil(refused.retry_after_ms / 1000))
    if refused.refusal.status == 401:  # noqa: PLR2004 - RFC 9110, section 15.5.2, asks for it
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def json_response(body: object, status: int = 200) -> web.Response:
    """Any JSON answer."""
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )


def _http_problem(error: web.HTTPException) -> web.Response:
    refusal = _REFUSALS_BY_STATUS.get(error.status, Refusal.MALFORMED)
    response = refusal_response(Refused(refusal))
    response.set_status(error.status)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
