"""A number that everybody who shares a ledger sees change at once: in a small file that is mapped into memory.

Looking costs nanoseconds. Whoever changes what the number stands for makes it odd first, and even when it is done: an odd
number means that what one knows may be old, also when the process that was at it has died.
"""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from toolguard.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAGIC = b"tghalt1\n"
SIZE = 4096  # bytes: a page, so that there is never a part of one
_AT = len(MAGIC)
_WIDTH = 8


class Signal:
    """The number in a file beside the ledger, which is made if need be. All but `look` and `check` is under the ledger's lock.

    Raises:
        StoreError: the file cannot be used, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, str(path)
        close_on_exec = getattr(os, "O_CLOEXEC", 0)
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | close_on_exec, 0o600)
            begins = os.pread(self._descriptor, _AT, 0)
            if begins.rstrip(b"\0") == b"" or os.fstat(self._descriptor).st_size < SIZE:  # new, or what a power loss has left
                number = int.from_bytes(os.urandom(6)) & ~1  # nobody who looked at an earlier file takes this for no change
                os.pwrite(self._descriptor, (MAGIC + number.to_bytes(_WIDTH, sys.byteorder)).ljust(SIZE, b"\0"), 0)
            elif begins != MAGIC:
                raise StoreError(f"the file `{path}` does not say whether anything is halted")
            reading = os.open(path, os.O_RDONLY | close_on_exec)
            try:
                self._map = mmap.mmap(reading, SIZE, access=mmap.ACCESS_READ)
            finally:
                os.close(reading)
            found = os.fstat(self._descriptor)
        except (OSError, ValueError) as error:
            raise StoreError(f"the file `{path}`, which says whether anything is halted, cannot be used: {error}") from error
        self._identity = (found.st_dev, found.st_ino)
        self._numbers = memoryview(self._map).cast("Q")
        # No function of ours in between: this is asked in every call.
        self.look: Callable[[], int] = partial(self._numbers.__getitem__, _AT // _WIDTH)

    def changing(self) -> None:
        """Make the number odd."""
        self._write(self.look() + 1 | 1)

    def changed(self) -> None:
        """Make the number even, and another one than before."""
        self._write(self.look() + 2 & ~1)

    def settle(self) -> None:
        """Make the number even if somebody died while it was odd."""
        if self.look() & 1:
            self.changed()

    def _write(self, value: int) -> None:
        # In the machine's own order, as the map is read; a file write, because what is only mapped wakes nobody.
        os.pwrite(self._descriptor, int.to_bytes(value, _WIDTH, sys.byteorder), _AT)

    def check(self) -> None:
        """Refuse to go on when the file is no longer what others write to.

        Raises:
            StoreError: it was removed, replaced or cut short.
        """
        try:
            found = os.stat(self._file)  # noqa: PTH116 - once a commit
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._identity or found.st_size < SIZE:
            raise StoreError(f"the file `{self.path}`, which says whether anything is halted, is gone, replaced or cut short")

    def close(self) -> None:
        """Let go of the file; who still looks sees the last number."""
        last = self.look()
        self.look = lambda: last
        with suppress(BufferError):  # somebody is looking at this very moment
            self._numbers.release()
            self._map.close()
        os.close(self._descriptor)
