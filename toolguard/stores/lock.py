"""An advisory lock between processes, held around every commit.

SQLite's own busy handler can starve a whole process, and before 3.51.3 a checkpoint that races a commit can corrupt a WAL
database; one lock in front of every open, commit and checkpoint closes both.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from toolguard.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows: SQLite's own locks have to do
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pathlib import Path

STEP = 0.0005  # seconds between two tries


class FileLock:
    """A lock on a file beside the ledger. Not reentrant; the kernel frees it when the process dies."""

    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path
        self.timeout = timeout
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)

    def acquire(self) -> None:
        """Wait for the lock.

        Raises:
            StoreError: another process has held it for `timeout` seconds.
        """
        if fcntl is None:  # type: ignore[unreachable,unused-ignore] # it is None on Windows
            return  # type: ignore[unreachable,unused-ignore]
        end = time.monotonic() + self.timeout
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise StoreError(f"`{self.path}` is locked by another process") from None
                time.sleep(STEP)
            else:
                return

    def release(self) -> None:
        """Give the lock back."""
        if fcntl is not None:
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def close(self) -> None:
        """Give the descriptor back, once."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
