"""`fixserver certificates`: a private authority and the certificates of a venue and its clients, in a directory; it prints no key.

What is there stays, unless it is to be renewed. A key is written before its certificate, each whole or not at all: a venue that
runs takes them when both are there.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from fixserver import certificates
from fixserver.certificates import CannotMake, Signed
from fixserver.config import ConfigError, is_name

NAMES = ("localhost", "127.0.0.1")
_OWNER_ALONE, _ALL_MAY_READ = 0o600, 0o644


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Make an authority (ca.pem, ca.key), the venue's certificate (server.pem, server.key), and one for each client that is"
        " named (client-NAME.pem, client-NAME.key). Clients are given ca.pem; ca.key belongs on no machine that others reach."
        " What is there already stays, but for --renew."
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="where they are put; its owner alone may look into it")
    parser.add_argument(
        "--name", action="append", default=[], metavar="NAME",
        help="a name or an address by which clients reach the venue, besides localhost; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--client", action="append", default=[], metavar="COMPID",
        help="a SenderCompID that gets a certificate in its name; may be given several times",
    )  # fmt: skip
    parser.add_argument("--days", type=int, default=certificates.DAYS, metavar="N", help="that they are good for (%(default)s)")
    parser.add_argument("--renew", action="store_true", help="make the venue's, and those of clients that are named, again")


def run(args: argparse.Namespace) -> int:
    """Raises ConfigError."""
    if args.days < 1:
        raise ConfigError("certificates", "--days", f"{args.days} is not above zero")
    for name in args.client:
        if not is_name(name):
            raise ConfigError("certificates", "--client", f"{name[:80]!r} is no SenderCompID")
    try:
        made = make(args.directory, args.name, args.client, days=args.days, renew=args.renew)
    except CannotMake as error:
        raise ConfigError("certificates", "", str(error)) from None
    except OSError as error:
        why = f"{error.filename or args.directory}: {(error.strerror or str(error)).lower()}"
        raise ConfigError("certificates", "", why) from None
    print(f"{args.directory}: " + (f"made {', '.join(made)}" if made else "everything was there already"))
    return 0


def make(directory: Path, names: list[str], clients: list[str], *, days: int = certificates.DAYS, renew: bool = False) -> list[str]:
    """Make what is missing; the names of the files. Raises CannotMake, OSError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    made: list[str] = []
    if not (directory / "ca.pem").exists():
        made += _write(directory, "ca", certificates.authority())
    by = Signed((directory / "ca.pem").read_text(), (directory / "ca.key").read_text())
    if renew or not (directory / "server.pem").exists():
        reached = [*NAMES, *names]
        made += _write(directory, "server", certificates.sign(by, reached[-1], reached, days=days))
    for client in clients:
        stem = f"client-{client}"
        if renew or not (directory / f"{stem}.pem").exists():
            made += _write(directory, stem, certificates.sign(by, client, days=days, use="clientAuth"))
    return made


def _write(directory: Path, stem: str, signed: Signed) -> list[str]:
    for name, text, mode in ((f"{stem}.key", signed.key, _OWNER_ALONE), (f"{stem}.pem", signed.certificate, _ALL_MAY_READ)):
        partial = directory / f"{name}.partial"
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(directory / name)
    return [f"{stem}.pem", f"{stem}.key"]
