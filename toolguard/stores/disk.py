"""What is asked of the system about files, where systems differ."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROC = Path("/proc/self/fd").is_dir()


def sync(descriptor: int) -> None:
    """Bring a file's content to the disk.

    Raises:
        OSError: it did not get there, and may never.
    """
    if sys.platform == "darwin":  # where fsync leaves it in the disk's own cache
        import fcntl  # noqa: PLC0415 - not there on Windows

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif sys.platform == "linux":
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk, where systems let us.

    Raises:
        OSError: they did not get there.
    """
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def whereabouts(descriptor: int, path: str) -> object:
    """What changes when an open file is no longer the one at its path.

    Not by `stat` where it can be helped: on Linux, one between a write and its sync makes that sync half as dear again, because
    the file's times, once somebody has looked at them, have to be written too.
    """
    if PROC:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - ends in "(deleted)" once it is
    found = os.stat(path)  # noqa: PTH116 - once a call
    return found.st_dev, found.st_ino
