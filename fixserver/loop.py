"""Waits for file descriptors and calls whoever registered them. It knows nothing of FIX, and never blocks longer than asked."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
EVENTS_PER_POLL_MAX = 256

Callback = Callable[[int], None]
Arrived = Callable[[socket.socket], None]


class Loop:
    """epoll with a callback for each descriptor. A callback may register and unregister any descriptor."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callback] = {}
        self.ready_at = 0.0  # when the last poll returned, by perf_counter

    def register(self, descriptor: int, callback: Callback, mask: int = READ) -> None:
        self._callbacks[descriptor] = callback
        self._epoll.register(descriptor, mask)

    def modify(self, descriptor: int, mask: int) -> None:
        self._epoll.modify(descriptor, mask)

    def unregister(self, descriptor: int) -> None:
        if self._callbacks.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def poll(self, seconds: float, awake_seconds: float = 0.0) -> bool:
        """Call the callbacks of all that is ready, waiting at most `seconds` for the first. False if nothing was.

        For the first `awake_seconds` of that it keeps looking instead of sleeping: to wake a sleeping
        process on an idle core costs more than most messages take.
        """
        poll = self._epoll.poll
        ready = poll(0.0 if awake_seconds else seconds, EVENTS_PER_POLL_MAX)
        if awake_seconds and not ready:
            until = time.perf_counter() + min(awake_seconds, seconds)
            while not ready and time.perf_counter() < until:
                ready = poll(0.0, EVENTS_PER_POLL_MAX)
            if not ready:
                ready = poll(max(seconds - awake_seconds, 0.0), EVENTS_PER_POLL_MAX)
        self.ready_at = time.perf_counter()
        callbacks = self._callbacks
        for descriptor, mask in ready:
            callback = callbacks.get(descriptor)
            if callback is not None:  # an earlier callback of this round may have closed it
                callback(mask)
        return bool(ready)

    def fileno(self) -> int:
        """A descriptor that is readable when one of the registered ones is ready: so this loop may be a part of another."""
        return self._epoll.fileno()

    def close(self) -> None:
        self._epoll.close()


class Listening:
    """A listening socket in the loop, which hands out whoever arrives. Where no descriptors are left it is not looked at until
    the next tick, because it would stay ready and have the loop spin."""

    def __init__(self, loop: Loop, listener: socket.socket, arrived: Arrived) -> None:
        self.socket = listener
        self._loop = loop
        self._arrived = arrived
        self._registered = False
        self.tick()

    def tick(self) -> None:
        """Once in a while: look at it again."""
        if not self._registered:
            self._loop.register(self.socket.fileno(), self._accept)
            self._registered = True

    def _accept(self, mask: int) -> None:
        try:
            arrived, _ = self.socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            self._pause()
            return
        arrived.setblocking(False)
        self._arrived(arrived)

    def _pause(self) -> None:
        if self._registered:
            self._loop.unregister(self.socket.fileno())
            self._registered = False

    def close(self) -> None:
        self._pause()
        self.socket.close()
