"""`fixserver participant add`: prints the configuration entry of somebody new; it changes no file and keeps no password."""

from __future__ import annotations

import argparse
import getpass
import secrets
import sys

from fixserver import passwords
from fixserver.config import ConfigError, is_name, to_units
from matching.messages import MONEY_DECIMALS

GENERATED_CHARACTERS = 20
# Without 0 O 1 l I, which are read wrongly.
ALPHABET = "23456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", title="actions", required=True, dest="action")
    add = actions.add_parser(
        "add",
        help="make an entry for the configuration",
        formatter_class=parser.formatter_class,
        description="Asks for a password (or reads a line, when standard input is no terminal) and prints the entry that lets"
        " NAME log on, to be put into the venue's TOML file. The entry holds a hash of the password, not the password.",
    )
    add.add_argument("name", metavar="NAME", help="the SenderCompID of the participant, and the name of his account")
    add.add_argument("--generate", action="store_true", help="make up a password, and say it on standard error")
    add.add_argument("--cash", default="0", metavar="AMOUNT", help="what the account begins with (%(default)s)")


def run(args: argparse.Namespace) -> int:
    if not is_name(args.name):
        raise ConfigError("participant add", "NAME", f'"{args.name}" is not 1 to 32 letters, digits, dots, dashes, underscores')
    try:
        to_units(args.cash, MONEY_DECIMALS)
    except ValueError as error:
        raise ConfigError("participant add", "--cash", str(error)) from None
    if args.generate:
        password = "".join(secrets.choice(ALPHABET) for _ in range(GENERATED_CHARACTERS))
        print(f"password of {args.name}: {password}", file=sys.stderr)
    else:
        password = asked_for()
    print(entry(args.name, password, args.cash), end="")
    return 0


def entry(name: str, password: str, cash: str) -> str:
    """The TOML of a participant."""
    return f'[[participants]]\nname = "{name}"\npassword = "{passwords.hash_password(password)}"\ncash = "{cash}"\n'


def asked_for(from_terminal: bool = True) -> str:
    """The password, from the terminal twice or from standard input once. ConfigError where it cannot be one."""
    if from_terminal and sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise ConfigError("participant add", "", "the two passwords differ: nothing was made")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError("participant add", "", "an empty password cannot be sent over FIX: nothing was made")
    if not password.isprintable():
        raise ConfigError("participant add", "", "a password of control characters cannot be sent over FIX: nothing was made")
    return password
