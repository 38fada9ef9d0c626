"""The messages of the stream, as docs/web-api.md has them; what is in a topic's `data` is the topic's business.

What a client says is taken strictly: a field that is not known is a mistake, of which the client is told.
"""

from __future__ import annotations

from typing import Any

import msgspec

# ------------------------------------------------------------------------------------------ what a client says


class Resumed(msgspec.Struct, forbid_unknown_fields=True):
    topic: str
    era: str
    number: int


class Subscribe(msgspec.Struct, tag_field="op", tag="subscribe", forbid_unknown_fields=True):
    topics: list[str | Resumed]


class Unsubscribe(msgspec.Struct, tag_field="op", tag="unsubscribe", forbid_unknown_fields=True):
    topics: list[str]


class Login(msgspec.Struct, tag_field="op", tag="login", forbid_unknown_fields=True):
    token: str


class Logout(msgspec.Struct, tag_field="op", tag="logout", forbid_unknown_fields=True):
    pass


class Ping(msgspec.Struct, tag_field="op", tag="ping", forbid_unknown_fields=True):
    id: int | str | None = None


decode = msgspec.json.Decoder(Subscribe | Unsubscribe | Login | Logout | Ping).decode


# ------------------------------------------------------------------------------------------- what it is told


class Hello(msgspec.Struct, tag_field="type", tag="hello"):
    venue: str
    era: str
    time: str


class Unsubscribed(msgspec.Struct, tag_field="type", tag="unsubscribed"):
    topic: str


class LoggedIn(msgspec.Struct, tag_field="type", tag="login"):
    participant: str
    expires: str


class LoggedOut(msgspec.Struct, tag_field="type", tag="logout"):
    pass


class Pong(msgspec.Struct, tag_field="type", tag="pong"):
    id: int | str | None
    time: str


class Error(msgspec.Struct, tag_field="type", tag="error", omit_defaults=True):
    code: str
    message: str
    topic: str | None = None


class Snapshot(msgspec.Struct, tag_field="type", tag="snapshot"):
    topic: str
    era: str
    number: int
    time: str
    data: Any


class Delta(msgspec.Struct, tag_field="type", tag="delta"):
    topic: str
    first: int
    number: int
    time: str
    data: list[Any]


encode = msgspec.json.Encoder().encode
