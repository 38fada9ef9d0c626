"""Whom programs of ours take for the venue when it speaks TLS; it opens no connection."""

from __future__ import annotations

import argparse
import ssl
from pathlib import Path

from fixserver.config import Config, ConfigError


def add_argument(parser: argparse.ArgumentParser) -> None:
    """`--ca`, for a program that is a client of the venue."""
    text = "who signs the venue's certificate, with which it speaks TLS (the certificate itself, where the configuration names one)"
    parser.add_argument("--ca", type=Path, metavar="FILE", help=text)


def client_tls(config: Config | None, ca: Path | None) -> ssl.SSLContext | None:
    """For a venue that speaks TLS, by what was said or by its configuration; None for one that does not. Raises ConfigError."""
    own = [name for name in (config.exchange.certificate, config.marketdata.certificate) if name] if config is not None else []
    trusted = [str(ca)] if ca is not None else own
    if not trusted:
        return None
    try:
        return trusting(*trusted, by_name=ca is not None)
    except OSError as error:
        raise ConfigError("--ca", "", f"{' or '.join(trusted)}: {error.strerror or error}") from None


def trusting(*files: str, by_name: bool = True) -> ssl.SSLContext:
    """For a venue whose certificate is in one of these files or signed by one that is; with `by_name`, and is for the name by
    which the venue is reached. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = by_name
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for name in files:
        context.load_verify_locations(name)
    return context
