"""A private authority, and certificates that it signs: made by openssl, given back as text; it keeps no file.

For venues whose clients are known: they are given the authority's certificate, and trust nobody else for it. Keys are of the curve
P-256, which costs a port least.
"""

from __future__ import annotations

import ipaddress
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

DAYS = 825
AUTHORITY_DAYS = 3650
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
# What may stand in a subject, and as an alternative name, without meaning something to openssl.
_COMMON_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:*-]{0,63}", re.ASCII)


class CannotMake(Exception):
    """There is no certificate. Says why, to a person."""


class Signed(NamedTuple):
    """A certificate and its key, in PEM."""

    certificate: str
    key: str


def authority(name: str = "fixserver authority", days: int = AUTHORITY_DAYS) -> Signed:
    """A new authority. Raises CannotMake, OSError."""
    with _work() as work:
        (work / "extensions").write_text(
            "[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE,pathlen:0\n"
            "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
        )
        subject = ("-subj", f"/CN={_checked(name)}", "-days", str(days), "-config", "extensions")
        _openssl(work, "req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.pem", *subject)
        return Signed((work / "ca.pem").read_text(), (work / "ca.key").read_text())


def sign(
    by: Signed, common_name: str, names: Iterable[str] = (), *, days: int = DAYS, use: str = "serverAuth,clientAuth"
) -> Signed:
    """A certificate of `common_name`, with the names and addresses by which a server is reached. Raises CannotMake, OSError."""
    with _work() as work:
        (work / "ca.pem").write_text(by.certificate)
        (work / "ca.key").write_text(by.key)
        alternatives = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{_checked(name)}" for name in dict.fromkeys(names))
        lines = [f"extendedKeyUsage={use}", "basicConstraints=CA:FALSE", "authorityKeyIdentifier=keyid"]
        lines += [f"subjectAltName={alternatives}"] if alternatives else []
        (work / "extensions").write_text("\n".join(lines) + "\n")
        _openssl(work, "req", *_KEY, "-keyout", "own.key", "-out", "own.csr", "-subj", f"/CN={_checked(common_name)}")
        _openssl(
            work, "x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days),
            "-out", "own.pem", "-extfile", "extensions",
        )  # fmt: skip
        return Signed((work / "own.pem").read_text(), (work / "own.key").read_text())


def _work() -> _Work:
    return _Work(prefix="certificates")


class _Work(tempfile.TemporaryDirectory[str]):
    """A directory that its owner alone may look into, and that does not stay."""

    def __enter__(self) -> Path:  # type: ignore[override]
        return Path(super().__enter__())


def _openssl(work: Path, *arguments: str) -> None:
    if shutil.which("openssl") is None:
        raise CannotMake("there is no openssl, which makes the certificates. On Debian: sudo apt install openssl")
    done = subprocess.run(["openssl", *arguments], cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it does not say why"]
        raise CannotMake(f"openssl {arguments[0]}: {said[-1]}")


def _checked(name: str) -> str:
    if not _COMMON_NAME.fullmatch(name):
        raise CannotMake(f"{name[:80]!r} cannot be a name in a certificate: letters, digits, dots, dashes, underscores, 64 at most")
    return name


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
