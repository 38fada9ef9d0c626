"""What goes wrong with a request, as its answer says it; nothing of the inside of the process is ever in it.

Every error has one shape, whoever noticed it: {"error": {"code": "unknown-symbol", "message": "XYZ is not traded here"}}.
A handler raises ApiError. Litestar's own exceptions become the same here, and what nobody expected is a 500 that says so
and is written to the log with all that is known.
"""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec

MESSAGE_CHARACTERS_MAX = 500  # what a request said may be quoted in a message

log = logging.getLogger("fixserver.web")

# The words for a status where whoever raised it had none of his own.
CODES = {
    400: "bad-request",
    401: "not-signed-in",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "conflict",
    413: "too-long",
    415: "not-json",
    422: "refused",
    429: "too-many-requests",
    500: "internal-error",
    503: "unavailable",
    504: "no-answer",
}
DESCRIPTIONS = {
    400: "malformed JSON, a parameter that is none, a value that cannot be",
    401: "not signed in, wrong name or password, a token that is none or has expired",
    403: "signed in, but not for this: somebody else's account, a suspended participant",
    404: "no such path, symbol, order",
    405: "the wrong method",
    406: "no JSON wanted",
    408: "the request did not arrive in time; the connection is closed",
    409: "the order is not what the request takes it for: it has ended, the ClOrdID was used before",
    413: "the body is longer than the venue takes",
    415: "no JSON sent",
    422: "the venue refused the order; `code` names the reason",
    429: "too many requests from this address, or orders of this participant; Retry-After says when",
    431: "request line and headers are too long",
    500: "a mistake of the venue's",
    503: "the exchange, the ledger or the history cannot be reached now",
    504: "the exchange did not answer in time: the order may have been taken",
}
EVERYWHERE = (400, 406, 408, 413, 429, 431, 500)  # what any request may be answered with


class Fault(msgspec.Struct, frozen=True):
    """`code` is for programs and stays as it is, `message` is for people."""

    code: str
    message: str


class ErrorBody(msgspec.Struct, frozen=True):
    """What every request that went wrong is answered with."""

    error: Fault


class ApiError(Exception):
    """A request went wrong: the answer's status, and what it says."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        return msgspec.json.encode(ErrorBody(Fault(self.code, printable(self.message))))


def bad_request(code: str, message: str) -> ApiError:
    return ApiError(400, code, message)


def not_signed_in(message: str) -> ApiError:
    # Bearer alone: for Basic a browser would put up a window of its own.
    return ApiError(401, "not-signed-in", message, {"www-authenticate": 'Bearer realm="fixserver"'})


def unavailable(code: str, message: str, retry_seconds: int = 1) -> ApiError:
    """Something cannot be reached now, and may be if asked again that much later."""
    return ApiError(503, code, message, {"retry-after": str(retry_seconds)})


def too_many(code: str, message: str, retry_seconds: int) -> ApiError:
    return ApiError(429, code, message, {"retry-after": str(retry_seconds)})


def errors(*statuses: int) -> dict[int, ResponseSpec]:
    """The OpenAPI responses for these, and for what any request may be answered with."""
    return {
        status: ResponseSpec(ErrorBody, description=DESCRIPTIONS[status], generate_examples=False)
        for status in sorted({*EVERYWHERE, *statuses})
    }


def printable(text: str) -> str:
    """`text` as it may stand in a message: in one line, not too long, and nothing in it that cannot be encoded."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: MESSAGE_CHARACTERS_MAX + 1])
    return shown if len(shown) <= MESSAGE_CHARACTERS_MAX else shown[: MESSAGE_CHARACTERS_MAX - 1] + "…"


# ------------------------------------------------------------------------------------------------ for Litestar


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to a request in which `error` was raised: Litestar's exception handler for all there are."""
    said = as_api_error(error, f"{request.method} {request.url.path}")
    return Response(said.body(), status_code=said.status, headers=said.headers, media_type="application/json")


def as_api_error(error: Exception, where: str) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException) and error.status_code < 500:
        status = error.status_code
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        return ApiError(status, CODES.get(status, "bad-request"), _message(error, status), headers)
    log.error("%s: %s", where, error, exc_info=error)
    return ApiError(500, CODES[500], "something is wrong here, not with the request; it has been written to the log")


def _message(error: HTTPException, status: int) -> str:
    """What Litestar says of it, without its own words around it."""
    if status == 404:
        return "there is no such path; /docs shows those that there are"
    if status == 405:
        return "this path does not take that method; Allow says which it takes"
    extra = getattr(error, "extra", None)
    if isinstance(extra, list) and extra:
        found = [_complaint(entry) for entry in extra if isinstance(entry, dict)]
        if found:
            return "; ".join(found)
    return error.detail.partition(" for path ")[0] or http.HTTPStatus(status).phrase


def _complaint(entry: dict[str, Any]) -> str:
    key, message = str(entry.get("key", "")), str(entry.get("message", ""))
    if message == "'data'":  # the name of the handler's argument, for which there is no body
        return "a body is needed, in JSON"
    message = message[:1].lower() + message[1:]
    return f"{key}: {message}" if key and key != "data" else message
