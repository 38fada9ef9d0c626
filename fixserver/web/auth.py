"""Who is asking: names, passwords and tokens; it keeps no password and no token, only what tells that one was right.

A token is 256 random bits, of which the SHA-256 is kept, in memory: after a restart everybody signs in again. A password is
checked by scrypt, which takes 40 ms, so in a thread, and what was right a minute ago is known by a keyed hash. A wrong name
and a wrong password are answered in the same words after the same work.

Of attempts there is a limit for an address and for a name, whether there is such a name or not. What ends a participant's
tokens: he signs out, their time, another password, and that he is suspended.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec

from fixserver import passwords
from fixserver.addressing import Addresses, plain
from fixserver.config import Config
from fixserver.members import Members, password_hash
from fixserver.rates import Buckets, address_key, retry_after
from fixserver.web.errors import ApiError, not_signed_in, too_many

TOKEN_BYTES = 32
TOKEN_CHARACTERS_MAX = 128  # of what somebody says is one
TOKENS_MAX = 20  # of a participant: one more ends his oldest
NAME_CHARACTERS_MAX = 64
PASSWORD_CHARACTERS_MAX = 256
CREDENTIALS_CHARACTERS_MAX = 2_048  # in an Authorization header
VERIFIED_MAX = 1_000
VERIFIED_SECONDS = 60.0
WAITING_MAX = 64  # passwords to be checked at once: 40 ms each
NANOSECONDS = 1_000_000_000

WRONG = "wrong name or password"

log = logging.getLogger("fixserver.web")


class SignedIn(NamedTuple):
    """Who a token stands for, and until when (ns)."""

    participant: str
    expires: int


class _Token(NamedTuple):
    participant: str
    expires: int
    password_hash: str  # that it was given for


class _Verified(NamedTuple):
    participant: str
    password_hash: str
    until: float


class SignIn:
    """The participants of a venue who ask over HTTP. For one event loop; `close` ends its thread."""

    def __init__(
        self, config: Config, members: Members, *,
        clock: Callable[[], int] = time.time_ns, monotonic: Callable[[], float] = time.monotonic,
        note: Callable[..., None] | None = None,
    ) -> None:  # fmt: skip
        """`note` is told who signs in and out, and who tried to."""
        self._note = note or (lambda what, **fields: None)
        self._allowed = {one.name: Addresses(one.allow_from) for one in config.participants if one.allow_from}
        self._configured = {participant.name: participant.password for participant in config.participants}
        self._members = members
        self._clock, self._monotonic = clock, monotonic
        self._token_ns = config.web.token_minutes * 60 * NANOSECONDS
        self._tokens: dict[bytes, _Token] = {}
        self._tokens_of: dict[str, list[bytes]] = {}  # the oldest first
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._key = os.urandom(32)
        per_minute = config.web.logins_per_minute
        self._addresses = Buckets(per_minute / 60, per_minute)
        self._names = Buckets(per_minute / 60, per_minute)
        self._waiting = 0
        self._verifier = ThreadPoolExecutor(1, thread_name_prefix="web-password")
        self.on_end: list[Callable[[str], None]] = []  # told the participant of whom tokens ended before their time
        self.logins = {"right": 0, "wrong": 0, "suspended": 0, "limited": 0}

    def close(self) -> None:
        self._verifier.shutdown(wait=False, cancel_futures=True)

    # -------------------------------------------------------------------------------------------------- tokens

    async def login(self, name: str, password: str, address: str) -> tuple[str, SignedIn]:
        """A new token. Raises ApiError: 401, 403 for one who is suspended, 429."""
        known = await self._check(name, password, address)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        made = _Token(name, self._clock() + self._token_ns, known)
        self._drop_expired(name)
        kept = self._tokens_of.setdefault(name, [])
        while len(kept) >= TOKENS_MAX:
            del self._tokens[kept.pop(0)]
        digest = _digest(token)
        self._tokens[digest] = made
        kept.append(digest)
        return token, SignedIn(name, made.expires)

    def by_token(self, token: str) -> SignedIn | None:
        """Who the token stands for now; None where it is none any more."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            return None
        found = self._tokens.get(_digest(token))
        if found is None or found.expires <= self._clock() or found.password_hash != self._password_hash(found.participant):
            return None
        return SignedIn(found.participant, found.expires)

    def logout(self, token: str) -> None:
        """End a token; one that is none has ended already."""
        digest = _digest(token)
        found = self._tokens.pop(digest, None)
        if found is not None:
            self._note("sign-out", participant=found.participant)
            self._tokens_of[found.participant].remove(digest)
            self._tell(found.participant)

    def end(self, participant: str) -> None:
        """End whatever he has that is not by the password he has now: all of it where he is suspended."""
        now = self._password_hash(participant)
        ended = [digest for digest in self._tokens_of.get(participant, ()) if self._tokens[digest].password_hash != now]
        for digest in ended:
            del self._tokens[digest]
            self._tokens_of[participant].remove(digest)
        for mark in [mark for mark, verified in self._verified.items() if verified.participant == participant]:
            del self._verified[mark]
        if ended:
            self._tell(participant)

    def _drop_expired(self, participant: str) -> None:
        now, kept = self._clock(), self._tokens_of.get(participant, [])
        while kept and self._tokens[kept[0]].expires <= now:  # all live equally long
            del self._tokens[kept.pop(0)]

    def _tell(self, participant: str) -> None:
        for tell in self.on_end:
            tell(participant)

    # ------------------------------------------------------------------------------------------------ requests

    async def identify(self, authorization: str | None, address: str) -> str:
        """The participant whom an Authorization header names. Raises ApiError: 401, 403, 429."""
        if not authorization:
            raise not_signed_in("sign in first: POST /v1/login, and send its token as Authorization: Bearer …")
        scheme, _, credentials = authorization.partition(" ")
        credentials = credentials.strip()
        if scheme.lower() == "bearer":
            signed_in = self.by_token(credentials)
            if signed_in is None:
                raise not_signed_in("the token is none, or has expired: sign in again")
            return signed_in.participant
        if scheme.lower() == "basic":
            name, password = _basic(credentials)
            await self._check(name, password, address)
            return name
        raise not_signed_in("Authorization is to be Bearer, with a token, or Basic, with name and password")

    # ----------------------------------------------------------------------------------------------- passwords

    def _password_hash(self, name: str) -> str:
        """What his password is checked against; empty for one who may not sign in."""
        return password_hash(self._configured.get(name), self._members.by_name.get(name))

    def _own_hash(self, name: str) -> str:
        """The same for one who is suspended, who is to be told so where he knows his password."""
        member = self._members.by_name.get(name)
        if member is not None and member.access == "suspended":
            member = msgspec.structs.replace(member, access="normal")
        return password_hash(self._configured.get(name), member)

    async def _check(self, name: str, password: str, address: str) -> str:
        """The hash that the password agrees with. Raises ApiError."""
        known = self._own_hash(name)
        if name in self._allowed and plain(address) not in self._allowed[name]:
            known = ""  # from there he is unknown
        mark = hmac.digest(self._key, f"{name}\0{password}".encode(errors="surrogatepass"), hashlib.sha256)
        verified = self._verified.get(mark)
        if verified is not None and verified.until > self._monotonic() and verified.password_hash == known:
            return self._unless_suspended(name, known)
        try:
            self._count_attempt(name, address)
        except ApiError:
            self._note("sign-in", participant=name, address=address, outcome="refused", why="too many attempts")
            raise
        if self._waiting >= WAITING_MAX:
            raise too_many("too-many-attempts", "too many people are signing in at this moment: try again", 1)
        self._waiting += 1
        try:
            right = await asyncio.get_running_loop().run_in_executor(
                self._verifier, passwords.verify, password, known or passwords.DECOY
            )
        finally:
            self._waiting -= 1
        if not right or not known or self._own_hash(name) != known:
            self._note("sign-in", participant=name, address=address, outcome="refused", why=WRONG)
            self.logins["wrong"] += 1
            self._names.take(name, self._monotonic())
            raise not_signed_in(WRONG)
        if not self._password_hash(name):
            self._note("sign-in", participant=name, address=address, outcome="refused", why="suspended")
        self._unless_suspended(name, known)
        self._note("sign-in", participant=name, address=address, outcome="accepted")
        self.logins["right"] += 1
        self._verified[mark] = _Verified(name, known, self._monotonic() + VERIFIED_SECONDS)
        self._verified.move_to_end(mark)
        if len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)
        return known

    def _count_attempt(self, name: str, address: str) -> None:
        # Of an address every attempt counts, of a name those that were wrong.
        now = self._monotonic()
        wait = max(self._addresses.take(address_key(address), now), self._names.wait(name, now))
        if wait:
            self.logins["limited"] += 1
            raise too_many("too-many-attempts", "too many attempts to sign in: wait a little", retry_after(wait))

    def _unless_suspended(self, name: str, known: str) -> str:
        if not self._password_hash(name):
            self.logins["suspended"] += 1
            raise ApiError(403, "suspended", f"{name} is suspended: ask the venue")
        return known


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _basic(credentials: str) -> tuple[str, str]:
    """Name and password of an Authorization header. Raises ApiError."""
    try:
        if len(credentials) > CREDENTIALS_CHARACTERS_MAX:
            raise ValueError
        name, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise not_signed_in("Authorization: Basic is to be the base64 of name:password") from None
    if not colon or len(name) > NAME_CHARACTERS_MAX or len(password) > PASSWORD_CHARACTERS_MAX:
        raise not_signed_in(WRONG)
    return name, password
