"""Errors as HTTP: the status of every code, and one shape for all of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel

from control_api.tokens.auth import AuthError
from signaling.errors import ErrorCode, LiveError

from .request_log import REQUEST_ID, method_of, route_of

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUS: Final[dict[ErrorCode, int]] = {
    "invalid_json": 400,
    "invalid_sdp": 400,
    "unknown_type": 400,
    "token_missing": 401,
    "token_invalid": 401,
    "token_expired": 401,
    "issuer_unavailable": 503,
    "payment_refused": 402,
    "forbidden": 403,
    "gifts_disabled": 403,
    "kicked": 403,
    "banned": 403,
    "session_locked": 403,
    "guests_not_allowed": 403,
    "chat_disabled": 403,
    "silenced": 403,
    "not_found": 404,
    "gift_not_found": 404,
    "session_not_found": 404,
    "participant_not_found": 404,
    "request_not_found": 404,
    "ban_not_found": 404,
    "message_not_found": 404,
    "method_not_allowed": 405,
    "already_live": 409,
    "already_on_stage": 409,
    "request_pending": 409,
    "invitation_pending": 409,
    "request_answered": 409,
    "not_a_guest": 409,
    "wrong_role": 409,
    "stage_full": 409,
    "session_full": 409,
    "locked_by_host": 409,
    "not_joined": 409,
    "stale_answer": 409,
    "unknown_connection": 409,
    "unknown_producer": 409,
    "session_ended": 410,
    "body_too_large": 413,
    "invalid_request": 422,
    "unknown_reaction": 422,
    "request_too_soon": 429,
    "rate_limited": 429,
    "slow_mode": 429,
    "internal_error": 500,
    "database_unavailable": 503,
    "media_unavailable": 503,
    "payment_unavailable": 503,
}

CALLER_GONE: Final = 499
"""nginx's number for a caller who hung up before the answer."""

_HEADERS: Final[dict[int, dict[str, str]]] = {401: {"WWW-Authenticate": "Bearer"}}
_OF_AIOHTTP: Final[dict[int, ErrorCode]] = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


class ErrorBody(BaseModel):
    code: ErrorCode
    message: str
    details: Any = None


class ErrorAnswer(BaseModel):
    """The one shape of all errors."""

    error: ErrorBody


def error_response(failure: LiveError, headers: dict[str, str] | None = None) -> web.Response:
    body = ErrorBody(code=failure.code, message=failure.message)
    if failure.details is not None:
        body = ErrorBody(code=failure.code, message=failure.message, details=failure.details)
    status = STATUS[failure.code]
    more = dict(headers or {})
    if failure.retry_after_s is not None:
        # Whole seconds (RFC 9110, section 10.2.3), and never at once.
        more["Retry-After"] = str(max(1, math.ceil(failure.retry_after_s)))
    return web.Response(
        status=status,
        body=ErrorAnswer(error=body).model_dump_json(exclude_unset=True).encode(),
        content_type="application/json",
        headers={**_HEADERS.get(status, {}), **more},
    )


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong in a handler leaves as an `ErrorAnswer`; what was not foreseen is logged and not told."""
    try:
        return await handler(request)
    except LiveError as failure:
        return error_response(failure)
    except AuthError as failure:
        return error_response(as_live_error(failure))
    except web.HTTPException as failure:
        headers = {"Allow": failure.headers["Allow"]} if "Allow" in failure.headers else None
        return error_response(LiveError(_OF_AIOHTTP.get(failure.status, "invalid_request")), headers)
    except Exception as failure:
        if isinstance(failure, ConnectionError) and request.transport is None:
            # In the middle of a body, or of the answer. aiohttp would log it as a defect.
            return web.Response(status=CALLER_GONE, reason="Client Closed Request")
        logger.exception("%s %s failed", method_of(request), route_of(request))
        return error_response(LiveError("internal_error", details={"request_id": request.get(REQUEST_ID)}))


def as_live_error(failure: AuthError) -> LiveError:
    """A refused token, in the words of the API."""
    return LiveError(failure.code, retry_after_s=failure.retry_after_s)
