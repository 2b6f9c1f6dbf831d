"""Room kept for the day the disk is full: a file that is let go of then, so that what happens can still be written down."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 1024 * 1024  # bytes: a thousand records, and the pages that SQLite needs for them


class Ballast:
    """Takes up room beside a ledger. Whoever shares the ledger shares it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> bool:
        """Take the room up; False if there is none."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError:
            return False
        try:
            if os.fstat(descriptor).st_size < SIZE:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(descriptor, 0, SIZE)
                elif os.pwrite(descriptor, bytes(SIZE), 0) < SIZE:
                    return False
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def drop(self) -> None:
        """Give the room back."""
        try:
            os.truncate(self.path, 0)
        except OSError:
            return
