"""The loop of the FIX sockets as a guest of asyncio: when a turn is taken, and what becomes of its failure."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from fixserver.hosting import Hosting
from fixserver.loop import Loop


class Guest:
    """A loop with one socket in it, and turns that note what was read."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.near, self.far = socket.socketpair()
        self.loop.register(self.near.fileno(), lambda mask: self.read.append(self.near.recv(100)))
        self.read: list[bytes] = []
        self.turns = 0
        self.wait_seconds = 60.0
        self.failure: Exception | None = None

    def turn(self) -> float:
        self.turns += 1
        self.loop.poll(0.0)
        if self.failure is not None:
            raise self.failure
        return self.wait_seconds

    def close(self) -> None:
        self.loop.close()
        self.near.close()
        self.far.close()


def play(scene: Callable[[Guest, Hosting], Awaitable[None]]) -> None:
    async def run() -> None:
        guest = Guest()
        hosting = Hosting(guest.loop, guest.turn)
        try:
            await scene(guest, hosting)
        finally:
            hosting.close()
            guest.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_a_turn_is_taken_when_a_socket_of_the_guest_is_ready() -> None:
    async def scene(guest: Guest, hosting: Hosting) -> None:
        await hosting.until(lambda: guest.turns > 0)
        guest.far.send(b"now")
        assert await hosting.until(lambda: guest.read == [b"now"], 10)
        turns = guest.turns
        await asyncio.sleep(0.05)
        assert guest.turns == turns  # there was nothing to do, and 60 seconds to wait

    play(scene)


def test_a_turn_is_taken_when_the_wait_that_was_asked_for_is_over() -> None:
    async def scene(guest: Guest, hosting: Hosting) -> None:
        guest.wait_seconds = 0.01
        assert await hosting.until(lambda: guest.turns >= 5, 10)

    play(scene)


def test_others_come_in_between_turns_that_are_due_at_once() -> None:
    async def scene(guest: Guest, hosting: Hosting) -> None:
        guest.wait_seconds = 0.0
        await hosting.until(lambda: guest.turns > 0)
        seen = []
        for _ in range(20):
            await asyncio.sleep(0)
            seen.append(guest.turns)
        assert seen[-1] - seen[0] <= 40  # one or two turns each time, not all of the time
        assert seen[-1] > seen[0]
        near, far = socket.socketpair()
        near.setblocking(False)
        far.send(b"hello")
        async with asyncio.timeout(5):
            assert await asyncio.get_running_loop().sock_recv(near, 10) == b"hello"
        near.close()
        far.close()

    play(scene)


def test_a_guest_that_is_always_ready_does_not_keep_others_from_their_turn() -> None:
    async def scene(guest: Guest, hosting: Hosting) -> None:
        guest.loop.unregister(guest.near.fileno())
        guest.loop.register(guest.near.fileno(), lambda mask: None)  # it is never read
        guest.far.send(b"still here")
        async with asyncio.timeout(5):
            for _ in range(10):
                await asyncio.sleep(0.01)
        assert guest.turns > 10

    play(scene)


def test_until_says_when_it_took_too_long() -> None:
    async def scene(guest: Guest, hosting: Hosting) -> None:
        guest.wait_seconds = 0.01
        assert not await hosting.until(lambda: False, 0.05)
        assert await hosting.until(lambda: True, 0.05)

    play(scene)


def test_what_a_turn_raises_is_raised_where_it_is_waited_for_and_no_turn_follows() -> None:
    async def scene(guest: Guest, hosting: Hosting) -> None:
        guest.wait_seconds = 0.01
        await hosting.until(lambda: guest.turns > 0)
        guest.failure = OSError("the disk is full")
        with pytest.raises(OSError, match="the disk is full"):
            await hosting.until(lambda: False)
        turns = guest.turns
        await asyncio.sleep(0.05)
        assert guest.turns == turns
        with pytest.raises(OSError, match="the disk is full"):  # once more for who comes later
            await hosting.until(lambda: True)

    play(scene)


def test_what_a_turn_raises_while_nobody_waits_is_not_lost() -> None:
    async def scene(guest: Guest, hosting: Hosting) -> None:
        guest.wait_seconds = 0.01
        guest.failure = OSError("the disk is full")
        await asyncio.sleep(0.05)
        assert guest.turns == 1
        with pytest.raises(OSError, match="the disk is full"):
            await hosting.until(lambda: True)

    play(scene)
