"""What holds for every request before a handler sees it, and for every answer after; it knows no route.

Outside of Litestar, because its middleware sees no request that none of its routes takes. In this order: the rate of the
address, what another page may ask (CORS), what the answer is to look like (Accept), what is sent (Content-Type, length).
Every answer gets the headers that browsers are told to be careful by, and is counted. A body is read here, whole, up to
`request_bytes_max`: handlers have it at once or not at all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import msgspec

from fixserver.rates import Buckets, address_key, retry_after
from fixserver.web.counters import NO_ROUTE, RequestCounters
from fixserver.web.errors import ApiError, as_api_error, bad_request, too_many

BURST_SECONDS = 2  # of requests at the full rate that an address may send at once
# Of a body that is too long so much is still read, so that a client that sends before it listens hears why it was refused.
DISCARDED_BYTES_MAX = 16 * 2**20
DISCARDED_SECONDS_MAX = 5.0
PREFLIGHT_SECONDS = 600  # how long a browser may remember what it may ask
METHODS = frozenset(("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"))
WITH_A_BODY = frozenset(("POST", "PATCH", "PUT"))
API = "/v1/"

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; img-src 'self' data:"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_ALLOWED_TO_OTHERS = (
    (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
    (b"access-control-allow-headers", b"authorization, content-type"),
    (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
)

# As ASGI has them.
Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

log = logging.getLogger("fixserver.web")


class Edge:
    """An ASGI application around another."""

    def __init__(
        self, app: Application, counters: RequestCounters, *, methods: Mapping[str, Collection[str]], origins: list[str],
        requests_per_second: int, request_bytes_max: int, monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`methods` are those of each route, which Litestar does not tell whole where they have handlers of their own."""
        self._app = app
        self._allow = {route: _allow(those) for route, those in methods.items()}
        self._counters = counters
        self._origins = frozenset(origins)
        self._rates = Buckets(requests_per_second, max(BURST_SECONDS * requests_per_second, 1))
        self._bytes_max = request_bytes_max
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)  # of the life of the process
            return
        started = self._monotonic()
        headers = dict(scope["headers"])
        answer = _Answer(scope, send, self._cors(headers))
        asked = scope
        try:
            client = scope.get("client")
            wait = self._rates.take(address_key(client[0] if client else ""), started)
            if wait:
                raise too_many("too-many-requests", "too many requests from your address: wait a little", retry_after(wait))
            if _is_preflight(scope, headers):
                await answer.empty(204, _ALLOWED_TO_OTHERS if answer.cors else ())
                return
            if scope["method"] != "OPTIONS" and scope["path"].startswith(API) and not accepts_json(headers.get(b"accept", b"")):
                raise ApiError(406, "not-acceptable", "what is asked for here is JSON: Accept is to allow application/json")
            body = await self._body(scope, headers, receive)
            if scope["method"] == "HEAD":
                asked = {**scope, "method": "GET"}
            answer.scope, answer.allow = asked, self._allow
            await self._app(asked, _replayed(body, receive), answer.send)
        except Exception as error:  # whatever it is, it is answered
            if answer.status:
                log.exception("%s %s: broke off its answer", scope["method"], scope["path"])
                raise
            await answer.error(as_api_error(error, f"{scope['method']} {scope['path']}"))
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = str(asked.get("path_template") or NO_ROUTE)
            self._counters.add(method, route, answer.status, self._monotonic() - started)

    def _cors(self, headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """What the answer says to a page of elsewhere that may read it."""
        origin = headers.get(b"origin", b"")
        if not origin or not self._origins:
            return []
        if "*" in self._origins:
            allowed = b"*"
        elif origin.decode("latin-1") in self._origins:
            allowed = origin
        else:
            return []
        return [(b"access-control-allow-origin", allowed), (b"access-control-expose-headers", b"retry-after, etag")]

    async def _body(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The whole body. Raises ApiError: 413, 415."""
        told = headers.get(b"content-length", b"")
        length = int(told) if told.isdigit() else 0
        if length > self._bytes_max and b"expect" in headers:
            raise self._too_long()  # it waits to be told whether to send it
        parts: list[bytes] = []
        size, until = 0, 0.0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ApiError(400, "cut-off", "the request ended before its body did")
            part = message.get("body", b"")
            size += len(part)
            if size <= self._bytes_max:
                parts.append(part)
            else:
                parts.clear()
                until = until or self._monotonic() + DISCARDED_SECONDS_MAX
            if not message.get("more_body", False) or size > DISCARDED_BYTES_MAX or (until and self._monotonic() > until):
                break
        if size > self._bytes_max:
            raise self._too_long()
        body = b"".join(parts)
        wanted = scope["method"] in WITH_A_BODY and scope["path"].startswith(API)
        if body and wanted and not _is_json(headers.get(b"content-type", b"")):
            raise ApiError(415, "not-json", "a body is to be JSON, sent with Content-Type: application/json")
        if body and wanted:
            _check_json(body)
        return body

    def _too_long(self) -> ApiError:
        return ApiError(413, "too-long", f"a request's body is at most {self._bytes_max:,} bytes", {"connection": "close"})


class _Answer:
    """The answer to one request, on its way out."""

    def __init__(self, scope: Scope, send: Send, cors: list[tuple[bytes, bytes]]) -> None:
        self.status = 0
        self.cors = cors
        self.scope = scope
        self.allow: Mapping[str, bytes] = {}
        self._bare = scope["method"] == "HEAD"
        self._private = scope["path"].startswith(API)
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._dress(message)
        elif message["type"] == "http.response.body" and self._bare:
            message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
        await self._send(message)

    def _dress(self, message: Message) -> None:
        self.status = message["status"]
        allow = self.allow.get(str(self.scope.get("path_template")), b"")
        headers = [
            (name, value if name != b"allow" else allow or _allow(value.decode("latin-1").split(", ")))
            for name, value in message["headers"]
        ]
        there = {name.lower() for name, _ in headers}
        headers += [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in there]
        if self._private and b"cache-control" not in there:
            headers.append((b"cache-control", b"no-store"))
        if self.cors:
            headers += self.cors
            headers.append((b"vary", b"origin"))
        message["headers"] = headers

    async def empty(self, status: int, headers: Any) -> None:
        await self.send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def error(self, error: ApiError) -> None:
        body = error.body()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(name.encode(), value.encode()) for name, value in error.headers.items()]
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


def _allow(methods: Collection[str]) -> bytes:
    """The header, in order: who may GET may ask for the head."""
    return ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods)).encode()


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out a body that was read before, and then what comes."""
    told = False

    async def replay() -> Any:
        nonlocal told
        if not told:
            told = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


def _check_json(body: bytes) -> None:
    """Raises ApiError: 400. Handlers decode it again, into what they want: then it is JSON, and no deeper than can be."""
    try:
        msgspec.json.decode(body)
        body.decode()
    except UnicodeDecodeError:
        raise bad_request("malformed", "the body is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise bad_request("malformed", str(error)) from None
    except RecursionError:
        raise bad_request("malformed", "the body is nested too deeply") from None


def _is_preflight(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    return scope["method"] == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers


def _is_json(content_type: bytes) -> bool:
    kind = content_type.partition(b";")[0].strip().lower()
    return kind == b"application/json"


def accepts_json(accept: bytes) -> bool:
    """Whether an Accept header takes application/json."""
    if not accept.strip():
        return True
    best: tuple[int, bool] | None = None  # how closely it was named, and whether it is wanted
    for part in accept.split(b","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(b";"))
        closeness = {b"application/json": 3, b"application/*": 2, b"*/*": 1, b"*": 1}.get(kind, 0)
        if closeness and (best is None or closeness > best[0]):
            best = closeness, not any(_is_zero(parameter) for parameter in parameters)
    return best is not None and best[1]


def _is_zero(parameter: bytes) -> bool:
    name, _, value = parameter.partition(b"=")
    return name.strip() == b"q" and value.strip(b" 0.") == b"" and value.strip() != b""
