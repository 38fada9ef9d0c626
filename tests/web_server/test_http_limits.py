"""What a client may send, and how long it may take: the limits of an HTTP connection."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fixserver.web import connection, server
from tests.web_server.serving import Server, get, post, serve


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with less patience."""
    monkeypatch.setattr(server, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(server, "STOP_SECONDS_MAX", 0.5)
    monkeypatch.setattr(connection, "REQUEST_SECONDS_MAX", 0.3)
    monkeypatch.setattr(connection, "ANSWER_SECONDS_MAX", 0.3)
    monkeypatch.setattr(connection, "CLOSE_SECONDS_MAX", 0.3)


def test_requests_on_one_connection_are_answered_one_after_the_other() -> None:
    async def play(server: Server) -> None:
        client = await server.connect()
        for path in ("/first", "/second"):
            client.send(post(b"body", path))
            status, headers, body = await client.answer()
            assert (status, json.loads(body)) == (200, {"path": path, "body": "body"})
            assert "date" in headers and "server" not in headers
        client.send(get("/third") + get("/fourth") + get("/fifth"))
        assert [json.loads((await client.answer())[2])["path"] for _ in range(3)] == ["/third", "/fourth", "/fifth"]

    serve(play)


@pytest.mark.parametrize(
    "beginning",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: h", b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nab", b"\r\n\r\n"],
    ids=["nothing", "a line", "a header", "a body", "empty lines"],
)
def test_a_request_that_stays_unfinished_is_too_slow(beginning: bytes) -> None:
    async def play(server: Server) -> None:
        client = await server.connect()
        client.send(beginning)
        assert await client.refusal() == (408, "too-slow")
        assert dict(server.web.cut.items()) == {"slow": 1}

    serve(play)


@pytest.mark.parametrize("dripped", [b"\r\n" * 1_000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1_000, b"GET /" + b"a" * 1_000])
def test_a_request_that_drips_is_too_slow(dripped: bytes) -> None:
    async def play(server: Server) -> None:
        client = await server.connect()

        async def drip() -> None:
            for byte in dripped:
                client.send(bytes((byte,)))
                await asyncio.sleep(0.005)

        dripping = asyncio.create_task(drip())
        assert await client.refusal() == (408, "too-slow")
        dripping.cancel()

    serve(play)


def test_the_time_of_a_second_request_begins_with_it() -> None:
    async def play(server: Server) -> None:
        client = await server.connect()
        for _ in range(4):
            client.send(get())
            assert (await client.answer())[0] == 200
            await asyncio.sleep(0.15)  # all together: longer than one request may take
        client.send(b"GET /")
        assert await client.refusal() == (408, "too-slow")

    serve(play)


def test_an_answered_connection_is_closed_when_it_has_been_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.1)

    async def play(server: Server) -> None:
        client = await server.connect()
        client.send(get())
        assert (await client.answer())[0] == 200
        assert await client.rest() == b""
        assert dict(server.web.cut.items()) == {}

    serve(play)


@pytest.mark.parametrize("parts", [1, 50])
@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: here\r\na: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: here\r\n" + b"a: b\r\n" * 4_000 + b"\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: here\r\na: " + b"x" * 60_000,
    ],
    ids=["one header", "many headers", "the path", "without an end"],
)
def test_a_head_is_at_most_16_kib(head: bytes, parts: int) -> None:
    async def play(server: Server) -> None:
        client = await server.connect()
        size = len(head) // parts + 1
        for start in range(0, len(head), size):
            client.send(head[start : start + size])
            await asyncio.sleep(0)
        assert await client.refusal() == (431, "head-too-long")

    serve(play)


