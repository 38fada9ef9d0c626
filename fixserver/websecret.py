"""The password of the session that speaks for others, in a file that its owner alone may read. It is never logged, sent or
journaled: whoever can read the file may act for every participant."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

FILE = "web.secret"
SECRET_BYTES = 32
_OWNER_ALONE = 0o600
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class SecretMissing(Exception):
    """There is no such password that this process may read. Says why, to a person."""


def ensure(data: Path) -> str:
    """The password, made where there is none; others are kept from reading it. Raises OSError."""
    path = data / FILE
    with contextlib.suppress(SecretMissing):
        found = read(data)
        path.chmod(_OWNER_ALONE)
        return found
    secret = secrets.token_urlsafe(SECRET_BYTES)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    # The mode is decided when the file is made: nobody else gets to read it, not even for a moment.
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ALONE)
    with open(descriptor, "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    return secret


def read(data: Path) -> str:
    """The password that the exchange has made. Raises SecretMissing."""
    path = data / FILE
    try:
        text = path.read_text(errors="replace").strip()
    except OSError as error:
        raise SecretMissing(f"{path}: {error.strerror}; the exchange makes it when it starts with web.enabled") from None
    if not _SECRET.fullmatch(text):
        raise SecretMissing(f"{path}: holds no password; remove it, and the exchange makes another when it starts")
    return text
