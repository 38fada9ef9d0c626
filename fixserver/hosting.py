"""Runs the turns of a process in an asyncio event loop, beside whatever else is there; it does not know what a turn does.

A turn is taken when one of the process's own sockets is ready, and when the wait that the last turn asked for is over.
Others of the event loop come in between two turns, always: also where the next turn is due at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fixserver.loop import Loop


class Hosting:
    """Has `turn` called until close(). It returns the seconds that it can wait for the next, 0 for at once.

    A descriptor of epoll is itself readable when one of those in it is, so all sockets of `loop` are one to the event loop.
    """

    def __init__(self, loop: Loop, turn: Callable[[], float]) -> None:
        """Inside of a running event loop."""
        self._events = asyncio.get_running_loop()
        self._descriptor = loop.fileno()
        self._turn = turn
        self._condition: Callable[[], bool] = lambda: False
        self._met: asyncio.Future[bool] | None = None
        self._until = 0.0
        self._closed = False
        self._failure: BaseException | None = None
        self._timer: asyncio.Handle = self._events.call_soon(self._take_turn)
        self._events.add_reader(self._descriptor, self._take_turn)

    async def until(self, condition: Callable[[], bool], seconds: float = float("inf")) -> bool:
        """Wait for a turn, the next or a later one, after which `condition` holds. False where that took longer than `seconds`.

        Raises what a turn raised.
        """
        if self._failure is not None:
            raise self._failure
        self._condition, self._until = condition, self._events.time() + seconds
        self._met = self._events.create_future()
        self._schedule(0)
        return await self._met

    def wake(self) -> None:
        """Have a turn at once. After close() there is none any more."""
        if not self._closed:
            self._schedule(0)

    def close(self) -> None:
        self._closed = True
        self._timer.cancel()
        self._events.remove_reader(self._descriptor)

    def _take_turn(self) -> None:
        try:
            wait_seconds = self._turn()
        except BaseException as error:  # to be raised where it is waited for, and not to be logged and forgotten
            self.close()
            self._failure = error
            if self._met is not None and not self._met.done():
                self._met.set_exception(error)
            return
        if self._met is not None and not self._met.done():
            if self._condition():
                self._met.set_result(True)
            elif self._events.time() >= self._until:
                self._met.set_result(False)
        self._schedule(wait_seconds)

    def _schedule(self, seconds: float) -> None:
        self._timer.cancel()
        if seconds > 0:
            self._timer = self._events.call_later(seconds, self._take_turn)
        else:
            self._timer = self._events.call_soon(self._take_turn)
