"""`fixserver secrets`: makes the certificates and passwords that a venue in containers begins with; it changes and prints none.

Who may look into the directory is its owner alone. The files in it may be read by everybody, because each is shown to the
containers that need it, whose users are not the owner.
"""

from __future__ import annotations

import argparse
import os
import secrets
from pathlib import Path

from fixserver import certificates, passwords
from fixserver.certificates import CannotMake
from fixserver.config import ConfigError
from fixserver.participant_command import ALPHABET, GENERATED_CHARACTERS

# Of databases and people's programs; of those with a hash the venue is shown that alone.
PASSWORDS = ("postgres_password", "clearing_password", "history_password", "grafana_password")
PASSWORDS_WITH_HASH = ("trader_password", "bots_password")
NAMES = ("localhost", "127.0.0.1", "exchange", "marketdata")
_OWNER_ALONE, _OWNER_READS, _ALL_MAY_READ = 0o700, 0o400, 0o444


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Make what compose.yaml finds in the directory secrets/: an authority (ca.pem) and a certificate of the venue signed by it,"
        " passwords of the databases and of Grafana, and passwords with their hashes for TRADER1, TRADER2 and the bots. What is"
        " there already stays as it is."
    )
    parser.add_argument("directory", nargs="?", type=Path, default=Path("secrets"), metavar="DIR", help="(%(default)s)")
    parser.add_argument(
        "--name", action="append", default=[], metavar="NAME",
        help="under which clients reach the venue, or its address; may be given several times",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    try:
        made = make(args.directory, args.name)
    except CannotMake as error:
        raise ConfigError("secrets", "", str(error)) from None
    except OSError as error:
        raise ConfigError("secrets", "", f"{error.filename or args.directory}: {(error.strerror or str(error)).lower()}") from None
    print(f"{args.directory}: " + (f"made {', '.join(made)}" if made else "everything was there already"))
    return 0


def make(directory: Path, names: list[str]) -> list[str]:
    """Make what is missing in `directory`; the names of the files made. Raises OSError, CannotMake."""
    directory.mkdir(parents=True, exist_ok=True, mode=_OWNER_ALONE)
    directory.chmod(_OWNER_ALONE)
    made = []
    if not (directory / "venue.pem").exists():
        made += _certificates(directory, [*NAMES, *names])
    for name in PASSWORDS:
        if not (directory / name).exists():
            made += _write(directory, name, _password())
    for name in PASSWORDS_WITH_HASH:
        if not (directory / f"{name}.hash").exists():
            password = _password()
            made += _write(directory, name, password)
            made += _write(directory, f"{name}.hash", passwords.hash_password(password))
    return made


def _password() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(GENERATED_CHARACTERS))


def _write(directory: Path, name: str, text: str, mode: int = _ALL_MAY_READ) -> list[str]:
    """A file that is there whole or not at all."""
    partial = directory / f"{name}.partial"
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(text.rstrip("\n") + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.chmod(mode)
    partial.replace(directory / name)
    return [name]


def _certificates(directory: Path, names: list[str]) -> list[str]:
    """An authority where there is none, and the venue's certificate with its key. Raises CannotMake, OSError."""
    made: list[str] = []
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    if ca.exists() and ca_key.exists():
        by = certificates.Signed(ca.read_text(), ca_key.read_text())
    else:
        by = certificates.authority()
        made += _write(directory, "ca.pem", by.certificate) + _write(directory, "ca.key", by.key, _OWNER_READS)  # no container does
    signed = certificates.sign(by, names[-1], names)
    return [*made, *_write(directory, "venue.key", signed.key), *_write(directory, "venue.pem", signed.certificate)]
