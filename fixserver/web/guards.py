"""What Litestar asks before a handler runs: is every parameter one, and who is asking? It changes nothing.

Guards are coroutines: Litestar would run a plain function in a thread.
"""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from fixserver.web.errors import bad_request

PARAMETERS_MAX = 50
SECURITY: list[dict[str, list[str]]] = [{"token": []}, {"password": []}]  # one or the other, in the description


async def known_parameters(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuses a parameter that the path does not have, or has twice: a slip of the pen would change what is asked for."""
    asked = list(connection.query_params.multi_items())
    if not asked or connection.scope.get("method") == "OPTIONS":
        return
    known = _parameters(handler)
    seen: set[str] = set()
    for name, _ in asked[:PARAMETERS_MAX]:
        if name not in known:
            has = f"it has {', '.join(sorted(known))}" if known else "it has none"
            raise bad_request("unknown-parameter", f"{name}: this path has no such parameter; {has}")
        if name in seen:
            raise bad_request("repeated-parameter", f"{name}: is there twice")
        seen.add(name)


def _parameters(handler: BaseRouteHandler) -> frozenset[str]:
    """The names in the query that a handler takes: whatever else it is given comes from elsewhere."""
    fields = handler.parsed_fn_signature.parameters.items()
    definitions = [(name, field.kwarg_definition) for name, field in fields]
    return frozenset(found.name or name for name, found in definitions if isinstance(found, QueryParameter))


async def signed_in(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuses who does not say who he is; the participant is then the `user` of the request."""
    if connection.scope.get("method") == "OPTIONS":
        return  # which says what the path takes, and nothing else
    client = connection.client
    authorization = connection.headers.get("authorization")
    found = await connection.app.state.backend.sign_in.identify(authorization, client.host if client else "")
    connection.scope["user"] = found


Participant = NamedDependency[str]  # of a handler behind signed_in, which needs the dependency below


def participant(request: Request[Any, Any, Any]) -> str:
    """The dependency of this name: who is signed in."""
    found: str = request.scope["user"]
    return found
