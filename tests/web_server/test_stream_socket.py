"""The WebSocket of the stream: who gets one, which frames are taken, how it ends."""

from __future__ import annotations

import asyncio
import json
import random
import time

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from fixserver.web import server, socket
from fixserver.web.socket import text_frame
from tests.web_server.serving import Server, get, serve


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with less patience."""
    monkeypatch.setattr(server, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(server, "STOP_SECONDS_MAX", 0.5)
    monkeypatch.setattr(socket, "CLOSE_SECONDS_MAX", 0.3)


# -------------------------------------------------------------------------------------------- the handshake


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"target": "/v1/other"}, (404, "not-found")),
        ({"target": "/"}, (404, "not-found")),
        ({"without": "Sec-WebSocket-Key"}, (400, "no-handshake")),
        ({"Sec_WebSocket_Key": "short"}, (400, "no-handshake")),
        ({"without": "Sec-WebSocket-Version"}, (400, "no-handshake")),
        ({"Sec_WebSocket_Version": "12"}, (400, "no-handshake")),
        ({"Origin": "https://elsewhere.example"}, (403, "foreign-page")),
        ({"Origin": "null"}, (403, "foreign-page")),
    ],
)
def test_a_handshake_that_is_none_is_refused(asked: dict[str, str], answer: tuple[int, str]) -> None:
    async def play(server: Server) -> None:
        client = await server.upgrade(**asked)
        assert await client.refusal() == answer
        assert server.stream.clients == []

    serve(play)


def test_without_an_upgrade_the_stream_is_a_path_like_another() -> None:
    async def play(server: Server) -> None:
        client = await server.connect()
        client.send(get("/v1/stream"))
        assert json.loads((await client.answer())[2])["path"] == "/v1/stream"

    serve(play)


def test_pages_of_the_venue_and_of_web_origins_may() -> None:
    async def play(server: Server) -> None:
        own = f"http://127.0.0.1:{server.number}"
        for origin in (own, "https://friend.example"):
            opened = await server.open(Origin=origin)
            opened.say("hi")
            assert await opened.hears() == b"hi"
        assert await (await server.upgrade(Origin=own.replace("http:", "https:"))).refusal() == (403, "foreign-page")

    serve(play, origins=["https://friend.example"])


def test_every_page_may_where_web_origins_says_so() -> None:
    async def play(server: Server) -> None:
        await server.open(Origin="https://elsewhere.example")

    serve(play, origins=["*"])


def test_a_query_is_nothing_to_the_stream_and_no_compression_is_agreed() -> None:
    async def play(server: Server) -> None:
        client = await server.upgrade(target="/v1/stream?token=abc", Sec_WebSocket_Extensions="permessage-deflate")
        status, headers, _ = await client.answer()
        assert status == 101
        assert "sec-websocket-extensions" not in headers

    serve(play)


def test_what_comes_right_behind_the_handshake_is_heard() -> None:
    async def play(server: Server) -> None:
        client = Protocol(Side.CLIENT)
        client.send_text(b"early")
        opened = await server.upgrade(target="/v1/stream")
        opened.send(b"".join(client.data_to_send()))
        await server.wait_for(lambda: server.stream.received == [b"early"], "it is heard")

    serve(play)


def test_an_upgrade_behind_an_unanswered_request_is_refused() -> None:
    async def play(server: Server) -> None:
        client = await server.connect()
        upgrade = get("/v1/stream", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
        client.send(get() + upgrade)
        assert b'"bad-request"' in await client.rest()

    serve(play)


# -------------------------------------------------------------------------------------------------- frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 1_000_000])
def test_a_frame_is_what_a_client_of_another_make_understands(size: int) -> None:
    payload = b"x" * size
    client = Protocol(Side.CLIENT, max_size=None)
    client.receive_data(text_frame(payload))
    assert client.events_received() == [Frame(Opcode.TEXT, payload)]


def test_messages_whole_and_in_parts_arrive_in_order() -> None:
    async def play(server: Server) -> None:
        opened = await server.open()
        opened.say("one")
        opened.frames.send_text(b"tw", fin=False)
        opened.frames.send_continuation(b"", fin=False)
        opened.frames.send_ping(b"between")
        opened.frames.send_continuation(b"o", fin=True)
        opened.flush()
        opened.say("x" * socket.MESSAGE_BYTES_MAX)
        assert [await opened.hears() for _ in range(3)] == [b"one", b"two", b"x" * socket.MESSAGE_BYTES_MAX]

    serve(play)


MASK = b"\0\0\0\0"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x02hi", 1002),  # not masked
        (b"\x83\x80" + MASK, 1002),  # an opcode that there is not
        (b"\xc1\x82" + MASK + b"hi", 1002),  # a reserved bit
        (b"\x80\x82" + MASK + b"hi", 1002),  # goes on with nothing
        (b"\x01\x82" + MASK + b"hi" + b"\x81\x82" + MASK + b"hi", 1002),  # a message within a message
        (b"\x89\xfe\x00\x80" + MASK + bytes(128), 1002),  # a long ping
        (b"\x09\x80" + MASK, 1002),  # a ping in parts
        (b"\x88\x81" + MASK + b"\x03", 1002),  # half a code
        (b"\x88\x82" + MASK + b"\x03\xed", 1002),  # a code that is not to be sent
        (b"\x82\x82" + MASK + b"hi", 1003),  # binary
        (b"\x81\xff" + (2**62).to_bytes(8, "big") + MASK, 1009),
        (b"\x81\xff" + (65_537).to_bytes(8, "big") + MASK + bytes(100), 1009),
        (b"\x01\xfe\xff\xff" + MASK + bytes(65_535) + b"\x80\xfe\xff\xff" + MASK + bytes(65_535), 1009),
        (b"\x88\x82" + MASK + b"\x03\xe8", 1000),  # good-bye
        (b"\x88\x80" + MASK, 1005),
    ],
)
def test_a_wrong_frame_closes_with_its_code(sent: bytes, code: int) -> None:
    async def play(server: Server) -> None:
        opened, other = await server.open(), await server.open()
        opened.send(sent)
        assert await opened.end() == code
        await server.wait_for(lambda: len(server.stream.gone) == 1, "the stream knows")
        assert server.stream.received == []
        other.say("hi")
        assert await other.hears() == b"hi"

    serve(play)


def test_no_bytes_get_a_failure_out_of_it() -> None:
    seed = time.time_ns() % 1_000_000
    print(f"seed {seed}")
    chance = random.Random(seed)

    def some(count: int) -> bytes:
        if chance.random() < 0.5:
            return chance.randbytes(count)
        frames = b""
        for _ in range(chance.randrange(1, 5)):
            opcode, payload = chance.choice((0, 1, 2, 8, 9, 10, 11)), chance.randbytes(chance.randrange(0, 20))
            frames += bytes((chance.choice((0, 0x80, 0xC0)) | opcode, 0x80 | len(payload))) + chance.randbytes(4) + payload
        return frames

    async def play(server: Server) -> None:
        for _ in range(300):
            opened = await server.open()
            opened.send(some(chance.randrange(1, 300)))
            opened.close()
        await server.wait_for(lambda: len(server.stream.gone) == 300, "all are gone")

    serve(play)


def test_a_client_says_no_more_than_fifty_messages_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "MESSAGES_AT_ONCE_MAX", 20)
    monkeypatch.setattr(socket, "MESSAGES_PER_SECOND", 200)

    async def play(server: Server) -> None:
        patient, hasty = await server.open(), await server.open()
        for number in range(60):
            patient.say(str(number))
            assert await patient.hears() == str(number).encode()
            await asyncio.sleep(0.01)
        for number in range(100):
            hasty.say(str(number))
        assert await hasty.end() == 1008
        assert dict(server.web.cut.items()) == {"rate": 1}

    serve(play)


@pytest.mark.parametrize("frame", [b"\x89\x80" + MASK, b"\x00\x80" + MASK, b"\x81\x80" + MASK], ids=["pings", "parts", "texts"])
def test_a_flood_of_small_frames_ends_after_few_of_them(frame: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    take = Protocol.recv_frame

    def counted(self: Protocol, frame: Frame) -> None:
        nonlocal taken
        taken += self.side is Side.SERVER
        take(self, frame)

    monkeypatch.setattr(Protocol, "recv_frame", counted)

    async def play(server: Server) -> None:
        flooding = await server.open()
        flooding.send(b"\x01\x80" + MASK if frame[0] == 0 else b"")
        flooding.send(frame * 100_000)
        assert await flooding.end() == 1008
        assert taken <= socket.MESSAGES_AT_ONCE_MAX + 2 * socket.SLICE_BYTES // len(frame)

    serve(play)


# ------------------------------------------------------------------------------------------------- the end


def test_the_silent_are_pinged_and_who_answers_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "PING_SECONDS", 0.1)
    monkeypatch.setattr(socket, "SILENCE_SECONDS_MAX", 0.4)

    async def play(server: Server) -> None:
        answering, silent = await server.open(), await server.open()
        pings = [(await answering.frame()).opcode for _ in range(8)]  # answered as they are read
        assert pings == [Opcode.PING] * 8
        await server.wait_for(lambda: server.stream.gone == server.stream.clients[1:], "the silent one is gone")
        assert await silent.end() == 1006
        assert dict(server.web.cut.items()) == {"silent": 1}

    serve(play)


def test_who_reads_nothing_is_cut_at_the_limit_of_what_waits_for_him() -> None:
    async def play(server: Server) -> None:
        reading = await server.open()
        await server.open(receive_bytes=4_096)
        frame = text_frame(b"x" * 50_000)
        slow = server.stream.clients[1]
        queued_bytes_max = 0
        for _ in range(500):
            for client in server.stream.clients:
                client.send(frame)
            assert await reading.hears() == b"x" * 50_000
            queued_bytes_max = max(queued_bytes_max, slow.queued_bytes)
        assert server.stream.gone == [slow]
        assert 1_000_000 < queued_bytes_max <= 1_000_000 + 2 * len(frame)
        assert dict(server.web.cut.items()) == {"unread": 1}

    serve(play, stream_buffer_bytes_max=1_000_000)


def test_who_takes_nothing_for_long_is_cut_though_it_is_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "UNREAD_SECONDS_MAX", 1.5)

    async def play(server: Server) -> None:
        reading, slow = await server.open(), await server.open(receive_bytes=4_096)
        for client in server.stream.clients:
            client.send(text_frame(b"x" * 1_500_000))
        slow_client = server.stream.clients[1]
        assert await reading.hears() == b"x" * 1_500_000
        for _ in range(40):  # a little at a time is reading
            await slow.reader.read(20_000)
            await asyncio.sleep(0.02)
        assert server.stream.gone == []
        assert slow_client.queued_bytes > 0
        await server.wait_for(lambda: server.stream.gone == [slow_client], "it is gone once it has stopped")
        assert dict(server.web.cut.items()) == {"unread": 1}

    serve(play)


def test_a_close_of_the_stream_is_said_and_then_nothing_more() -> None:
    async def play(server: Server) -> None:
        opened = await server.open()
        (client,) = server.stream.clients
        client.send(text_frame(b"last"))
        client.close(1013, "the stream is not being read")
        client.send(text_frame(b"too late"))
        client.close(1008, "again")
        opened.say("not heard")
        assert await opened.hears() == b"last"
        assert await opened.end() == 1013
        assert opened.frames.close_rcvd is not None
        assert opened.frames.close_rcvd.reason == "the stream is not being read"
        await server.wait_for(lambda: server.stream.gone == [client], "it is gone")
        assert server.stream.received == []

    serve(play)


def test_who_does_not_answer_a_close_is_cut() -> None:
    async def play(server: Server) -> None:
        await server.open()  # which reads nothing any more
        server.stream.clients[0].close(1008, "")
        await server.wait_for(lambda: len(server.stream.gone) == 1, "it is gone")

    serve(play)


def test_when_the_server_stops_everybody_is_told_so() -> None:
    async def play(server: Server) -> None:
        opened = [await server.open() for _ in range(5)]
        stopping = asyncio.create_task(server.web.stop())
        assert [await one.end() for one in opened] == [1012] * 5
        await stopping
        assert server.web.connections == 0

    serve(play)


def test_clients_that_just_go_are_forgotten() -> None:
    async def play(server: Server) -> None:
        opened = [await server.open() for _ in range(20)]
        for one in opened:
            one.close()
        await server.wait_for(lambda: len(server.stream.gone) == 20, "all are gone")
        assert (server.web.connections, server.web.streams) == (0, 0)

    serve(play)
