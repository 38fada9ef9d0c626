"""TLS for programs of ours whose FIX engine speaks none: passes on what they say on this machine to a venue, and reads none of it.

QuickFIX as it comes is built without TLS. Each tunnel listens on a port of 127.0.0.1 that the system chooses; the venue shows its
certificate, or what connected is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
import threading

CONNECT_SECONDS_MAX = 10.0
READ_BYTES = 65_536
PIPES_MAX = 1_000  # what connects beyond is closed


class Tunnel:
    """Runs in a thread of its own until close()."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tunnel", daemon=True)
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        self._pipes: set[asyncio.Task[None]] = set()
        self._said = ""

    def to(self, host: str, port: int) -> int:
        """The local port from which it goes to that of the venue. Raises OSError."""

        async def listen() -> int:
            server = await asyncio.start_server(lambda reader, writer: self._connected(reader, writer, host, port), "127.0.0.1", 0)
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])

        return asyncio.run_coroutine_threadsafe(listen(), self._loop).result()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        try:
            if len(self._pipes) > PIPES_MAX:
                return
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                there, away = await asyncio.open_connection(host, port, ssl=self._tls)
            try:
                both = [asyncio.ensure_future(_pass_on(reader, away)), asyncio.ensure_future(_pass_on(there, writer))]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)  # the end of one way is the end of both
                for way in both:
                    way.cancel()
                await asyncio.wait(both)
            finally:
                away.close()
        except (OSError, TimeoutError) as error:
            why = str(error) or ("no answer" if isinstance(error, TimeoutError) else "the connection was cut")
            self._say(f"no TLS with {host}:{port}: {why}")
        finally:
            writer.close()
            self._pipes.discard(task)

    def _say(self, what: str) -> None:
        if what != self._said:  # who tries again every second would say it every second
            self._said = what
            print(f"tunnel: {what}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Close the ports and what goes through them."""

        async def end() -> None:
            for server in self._servers:
                server.close()
            for pipe in list(self._pipes):
                pipe.cancel()
            if self._pipes:
                await asyncio.wait(self._pipes)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side ends."""
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
