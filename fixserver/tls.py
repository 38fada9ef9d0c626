"""A port's TLS: certificates from files, read again when the files change; it opens no connection.

So a certificate is renewed by writing other files: no restart, and who is connected stays so. Where the new ones cannot be read or
do not belong together, which they do not while only one of them is written, the old ones go on until the files change again.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any

LOOK_SECONDS = 2.0  # between two looks at the files


class ServerTls:
    """The context that a port wraps its sockets with."""

    def __init__(
        self, certificate: str, private_key: str, client_ca: str = "", *, alpn: Sequence[str] = (), say: Callable[[str], None]
    ) -> None:
        """With `client_ca`, a client has to show a certificate that one of these has signed. Raises OSError (SSLError)."""
        self._files = [name for name in (certificate, private_key, client_ca) if name]
        self._certificate, self._private_key, self._client_ca = certificate, private_key, client_ca
        self._alpn = list(alpn)
        self._say = say
        self._stamps = self._look()
        self._due = time.monotonic() + LOOK_SECONDS
        self.context = self._make()

    def tick(self, now: float) -> None:
        """Once in a while, `now` by time.monotonic(): take other certificates where there are some. Costs three stat() when due."""
        if now < self._due:
            return
        self._due = now + LOOK_SECONDS
        stamps = self._look()
        if stamps == self._stamps:
            return
        try:
            self.context = self._make()
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error)
            self._say(f"{self._certificate}: has changed, and cannot be taken: {why}. The certificate from before is used on")
        else:
            self._say(f"{self._certificate}: has changed: new connections get it")
        self._stamps = stamps  # what is wrong is said once: the next look is at the next change

    def _look(self) -> list[tuple[int, int, int]]:
        found = []
        for name in self._files:
            try:
                about = os.stat(name)
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((about.st_mtime_ns, about.st_size, about.st_ino))
        return found

    def _make(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION  # which costs us more than who asks for it
        if self._alpn:
            context.set_alpn_protocols(self._alpn)
        context.load_cert_chain(self._certificate, self._private_key or None)
        if self._client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self._client_ca)
        return context


def common_name(sock: ssl.SSLSocket) -> str:
    """The name in the certificate that a client has shown; empty where there is none."""
    subject: Any = (sock.getpeercert() or {}).get("subject", ())
    return next((str(value) for part in subject for key, value in part if key == "commonName"), "")


def shows_own(sock: ssl.SSLSocket, certificate: str) -> bool:
    """Whether a client has shown the first certificate of that file of ours: then it is a process of the venue."""
    try:
        with open(certificate) as file:
            text = file.read()
        end = "-----END CERTIFICATE-----"
        ours = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE-----") : text.index(end) + len(end)])
    except (OSError, ValueError):
        return False
    return sock.getpeercert(binary_form=True) == ours
