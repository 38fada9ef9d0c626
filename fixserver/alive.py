"""Whether a process of the venue answers at the port of its metrics, for health checks of containers; it starts nothing.

It runs every few seconds, and so imports nothing that is slow.

    python3 -m fixserver.alive 9102 fixserver_ledger_database_up=1

Exit code 0 when it answers and each figure is what was said; 1 with a line that says what is not so.
"""

from __future__ import annotations

import http.client
import sys

SECONDS_MAX = 4.0
PAGE_BYTES_MAX = 4 * 2**20


def trouble(port: int, wanted: dict[str, float], host: str = "127.0.0.1") -> str:
    """What is not as it should be; empty where all is."""
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS_MAX)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read(PAGE_BYTES_MAX).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"nothing answers at port {port}: {error}"
    finally:
        connection.close()
    if answer.status != 200:
        return f"port {port} answers {answer.status} {answer.reason}"
    found: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name in wanted:
            found[name] = float(value)
    for name, figure in wanted.items():
        if name not in found:
            return f"{name} is not told"
        if found[name] != figure:
            return f"{name} is {found[name]:g}, not {figure:g}"
    return ""


def main(arguments: list[str]) -> int:
    port, *figures = arguments
    wanted = {name: float(value) for name, _, value in (figure.partition("=") for figure in figures)}
    said = trouble(int(port), wanted)
    if said:
        print(said)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
