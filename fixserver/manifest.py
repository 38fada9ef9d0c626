"""What a backup says of itself: up to which command it goes, what a restored venue must come to, and a checksum of every file.

It is JSON, written last: a backup without one did not end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import msgspec
from sqlalchemy import Connection

from clearing import statements

FORMAT = 1
FILE = "manifest.json"
PARTIAL = ".partial"
BLOCK_BYTES = 1 << 20

TrialBalance = list[tuple[str, str, str, str]]  # kind of account, account, asset, amount in whole units of the asset


class Refused(Exception):
    """A backup cannot be taken, or cannot be put back: a person has to look. Says what is wrong, where, and what to do."""


class BackupFile(msgspec.Struct, frozen=True):
    path: str  # below the backup, with slashes
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`command_seq` is the last command that is in the backup, `event_seq` the last event that it caused, `time` (ns) when.

    `digest` is that of the engine, whose state is written down in the format `state_format`. `trial_balance` is what the ledger
    has at that event; None where there is no ledger. `ledger` and `history` say in what these were kept: sqlite,
    postgresql, or nothing. `archives` are the directories in which older segments are, by log; with `archive` they are in
    the backup too.
    """

    format: int = FORMAT
    program: str
    made: str
    command_seq: int
    event_seq: int
    time: int
    digest: str
    state_format: str
    ledger: str
    trial_balance: TrialBalance | None
    history: str
    archives: dict[str, str] = {}
    archive: bool = False
    files: list[BackupFile]


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode(content: bytes, where: str) -> Manifest:
    """Raises Refused, where `where` says what was read."""
    try:
        version = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).get("format")
        if version is not None and (number := msgspec.json.decode(version, type=int)) > FORMAT:
            raise Refused(
                f"{where}: a backup in format {number}, by a newer version of fixserver; this one reads formats up to {FORMAT}."
                " Use the newer version"
            )
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{where}: is damaged: {error}. Take another backup") from None
    for file in manifest.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts:
            raise Refused(f"{where}: names {file.path}, which is not below the backup: it was not made by fixserver")
    return manifest


def copied(source: BinaryIO, target: BinaryIO | None) -> tuple[int, str]:
    """Copy, where there is a target, and return how many bytes there were and their SHA-256."""
    count, digest = 0, hashlib.sha256()
    while block := source.read(BLOCK_BYTES):
        count += len(block)
        digest.update(block)
        if target is not None:
            target.write(block)
    return count, digest.hexdigest()


def files_in(directory: Path) -> Iterable[Path]:
    """Every file below a directory, in order, but the manifest."""
    return [path for path in sorted(directory.rglob("*")) if path.is_file() and path != directory / FILE]


def trial_balance(connection: Connection) -> TrialBalance:
    """What every account has that has something, the venue's own included."""
    found = statements.read_balances(connection)
    return sorted(
        (balance.account.kind, balance.account.name, balance.asset.name, str(balance.amount)) for balance in found if balance.amount
    )
