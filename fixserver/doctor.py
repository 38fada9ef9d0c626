"""`fixserver doctor`: looks at everything that a venue needs to run, says what is wrong and what to do; it mends nothing itself.

Exit codes: 0 nothing is wrong (there may be warnings), 1 something is, 2 the arguments are wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from fixserver import doctor_machine as machine
from fixserver.config import Config, ConfigError, load
from fixserver.findings import Finding, ok, warning, wrong

EXIT_WRONG = 1
_WORDS = {"ok": "ok", "warning": "WARNING", "wrong": "WRONG"}

DESCRIPTION = (
    "Look at the configuration, ports, disk, sync speed, clock, databases, dictionaries, open files, certificates and the data"
    " directory of a venue, which may be running, and say what is wrong and what to do. Nothing is changed. Run it as the user"
    " that the venue runs as. Exit code 1 when something is wrong."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("--config", type=Path, default=Path("config/exchange.toml"), metavar="FILE", help="the venue (%(default)s)")
    parser.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="where it keeps what it writes (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="a list of objects: check, state, found, do")


def run(args: argparse.Namespace) -> int:
    findings = list(examined(args.config, args.data))
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        print(table(findings))
    return EXIT_WRONG if any(finding.state == "wrong" for finding in findings) else 0


def examined(file: Path, data: Path) -> Iterator[Finding]:
    """Everything that is looked at, in the order of a first start."""
    yield from machine.python()
    try:
        from fixserver import doctor_venue as venue
    except ImportError as error:
        yield wrong("doctor", f"nothing more can be looked at: {error}", "see what is said of the packages")
        return
    config, findings = configuration(file)
    yield from findings
    last = venue.last_time(data)
    at_work = machine.running(data)
    durable = config is None or config.exchange.durability == "fsync"
    looks: list[Callable[[], Iterable[Finding]]] = [
        lambda: machine.disk(data),
        lambda: machine.sync_speed(data, durable),
        machine.memory,
        lambda: machine.clock(last),
    ]
    if config is not None:
        found = config
        looks += [
            lambda: machine.open_files(found),
            lambda: machine.ports(found, data, at_work),
            lambda: venue.doors(found),
            lambda: venue.certificates(found),
            lambda: venue.fix_dictionaries(found),
            lambda: venue.databases(found, data),
        ]
    looks.append(lambda: venue.data_directory(data, at_work))
    for look in looks:
        try:
            yield from look()
        except OSError as error:  # what is looked at may go away meanwhile
            yield warning("doctor", f"could not look: {error}", "run it again, as the user that the venue runs as")


def configuration(file: Path) -> tuple[Config | None, list[Finding]]:
    """What can be read of it, also where files that it names are missing."""
    try:
        config = load(file)
    except ConfigError as error:
        findings = [
            wrong("configuration", str(error), "correct it: docs/operating.md and fixserver/config.py say what may stand there")
        ]
        try:
            return load(file, ()), findings
        except ConfigError:
            return None, findings
    return config, [ok("configuration", f"{file}: {len(config.instruments)} instruments, {len(config.participants)} participants")]


def table(findings: list[Finding]) -> str:
    """For people: a line for each, and what to do below those that want something done."""
    across = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{_WORDS[finding.state]:<8} {finding.check:<{across}}  {finding.found}")
        if finding.do:
            lines.append(f"{'':<8} {'':<{across}}    -> {finding.do}")
    count = {state: sum(finding.state == state for finding in findings) for state in _WORDS}
    lines.append("")
    lines.append(f"{count['wrong']} wrong, {count['warning']} warnings, {count['ok']} well")
    return "\n".join(lines)
