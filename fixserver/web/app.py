"""The REST application: all routes, and what they have in common; it answers no request itself.

`create_app` makes an ASGI application of a Backend. Order entry is in fixserver/web/orders.py, the stream in
fixserver/web/socket.py: here are the routes of market and account, who signs in, the description and the files.
"""

from __future__ import annotations

import functools
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, Request, Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.routes import HTTPRoute

from fixserver.web import account, clearing, market, orders, session
from fixserver.web.backend import Backend
from fixserver.web.edge import Edge
from fixserver.web.errors import answer_error
from fixserver.web.guards import known_parameters
from fixserver.web.static import IS_COMPRESSED, Asset, asset, assets, below, file_routes

__all__ = ["Backend", "create_app"]

HERE = Path(__file__).parent
COMPRESSED_BYTES_MIN = 1_024
COMPRESSION_LEVEL = 1  # it is done in the thread that sends the feed

DESCRIPTION = """\
Prices, quantities and money are decimal text, times are UTC with nanoseconds. Every error is
`{"error": {"code": …, "message": …}}`: `code` is for programs, `message` for people.

Sign in by `POST /v1/login` and send the token as `Authorization: Bearer …`, or send name and password with every request
(`Authorization: Basic …`). Neither is ever taken from a URL.

The stream of everything that happens is a WebSocket at `/v1/stream`; docs/web-api.md tells its messages.
"""
TAGS = [
    Tag("market", "For everybody."),
    Tag("session", "Signing in and out."),
    Tag("account", "What a participant has and did."),
    Tag("orders", "Orders, which go to the exchange over FIX like any other."),
]


def create_app(backend: Backend) -> Edge:
    """The application for uvicorn. Raises OSError where its own files cannot be read."""
    web = backend.config.web
    app = Litestar(
        route_handlers=[_routes(), file_routes(_files())],
        dependencies={"backend": Provide(_backend, sync_to_thread=False)},
        state=State({"backend": backend}),
        exception_handlers={Exception: answer_error},
        compression_config=CompressionConfig(
            backend="gzip", minimum_size=COMPRESSED_BYTES_MIN, gzip_compress_level=COMPRESSION_LEVEL, exclude_opt_key=IS_COMPRESSED
        ),
        openapi_config=None,  # it would bring pages of its own, which fetch what they are made of from elsewhere
        logging_config=None,
        debug=False,
    )
    methods = {route.path_format: route.methods for route in app.routes if isinstance(route, HTTPRoute)}
    return Edge(
        app, backend.counters, methods=methods, origins=web.origins, requests_per_second=web.requests_per_second,
        request_bytes_max=web.request_bytes_max,
    )  # fmt: skip


@functools.cache
def _files() -> dict[str, Asset]:
    """By what they are asked for at: the page, the description, the document that it shows. They come with the program."""
    files = below("/", assets(HERE / "page")) | below("/docs", assets(HERE / "docs"))
    return files | {"/openapi.json": asset(msgspec.json.encode(description()), "openapi.json")}


def description() -> dict[str, Any]:
    """The OpenAPI document."""
    dependencies = {"backend": Provide(_backend, sync_to_thread=False)}
    app = Litestar([_routes()], dependencies=dependencies, openapi_config=_openapi(), logging_config=None)
    document = app.openapi_schema.to_schema()
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _present(parameter["schema"])
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    # An empty book is one by price and by order.
                    if "oneOf" in content["schema"]:
                        content["schema"]["anyOf"] = content["schema"].pop("oneOf")
            for content in operation.get("requestBody", {}).get("content", {}).values():
                name = content["schema"]["$ref"].rpartition("/")[2]
                document["components"]["schemas"][name]["additionalProperties"] = False  # a slip of the pen is no request
    return document


def _routes() -> Router:
    return Router(
        "/v1",
        guards=[known_parameters],
        route_handlers=[
            market.market_router, session.session_router, account.account_router, clearing.clearing_router, orders.orders_router,
        ],
    )


def _present(schema: dict[str, Any]) -> dict[str, Any]:
    """What a parameter is where it is there: None in a signature is one that is not, and nothing that a query could say."""
    kinds = [kind for kind in schema.get("oneOf", ()) if kind != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "oneOf"}
    return rest | kinds[0] if len(kinds) == 1 else schema


def _backend(request: Request[Any, Any, Any]) -> Backend:
    found: Backend = request.app.state.backend
    return found


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="fixserver",
        version=version("fixserver"),
        description=DESCRIPTION,
        tags=TAGS,
        openapi_router=Router("/nowhere", route_handlers=[], include_in_schema=False),
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer", description="A token of POST /v1/login."),
                "password": SecurityScheme(type="http", scheme="basic", description="A participant's name and password."),
            }
        ),
    )
