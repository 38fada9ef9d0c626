"""A few threads for questions that take their time, and a limit on how many of those wait; it knows no question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

WAITING_MAX = 64

Answer = TypeVar("Answer")


class TooManyWait(Exception):
    """There are WAITING_MAX questions already."""


class Threads:
    """For one event loop. `close` ends them."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._waiting = 0

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        """What `question` answers, in one of the threads. Raises TooManyWait, and what it raises."""
        if self._waiting >= WAITING_MAX:
            raise TooManyWait(f"{WAITING_MAX} questions wait already")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, question)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """What waits is not asked any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
