"""Waits for the feed to have taken an event: who has been told of it by the exchange finds it in what the feed keeps. It takes
no event itself."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable


class Progress:
    """How far the feed is. `reached` is called after each record."""

    def __init__(self, cursor: int) -> None:
        self.cursor = cursor
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.on_wait: Callable[[], None] = lambda: None  # somebody waits: the feed is not to rest for long

    @property
    def waited_for(self) -> bool:
        return bool(self._waiting)

    def reached(self, cursor: int) -> None:
        self.cursor = cursor
        waiting = self._waiting
        while waiting and waiting[0][0] <= cursor:
            _, _, future = heapq.heappop(waiting)
            if not future.done():
                future.set_result(None)

    async def until(self, event_seq: int, seconds: float) -> bool:
        """Whether the feed has taken event `event_seq` within that time."""
        if event_seq <= self.cursor:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (event_seq, next(self._order), future))
        self.on_wait()
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False  # it is forgotten when the feed gets there
        return True
