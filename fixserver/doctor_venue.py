"""What `fixserver doctor` looks at of the venue: certificates, dictionaries, databases, data directory; it changes none of them."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import URL, Connection, make_url, text

from fixserver import dictionaries, passwords
from fixserver.config import DICTIONARIES, Config, ConfigError, Listener, Web
from fixserver.findings import Finding, ok, warning, wrong
from following.database import DatabaseUnavailable, Refused, open_database, standing, trouble_named
from matching.recordlog import LogDamaged, LogMissing, LogReader, segments
from matching.sequencer import read_commands
from matching.snapshot import SnapshotDamaged, read_snapshot, snapshots

DAYS_WARNING = 30
DAY_S = 86_400
SECRET_FILES = "/run/secrets/"  # each shown to the containers alone that need it: who may read it there is known
POSTGRES_LEAST = 130_000
SNAPSHOT_BYTES_READ_MAX = 256 * 2**20
EXAMPLES_PASSWORD = "demo"


# --------------------------------------------------------------------------------------------- who gets in


def doors(config: Config) -> Iterator[Finding]:
    """Whether what listens for other machines is as safe as that wants."""
    for name, section in _doors(config):
        if not _is_here(section.address) and not section.certificate:
            yield wrong(
                f"tls {name}",
                f"{section.address} is for other machines, and passwords cross the network in the clear",
                f"set {name}.certificate and private_key (docs/deploying.md), or {name}.address to 127.0.0.1",
            )
    if all(_is_here(section.address) for _, section in _doors(config)):
        return
    hashes = {entry.password: entry.name for entry in config.participants}
    hashes |= {entry.password: entry.name for entry in config.drop_copies}
    found = [name for text, name in hashes.items() if passwords.verify(EXAMPLES_PASSWORD, text)]
    if found:
        yield wrong(
            "passwords",
            f"the password of {', '.join(found)} is that of the examples, and other machines may log on",
            "fixserver participant add NAME makes an entry with another",
        )


def _doors(config: Config) -> list[tuple[str, Listener | Web]]:
    """The ports at which people and programs of elsewhere log on, by their sections."""
    sections = [(name, getattr(config, name)) for name in config.__struct_fields__]
    return [
        (name, section)
        for name, section in sections
        if isinstance(section, Listener) or (isinstance(section, Web) and section.enabled)
    ]


def _is_here(address: str) -> bool:
    return address == "localhost" or address.startswith("127.") or address == "::1"


# --------------------------------------------------------------------------------------------- certificates


def certificates(config: Config) -> Iterator[Finding]:
    """Of each port: whether its files can be read and belong together, and a client would take the certificate."""
    seen: dict[tuple[str, str, str], str] = {}
    for name, section in _doors(config):
        if not section.certificate:
            continue
        files = section.certificate, section.private_key, getattr(section, "client_ca", "")
        if files in seen:
            yield ok(f"certificate {name}", f"as that of {seen[files]}")
            continue
        seen[files] = name
        yield from certificate(f"certificate {name}", section, time.time())


def certificate(check: str, section: Listener | Web, now: float) -> Iterator[Finding]:
    key = Path(section.private_key)
    for path in (Path(section.certificate), key, Path(getattr(section, "client_ca", "") or section.certificate)):
        if not os.access(path, os.R_OK):
            yield wrong(
                check, f"{path} cannot be read by user {os.geteuid()}", f"chown or chmod it so that user {os.geteuid()} may"
            )
            return
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(section.certificate, section.private_key)
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            yield wrong(check, f"{key} is not the key of {section.certificate}", "name the key that it was made with")
        else:
            said = getattr(error, "reason", "") or str(error)
            yield wrong(check, f"{section.certificate} or {key} is no certificate or key: {said}", "name files in PEM form")
        return
    if client_ca := getattr(section, "client_ca", ""):
        try:
            server.load_verify_locations(client_ca)
        except ssl.SSLError as error:
            yield wrong(check, f"{client_ca} holds no certificate: {error.reason}", "name a file in PEM form")
            return
    shown, refused = _shown_to_a_client(server, section.certificate)
    if refused is not None:
        yield wrong(
            check, f"{section.certificate}: a client would refuse it: {refused}", "have another made: fixserver certificates"
        )
        return
    days = (ssl.cert_time_to_seconds(str(shown["notAfter"])) - now) / DAY_S
    names = [str(value) for _, value in shown.get("subjectAltName", ())]
    found = f"{section.certificate}, for {', '.join(names) or 'no name'}, for {days:.0f} more days"
    if days < DAYS_WARNING:
        yield warning(check, found, "have another made, and put it in the place of this one")
    else:
        yield ok(check, found)
    host = getattr(section, "host", "")
    if host and host not in names:
        yield warning(
            check, f"{host}, by which the venue's programs reach it, is none of its names", f"make one that has it: {host}"
        )
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & 0o077 and not str(key).startswith(SECRET_FILES):
        yield warning(check, f"{key} may be read by others than its owner (mode {mode:o})", f"chmod 600 {key}")


def _shown_to_a_client(server: ssl.SSLContext, certificate: str) -> tuple[dict[str, Any], str | None]:
    """What a client sees of the certificate, and why he would refuse it: a handshake in memory, where he trusts it as such."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    done = 0
    for _ in range(10):
        for side in (ours, theirs):
            try:
                side.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return {}, error.verify_message
            except ssl.SSLError as error:
                return {}, error.reason or str(error)
        if done >= 2:
            break
    return dict(ours.getpeercert() or {}), None


