"""Password hashes: salted scrypt, as text that stands in the configuration; it never keeps a password.

The text is `scrypt$n$r$p$salt$hash`, salt and hash in base64. Costs about 40 ms and 16 MB to check, which
is the point; hashlib lets other threads run meanwhile.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re

N = 2**14
R = 8
P = 1
SALT_BYTES = 16
HASH_BYTES = 32
# What a text may ask for at most, so that a slip in the configuration cannot stop the exchange for minutes.
N_MAX = 2**18
R_MAX = 16
P_MAX = 4

_BASE64 = "([A-Za-z0-9+/]{16,88}={0,2})"
_TEXT = re.compile(rf"scrypt\$([0-9]{{1,6}})\$([0-9]{{1,2}})\$([0-9])\${_BASE64}\${_BASE64}", re.ASCII)

# A hash that no password has: check against it where a name is not known, so that the answer takes as long.
DECOY = f"scrypt${N}${R}${P}${'A' * 22}==${'A' * 43}="


def hash_password(password: str, salt: bytes = b"") -> str:
    """The text to keep for `password`. The salt is a random one unless given."""
    salt = salt or os.urandom(SALT_BYTES)
    digest = _scrypt(password, salt, N, R, P, HASH_BYTES)
    return f"scrypt${N}${R}${P}${_base64(salt)}${_base64(digest)}"


def verify(password: str, text: str) -> bool:
    """Whether `text` was made of `password`; takes as long for a wrong one. False for a text that is no hash."""
    parsed = _parsed(text)
    if parsed is None:
        return False
    n, r, p, salt, expected = parsed
    return hmac.compare_digest(_scrypt(password, salt, n, r, p, len(expected)), expected)


def is_hash(text: str) -> bool:
    """Whether `text` has the form that hash_password gives."""
    return _parsed(text) is not None


def _parsed(text: str) -> tuple[int, int, int, bytes, bytes] | None:
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    n, r, p = int(match[1]), int(match[2]), int(match[3])
    if not (2 <= n <= N_MAX and n & (n - 1) == 0 and 1 <= r <= R_MAX and 1 <= p <= P_MAX):
        return None
    try:
        return n, r, p, base64.b64decode(match[4], validate=True), base64.b64decode(match[5], validate=True)
    except binascii.Error:
        return None


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    # What arrives over FIX may carry lone surrogates: they hash to something, and match nothing.
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, dklen=length, maxmem=128 * r * (n + p + 2) + 2**20)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
