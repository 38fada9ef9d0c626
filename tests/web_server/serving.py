"""A web server on a free port within a test's own event loop, and clients of it whose every byte is the test's.

    def test_something() -> None:
        async def play(server: Server) -> None:
            client = await server.connect()
            ...
        serve(play)
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from fixserver.config import Web
from fixserver.web.server import WebServer
from fixserver.web.socket import text_frame

WAIT_SECONDS = 10.0


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers with what it was asked."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    answer = json.dumps({"path": scope["path"], "body": body.decode()}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class FakeStream:
    """Says hello, gives back what it is told, and notes who came and went."""

    def __init__(self) -> None:
        self.clients: list[Any] = []
        self.received: list[bytes] = []
        self.gone: list[Any] = []

    def connect(self, client: Any) -> None:
        self.clients.append(client)
        client.send(text_frame(b"hello"))

    def receive(self, client: Any, payload: bytes) -> None:
        self.received.append(payload)
        client.send(text_frame(payload))

    def disconnect(self, client: Any) -> None:
        self.gone.append(client)


class Client:
    """A connection, as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers, body."""
        async with asyncio.timeout(WAIT_SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")[:-2]
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body

    async def refusal(self) -> tuple[int, str]:
        """The next answer's status, and the code of its error; then the connection is at its end."""
        status, headers, body = await self.answer()
        assert headers["connection"] == "close"
        assert await self.rest() == b""
        return status, json.loads(body)["error"]["code"]

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(WAIT_SECONDS):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    def close(self) -> None:
        self.writer.close()


class Socket(Client):
    """A connection that has become a WebSocket. `frames` is the client's side of the protocol."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.frames = Protocol(Side.CLIENT, max_size=None)
        self._events: list[Any] = []

    def say(self, text: str | bytes) -> None:
        self.frames.send_text(text.encode() if isinstance(text, str) else text)
        self.flush()

    def flush(self) -> None:
        self.send(b"".join(self.frames.data_to_send()))

    async def frame(self) -> Frame:
        """The next frame. Pings are answered, as every frame is seen. EOFError at the end of the connection."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not self._events:
                try:
                    data = await self.reader.read(65_536)
                except ConnectionResetError:
                    data = b""
                if not data:
                    raise EOFError
                self.frames.receive_data(data)
                self._events += self.frames.events_received()
                self.flush()
        found: Frame = self._events.pop(0)
        return found

    async def hears(self) -> bytes:
        """The next text."""
        while True:
            frame = await self.frame()
            if frame.opcode is Opcode.TEXT:
                return bytes(frame.data)
            assert frame.opcode in (Opcode.PING, Opcode.PONG), frame

    async def end(self) -> int:
        """The code that the server closes with; 1006 where it just ends."""
        with contextlib.suppress(EOFError):
            while True:
                frame = await self.frame()
                if frame.opcode is Opcode.CLOSE:
                    break
        self.close()
        return self.frames.close_rcvd.code if self.frames.close_rcvd is not None else 1006


class Server:
    def __init__(self, web: WebServer, stream: FakeStream) -> None:
        self.web, self.stream = web, stream
        self.number = web.number
        self.clients: list[Client] = []
        self.failures: list[dict[str, Any]] = []  # what got out to the event loop

    async def connect(self, receive_bytes: int = 0) -> Client:
        sock = socket.socket()
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.number))
        except OSError:
            sock.close()
            raise
        client = Client(*await asyncio.open_connection(sock=sock, limit=receive_bytes or 65_536))
        self.clients.append(client)
        return client

    async def upgrade(self, *, target: str = "/v1/stream", without: str = "", receive_bytes: int = 0, **headers: str) -> Client:
        """A connection that has asked for a WebSocket; `headers` with _ for -."""
        client = await self.connect(receive_bytes)
        said = {
            "Host": f"127.0.0.1:{self.number}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items() if name != without)]
        client.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        return client

    async def open(self, **options: Any) -> Socket:
        """A WebSocket that has been greeted."""
        client = await self.upgrade(**options)
        status, _, _ = await client.answer()
        assert status == 101
        opened = Socket(client.reader, client.writer)
        assert await opened.hears() == b"hello"
        return opened

    async def wait_for(self, condition: Callable[[], Any], what: str) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition():
                await asyncio.sleep(0.005)
        assert condition(), what


def serve(play: Callable[[Server], Awaitable[None]], *, app: Any = echo, **config: Any) -> Server:
    """Serve for as long as `play` takes; everything that got out of the server fails the test. `config` is that of [web]."""
    stream = FakeStream()
    web = WebServer(Web(port=0, **config), app, stream, others=0)
    server = Server(web, stream)

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: server.failures.append(context))
        await web.start()
        try:
            await play(server)
        finally:
            for client in server.clients:
                client.close()
                with contextlib.suppress(OSError):
                    await client.writer.wait_closed()
            await web.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(run())
        finally:
            web.close()
    assert server.failures == [], server.failures
    assert len(stream.gone) == len(stream.clients) == len({id(client) for client in stream.gone})
    return server


def get(path: str = "/", *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: here", *headers, "", ""]).encode()


def post(body: bytes, path: str = "/", *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body
