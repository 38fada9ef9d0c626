"""Signing in and out: POST /v1/login and /v1/logout."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Router, post
from litestar.params import JSONBody

from fixserver.web.auth import NAME_CHARACTERS_MAX, PASSWORD_CHARACTERS_MAX
from fixserver.web.backend import Asked
from fixserver.web.errors import errors
from fixserver.web.guards import SECURITY, signed_in
from marketdata.shapes import iso_time


class Credentials(msgspec.Struct, forbid_unknown_fields=True):
    """A participant's name and password, as on his FIX session."""

    name: Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS_MAX)]
    password: Annotated[str, msgspec.Meta(max_length=PASSWORD_CHARACTERS_MAX)]


class Login(msgspec.Struct):
    """A token, and until when it is one."""

    token: str
    expires: str
    participant: str


@post("/login", status_code=200, responses=errors(400, 401, 403, 413, 415, 429), operation_id="login", security=[])
async def login(request: Request[Any, Any, Any], backend: Asked, data: JSONBody[Credentials]) -> Login:
    """Sign in.

    The token goes into `Authorization: Bearer …`. It ends by `POST /v1/logout`, in time, and with the password that it was
    given for.
    """
    token, found = await backend.sign_in.login(data.name, data.password, request.client.host if request.client else "")
    return Login(token, iso_time(found.expires), found.participant)


@post(
    "/logout", status_code=204, responses=errors(401, 403, 413, 415), operation_id="logout", security=SECURITY, guards=[signed_in]
)
async def logout(request: Request[Any, Any, Any], backend: Asked) -> None:
    """End the token that is sent. What the request has as its body is of no account."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        backend.sign_in.logout(token.strip())


session_router = Router("/", route_handlers=[login, logout], tags=["session"])