def test_what_comes_behind_a_long_body_is_a_head_of_its_own() -> None:
    async def play(server: Server) -> None:
        client = await server.connect()
        client.send(post(b"x" * 60_000, "/one") + get("/two"))
        assert [json.loads((await client.answer())[2])["path"] for _ in range(2)] == ["/one", "/two"]

    serve(play)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"8=FIX.4.4\x019=70\x0135=A\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: here\r\n\r\n",
        b"CONNECT there:80 HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: here\r\n\r\n",
    ],
)
def test_what_is_no_http_is_said_to_be_none(data: bytes) -> None:
    async def play(server: Server) -> None:
        client = await server.connect()
        client.send(data)
        assert await client.refusal() == (400, "no-http")
        other = await server.connect()
        other.send(get())
        assert (await other.answer())[0] == 200

    serve(play)


async def never(scope: Any, receive: Any, send: Any) -> None:
    """An application that takes its time."""
    await asyncio.sleep(60)


def test_few_requests_wait_for_the_answer_to_the_one_before() -> None:
    async def play(server: Server) -> None:
        client = await server.connect()
        client.send(get() * (connection.PIPELINED_MAX + 2))
        assert await client.refusal() == (429, "too-many-requests")

    serve(play, app=never)


def test_there_are_at_most_so_many_connections() -> None:
    async def play(server: Server) -> None:
        first = await server.connect()
        socket = await server.open()
        assert server.web.connections == 2
        for _ in range(3):
            assert await (await server.connect()).refusal() == (503, "full")
        first.close()
        await server.wait_for(lambda: server.web.connections == 1, "the first is gone")
        third = await server.connect()
        third.send(get())
        assert (await third.answer())[0] == 200
        socket.say("still here")
        assert await socket.hears() == b"still here"
        assert dict(server.web.cut.items()) == {"full": 3}

    serve(play, connections_max=2)


async def large(scope: Any, receive: Any, send: Any) -> None:
    """An application with a long answer."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(400):
        await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def test_an_answer_that_nobody_reads_ends_with_its_connection() -> None:
    async def play(server: Server) -> None:
        client = await server.connect(receive_bytes=4_096)
        client.send(get())
        await server.wait_for(lambda: dict(server.web.cut.items()) == {"unread": 1}, "it is cut")
        await server.wait_for(lambda: server.web.connections == 0, "it is gone")
        await server.wait_for(lambda: not server.web.state.tasks, "the application has ended")

    serve(play, app=large)


def test_an_answer_that_is_read_slowly_is_not_an_unread_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS_MAX", 10.0)

    async def play(server: Server) -> None:
        client = await server.connect(receive_bytes=65_536)
        client.send(get("/", "Connection: close"))
        size = 0
        while data := await client.reader.read(1 << 20):
            size += len(data)
        assert size > 400 * 65_536

    serve(play, app=large)


def test_an_upgrade_to_something_else_is_answered_as_if_it_was_none() -> None:
    async def play(server: Server) -> None:
        client = await server.connect()
        client.send(get("/here", "Connection: Upgrade", "Upgrade: h2c") + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        status, headers, body = await client.answer()
        assert (status, json.loads(body)["path"], headers["connection"]) == (200, "/here", "close")
        assert await client.rest() == b""

    serve(play)


def test_when_the_server_stops_an_answer_on_its_way_is_ended_first() -> None:
    begun = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await asyncio.sleep(0.2)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def play(server: Server) -> None:
        client, idle = await server.connect(), await server.connect()
        client.send(get())
        await begun.wait()
        stopping = asyncio.create_task(server.web.stop())
        assert await idle.rest() == b""
        assert (await client.answer())[::2] == (200, b"ok")
        assert await client.rest() == b""
        await stopping
        with pytest.raises(OSError):
            await server.connect()

    serve(play, app=slow)


def test_what_does_not_end_is_cut_when_the_server_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STOP_SECONDS_MAX", 0.2)

    async def play(server: Server) -> None:
        client = await server.connect()
        client.send(get())
        await server.wait_for(lambda: server.web.state.tasks, "it is at work")
        await server.web.stop()
        assert await client.rest() == b""
        assert not server.web.state.tasks

    serve(play, app=never)
