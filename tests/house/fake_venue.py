"""A venue of tiny children under a real Supervisor, as a program: `fake_venue.py DIR NAME=BEHAVIOUR ...`; no port, no FIX.

Each child appends what happens to it to DIR/log. Behaviours: works, dies (once, then works), refuses
(exit code 2), fails (always), deaf (does not hear SIGTERM).
"""

from __future__ import annotations

import sys
from pathlib import Path

from fixserver import supervisor

CHILD = """
import os, signal, sys, pathlib
directory, name, behaviour = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
def note(what):
    with open(directory / "log", "a") as log:
        log.write(f"{name} {what}\\n")
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
first = not (directory / f"{name}.pid").exists()
(directory / f"{name}.new").write_text(str(os.getpid()))
(directory / f"{name}.new").rename(directory / f"{name}.pid")
note("started")
if behaviour == "refuses":
    print("venue.toml: exchange.port: 127.0.0.1:5001 is in use", file=sys.stderr)
    sys.exit(2)
if behaviour == "fails" or (behaviour == "dies" and first):
    sys.exit(7)
(directory / f"{name}.ready").touch()
while True:
    if signal.sigwait({signal.SIGTERM}) and behaviour != "deaf":
        note("stopped")
        sys.exit(0)
"""


def main() -> int:
    directory = Path(sys.argv[1])
    supervisor.STOP_MAX_S = 0.5
    supervisor.PAUSE_MIN_S = 0.1
    supervisor.STATUS_S = 0.1
    children = {}
    for argument in sys.argv[2:]:
        name, behaviour = argument.split("=")
        children[name] = supervisor.Child(
            name,
            [sys.executable, "-c", CHILD, str(directory), name, behaviour],
            (directory / f"{name}.ready").exists,
        )

    def caught_up() -> bool:
        with (directory / "log").open("a") as log:
            log.write("caught up?\n")
        return True

    consumers = [children[name] for name in ("clearing", "marketdata")]
    return supervisor.Supervisor(
        [[children["exchange"]], consumers],
        [children["bots"]] if "bots" in children else [],
        consumers,
        ready=lambda: "ready: all",
        status=lambda: "status",
        caught_up=caught_up,
        say=lambda text: print(text, flush=True),
    ).run()


if __name__ == "__main__":
    sys.exit(main())
