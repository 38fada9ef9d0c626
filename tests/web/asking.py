"""The REST application without a port, for tests: a backend of a venue in which nothing runs, and somebody who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from fixserver.config import load
from fixserver.members import Members
from fixserver.web.app import create_app
from fixserver.web.backend import Backend
from marketdata.feed import Feed
from marketdata.viewing import Views
from tests.venue import configuration

Found = TypeVar("Found")


def run(coroutine: Coroutine[Any, Any, Found]) -> Found:
    return asyncio.run(coroutine)


@asynccontextmanager
async def backend_in(directory: Path, **settings: Any) -> AsyncIterator[Backend]:
    """A backend of a venue without an event. `settings` as for configuration()."""
    data = directory / "data"
    (data / "marketdata").mkdir(parents=True)
    (data / "events").mkdir()
    (directory / "venue.toml").write_text(configuration(**settings))
    feed = Feed(data)
    members = Members(data / "marketdata", from_file=False)
    backend = Backend(
        config=load(directory / "venue.toml"), data=data, feed=feed, members=members, era="1", views=Views(feed.depth, "1"),
    )  # fmt: skip
    try:
        yield backend
    finally:
        backend.close()
        feed.close()


def client_of(app: Callable[..., Awaitable[None]], address: str = "192.0.2.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(address, 40_000))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://venue")


@asynccontextmanager
async def asking(directory: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who asks the application of such a venue."""
    async with backend_in(directory, **settings) as backend, client_of(create_app(backend)) as client:
        yield client


def error(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an answer that says what went wrong, which has the one shape that there is."""
    body = response.json()
    assert response.headers["content-type"] == "application/json" and list(body) == ["error"], body
    assert list(body["error"]) == ["code", "message"] and body["error"]["message"], body
    return response.status_code, body["error"]["code"]


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    """The same with the message."""
    return (*error(response), response.json()["error"]["message"])


def bearer(token: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {token}"}
