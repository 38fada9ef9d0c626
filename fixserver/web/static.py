"""The files that browsers are sent: the trading screen, the page of the description; all are read once, and no path is ever opened.

A file that is not found when the process starts is not there. Browsers keep files and ask whether they are still the same.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

FILE_BYTES_MAX = 4 * 2**20
FILES_MAX = 500
IS_COMPRESSED = "is_compressed"  # of a route: what it sends is not to be compressed once more
GZIP_BYTES_MIN = 1_024
GZIPPED = ("text/", "application/json", "application/javascript", "image/svg+xml")
KINDS = {".js": "text/javascript", ".mjs": "text/javascript", ".woff2": "font/woff2", ".webmanifest": "application/manifest+json"}


class Asset(NamedTuple):
    """A file as it is sent. `zipped` is empty where that makes it no smaller."""

    content: bytes
    zipped: bytes
    kind: str
    etag: str


def asset(content: bytes, name: str) -> Asset:
    """What `name` is sent as."""
    suffix = Path(name).suffix
    kind = KINDS.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
    zipped = b""
    if len(content) >= GZIP_BYTES_MIN and kind.startswith(GZIPPED):
        zipped = gzip.compress(content, mtime=0)
    return Asset(content, zipped if len(zipped) < len(content) else b"", kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def assets(directory: Path) -> dict[str, Asset]:
    """Every file below `directory` by its path in it. Raises OSError."""
    found: dict[str, Asset] = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if not path.is_file() or path.suffix in (".py", ".pyc") or any(part.startswith((".", "__")) for part in path.parts[-2:]):
            continue
        assert path.stat().st_size <= FILE_BYTES_MAX and len(found) < FILES_MAX, f"{path} is more than this is made for"
        found[name] = asset(path.read_bytes(), name)
    return found


def sent(request: Request[Any, Any, Any], found: Asset) -> Response[bytes]:
    """The file, or that it has not changed."""
    headers = {"etag": found.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if found.etag in [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(b"", status_code=304, headers=headers)
    content = found.content
    if found.zipped and takes_gzip(request.headers.get("accept-encoding", "")):
        content, headers["content-encoding"] = found.zipped, "gzip"
    return Response(content, headers=headers, media_type=found.kind)


def takes_gzip(accept_encoding: str) -> bool:
    for part in accept_encoding.lower().split(","):
        name, _, parameter = part.strip().partition(";")
        if name.strip() in ("gzip", "*"):
            return parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def file_routes(files: dict[str, Asset]) -> HTTPRouteHandler:
    """A handler for these files, by the path that each is asked for at."""

    @get(sorted(files), name="files", include_in_schema=False, sync_to_thread=False, opt={IS_COMPRESSED: True})
    def file(request: Request[Any, Any, Any]) -> Response[bytes]:
        return sent(request, files[request.scope["path"]])

    return file


def below(path: str, files: dict[str, Asset], index: str = "index.html") -> dict[str, Asset]:
    """The files by what they are asked for at when their directory is at `path`, where the index is too."""
    root = path.rstrip("/")
    found = {f"{root}/{name}": file for name, file in files.items()}
    if index in files:
        found[path] = files[index]
    return found
