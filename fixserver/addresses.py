"""Where a venue's ports are: in its configuration, or in its data directory where that leaves them open. It never connects.

That a process has written its ports says to whoever started it that it is up.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from fixserver.config import Config, ConfigError, Listener

HERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # who listens everywhere is here, too


def host_of(listener: Listener) -> str:
    """Where a process of the venue is reached, from wherever else the venue's programs are."""
    return listener.host or HERE.get(listener.address, listener.address)


def fix_port(config: Config, data: Path | None, process: Literal["exchange", "marketdata"]) -> int:
    """The FIX port of a process of the venue. Raises ConfigError where it cannot be known."""
    port = config.exchange.port if process == "exchange" else config.marketdata.port
    return port or _written(config, data, process, "fix", f"{process}.port")


def web_port(config: Config, data: Path | None) -> int:
    """The port of REST and the stream. Raises ConfigError where it cannot be known."""
    return config.web.port or _written(config, data, "marketdata", "http", "web.port")


def write_ports(data: Path, process: str, numbers: dict[str, int]) -> None:
    """Say which ports `process` has, by what is spoken there. Its signal handlers are to be there before: whoever sees the file
    may stop it. Raises OSError."""
    path = data / f"{process}.ports"
    unfinished = path.with_suffix(".ports.new")
    try:
        unfinished.write_text(json.dumps(numbers) + "\n")
    except OSError as error:  # of a full disk does not say where
        raise OSError(error.errno, error.strerror, str(path)) from None
    os.replace(unfinished, path)


def _written(config: Config, data: Path | None, process: str, what: str, key: str) -> int:
    """A port that the system chose, as the process that has it wrote it down."""
    if data is None:
        raise ConfigError(config.file, key, "is 0, so that each start has another one: --data DIR says where to look for it")
    path = data / f"{process}.ports"
    try:
        return int(json.loads(path.read_bytes())[what])
    except OSError as error:
        raise ConfigError(path, "", f"{(error.strerror or str(error)).lower()}: is the venue running?") from None
    except (ValueError, KeyError, TypeError):
        raise ConfigError(path, "", f'does not say {{"{what}": PORT}}') from None
