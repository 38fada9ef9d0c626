"""Unix sockets in the data directory, which their owner alone may open; it sends nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

PATH_BYTES_MAX = 107  # of a Unix socket's address
BACKLOG = 64  # that have connected and wait to be taken, or told that they are too many
_OTHERS = 0o177


@contextlib.contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """`path` as an address of a Unix socket, which may be shorter than a path is. Raises OSError."""
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def listening_socket(path: Path, whose: str) -> socket.socket:
    """Listen at `path`, in the place of the socket of a process that was killed. `whose` is for people. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, f"is in the place of {whose} socket: move it away", str(path))
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode of the file is decided when it is made: nobody else gets in, not even for a moment.
    mask = os.umask(_OTHERS)
    try:
        with socket_address(path) as address:
            sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.umask(mask)
    return sock
