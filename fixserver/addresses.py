"""Where a venue's FIX ports are: in its configuration, or in its data directory where that leaves them open. It never connects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from fixserver.config import Config, ConfigError


def fix_port(config: Config, data: Path | None, process: Literal["exchange", "marketdata"]) -> int:
    """The FIX port of a process of the venue. Raises ConfigError where it cannot be known."""
    port = config.exchange.port if process == "exchange" else config.marketdata.port
    if port:
        return port
    key = f"{process}.port"
    if data is None:
        raise ConfigError(config.file, key, "is 0, so that each start has another one: --data DIR says where to look for it")
    path = data / f"{process}.ports"
    try:
        return int(json.loads(path.read_bytes())["fix"])
    except OSError as error:
        raise ConfigError(path, "", f"{(error.strerror or str(error)).lower()}: is the venue running?") from None
    except (ValueError, KeyError, TypeError):
        raise ConfigError(path, "", 'does not say {"fix": PORT}') from None