# ------------------------------------------------------------------------------------------------ dictionaries


def fix_dictionaries(config: Config) -> Iterator[Finding]:
    try:
        generated = dictionaries.generate()
    except (OSError, ImportError) as error:
        yield warning("dictionaries", f"cannot be compared: {error}", "see what is said of the packages")
        return
    differ = [name for name in DICTIONARIES if (config.dictionaries / name).read_text(errors="replace") != generated[name]]
    if differ:
        yield warning(
            "dictionaries",
            f"{', '.join(differ)} in {config.dictionaries}: not what this program would make",
            f"fixserver dictionaries --output {config.dictionaries}",
        )
    else:
        yield ok("dictionaries", f"{len(generated)} in {config.dictionaries}, as this program makes them")


# -------------------------------------------------------------------------------------------------- databases


class Kept(NamedTuple):
    """A database: its section, its tables' migrations, and how to find it."""

    section: str
    name: str
    migrations: Path
    url: Callable[[Config, Path], str | URL]


def databases(config: Config, data: Path) -> Iterator[Finding]:
    """Whether each can be reached and has tables that this program knows, and that they are two."""
    from clearing.database import MIGRATIONS as LEDGER
    from fixserver import clearing_process, history_process
    from marketdata.history.database import MIGRATIONS as HISTORY

    kept = [Kept("clearing", "ledger", LEDGER, clearing_process.database_url)]
    if config.history.enabled:
        kept.append(Kept("history", "history", HISTORY, history_process.database_url))
    identities: dict[str, str] = {}
    for database in kept:
        check = f"database {database.section}"
        try:
            url = make_url(database.url(config, data))
        except ConfigError as error:
            yield wrong(check, str(error), "put the password into that file")
            continue
        found = list(_database(check, database, url, identities))
        yield from found


def _database(check: str, kept: Kept, url: URL, identities: dict[str, str]) -> Iterator[Finding]:
    shown = url.render_as_string()
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        if not path.exists():
            yield ok(check, f"{path}: will be made at the first start")
            return
        if not os.access(path, os.W_OK):
            yield wrong(check, f"{path} cannot be written by user {os.geteuid()}", f"chown {os.geteuid()} {path}*")
            return
    try:
        engine = open_database(url, kept.name, read_only=True)
    except Refused as error:
        yield wrong(check, str(error), f"correct {kept.section}.database")
        return
    try:
        with trouble_named(engine), engine.connect() as connection:
            identity, said = _identity(connection, url)
            state = standing(connection, kept.migrations)
    except DatabaseUnavailable as error:
        yield wrong(check, f"{shown} cannot be reached: {error}", "start the database, or correct its URL, user and password")
        return
    except Refused as error:
        yield wrong(check, f"{shown}: {error}", "see what the database says")
        return
    finally:
        engine.dispose()
    if other := identities.get(identity):
        yield wrong(check, f"{shown} is the database of {other} too, by another name", f"name another in {kept.section}.database")
        return
    identities[identity] = kept.section
    yield from said_of_postgres(check, shown, said)
    if state == "later":
        yield wrong(check, f"{shown}: its tables are of a later program", "use that program, or another database")
    elif state == "older":
        yield warning(
            check, f"{shown}: its tables are of an earlier program", "they are brought up to date at the next start: back up first"
        )
    elif state == "absent":
        yield ok(check, f"{shown}: reached; its tables will be made at the first start")
    else:
        yield ok(check, f"{shown}: reached, with the tables of this program")


def _identity(connection: Connection, url: URL) -> tuple[str, dict[str, str]]:
    """What is the same for the same database, by whatever name; and the settings that matter, for PostgreSQL."""
    if url.get_backend_name() == "sqlite":
        return str(Path(url.database or "").resolve()), {}
    rows = connection.execute(
        text(
            "SELECT name, setting FROM pg_settings"
            " WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'server_version_num', 'server_version')"
        )
    )
    said = {str(name): str(setting) for name, setting in rows}
    number = "SELECT oid FROM pg_database WHERE datname = current_database()"
    cluster, number = connection.execute(text(f"SELECT system_identifier, ({number}) FROM pg_control_system()")).one()
    return f"{cluster}/{number}", said


def said_of_postgres(check: str, shown: str, settings: dict[str, str]) -> Iterator[Finding]:
    """What is wrong with the settings of a server."""
    if int(settings.get("server_version_num", POSTGRES_LEAST)) < POSTGRES_LEAST:
        yield warning(check, f"{shown}: PostgreSQL {settings['server_version']}", "use 13 or later: what is older gets no repairs")
    off = [name for name in ("fsync", "full_page_writes") if settings.get(name) == "off"]
    if off:
        do = f"set {' and '.join(off)} = on in postgresql.conf"
        yield wrong(check, f"{shown}: {' and '.join(off)} off: a crash of its machine may leave nothing that can be read", do)


# --------------------------------------------------------------------------------------------- data directory


def last_time(data: Path) -> int:
    """When the journal's last batch was, in nanoseconds since 1970; 0 where there is none, or it cannot be read."""
    found = 0
    with contextlib.suppress(OSError, LogDamaged, LogMissing, msgspec.DecodeError):
        if segments_found := segments(data / "journal"):
            for batch in read_commands(data, segments_found[-1][0]):
                found = batch.time
    return found


def data_directory(data: Path, at_work: set[str]) -> Iterator[Finding]:
    """Whether what is in it can be read and goes together; the newest part alone, which `fixserver journal verify` does for all."""
    if not data.is_dir():
        yield ok("data", f"{data} will be made at the first start")
        return
    yield ok("processes", f"at work: {', '.join(sorted(at_work)) or 'none'}")
    yield from _owners(data)
    heads = {}
    for name in ("journal", "events"):
        try:
            heads[name] = head = _head(data / name)
        except (LogDamaged, LogMissing) as error:
            yield wrong(
                name, str(error), "stop the venue and put the files back from a copy (docs/operating.md); fixserver journal verify"
            )
        except OSError as error:
            yield wrong(name, f"{data / name}: {error.strerror or error}", "see who owns the files")
        else:
            yield ok(name, f"its newest segment can be read, to number {head:,}" if head else "is empty")
    if heads.get("events", 0) and not heads.get("journal", 1):
        yield wrong("journal", f"{data}: there are events, and no journal: its files are missing", "put them back from a copy")
    yield from _snapshots(data, heads.get("journal"))
    yield from _leftovers(data, at_work)


def _head(directory: Path) -> int:
    """The last number in a log. Raises LogDamaged, LogMissing, OSError."""
    found = segments(directory) if directory.is_dir() else []
    if not found:
        return 0
    reader = LogReader(directory, found[-1][0])
    try:
        for _ in reader.read():
            pass
        return reader.next_number - 1
    finally:
        reader.close()


def _owners(data: Path) -> Iterator[Finding]:
    """Files that the user who asks could not write, and so a venue that he starts."""
    owner, me = data.stat().st_uid, os.geteuid()
    strange = []
    for path in sorted(data.rglob("*")):
        with contextlib.suppress(OSError):
            if path.lstat().st_uid != owner:
                strange.append(path)
    if strange:
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        yield wrong("owner", f"{strange[0]}{more}: not of the user that {data} belongs to ({owner})", f"chown -R {owner} {data}")
    elif owner != me:
        yield warning(
            "owner", f"{data} belongs to user {owner}, and you are {me}", "start the venue, and its commands, as that user"
        )
    secret = data / "web.secret"
    if secret.exists() and stat.S_IMODE(secret.stat().st_mode) & 0o077:
        yield wrong("owner", f"{secret} may be read by others: who reads it may act for every participant", f"chmod 600 {secret}")


def _snapshots(data: Path, journal_head: int | None) -> Iterator[Finding]:
    found = snapshots(data / "snapshots") if (data / "snapshots").is_dir() else []
    if not found:
        yield ok("snapshots", "none: a start replays the whole journal")
        return
    number, path = found[-1]
    if journal_head is not None and number > journal_head:
        yield wrong("snapshots", f"{path}: is ahead of the journal: commands are missing from it", "put its files back from a copy")
        return
    try:
        if path.stat().st_size <= SNAPSHOT_BYTES_READ_MAX:
            read_snapshot(path)
    except (SnapshotDamaged, msgspec.DecodeError) as error:
        yield warning(
            "snapshots", f"{path}: cannot be used: {error}", "remove it: the journal has everything, a start takes longer"
        )
    except OSError as error:
        yield warning("snapshots", f"{path}: {error.strerror or error}", "see who owns it")
    else:
        yield ok("snapshots", f"the newest is of command {number:,}")


def _leftovers(data: Path, at_work: set[str]) -> Iterator[Finding]:
    """What a process that was killed left half done. A start removes or replaces most of it."""
    left = [path for pattern in ("*.partial", "*.new", "*/*.partial") for path in sorted(data.glob(pattern))]
    if not at_work:
        left += [path for name in ("admin.sock", "traffic.sock") if _is_dead_socket(path := data / name)]
    if not left:
        return
    names = ", ".join(str(path.relative_to(data)) for path in left[:5]) + (" ..." if len(left) > 5 else "")
    yield warning("leftovers", f"{names}: of processes that were killed", "nothing: the next start puts others in their place")


def _is_dead_socket(path: Path) -> bool:
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
