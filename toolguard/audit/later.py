"""Records that are written a moment later, by a thread of their own: for hosts that would rather lose a few than wait.

At most `MAX_WAITING` records wait; then callers wait, too. A record that cannot be written is tried again, and until it is
written every further one is refused, so that no call runs that will have no record.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from toolguard.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.model import Record
    from toolguard.stores.base import Build, Store

    Written = Callable[[Record], object]

MAX_WAITING = 10_000  # records
TIMEOUT = 5.0  # seconds to wait for a place among them
AGAIN = 0.1  # seconds between two tries

_logger = logging.getLogger("toolguard")


class Later:
    """Takes records and writes them in order. `written` is called with each, in the writing thread."""

    def __init__(self, store: Store, max_waiting: int = MAX_WAITING) -> None:
        self._store = store
        self._max = max_waiting
        self._begin()

    def _begin(self) -> None:
        """What a forked process must not inherit: its parent writes what was waiting."""
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Build, Written]] = deque()
        self._failure: StoreError | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def add(self, build: Build, written: Written) -> None:
        """Let a record be written.

        Raises:
            StoreError: one before it could not be, or too many wait for too long.
        """
        if self._process != os.getpid():
            self._begin()
        with self._changed:
            if self._failure is not None:
                raise self._failure
            if self._closed:
                raise StoreError("the ledger is closed")
            if not self._changed.wait_for(lambda: len(self._waiting) < self._max or self._failure, TIMEOUT):
                raise StoreError(f"{self._max} records wait to be written")
            if self._failure is not None:
                raise self._failure
            self._waiting.append((build, written))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="toolguard-records", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    async def add_async(self, build: Build, written: Written) -> None:
        """As `add`, without holding up asyncio's loop."""
        if len(self._waiting) < self._max:
            self.add(build, written)
            return
        import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

        await asyncio.to_thread(self.add, build, written)

    def close(self) -> None:
        """Return when everything is written, or cannot be."""
        if self._process != os.getpid():
            self._begin()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        if self._waiting:
            _logger.error("%d records were not written: %s", len(self._waiting), self._failure)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                build, written = self._waiting[0]
            try:
                record = self._store.append(build, durable=False)
            except Exception as error:
                with self._changed:
                    self._failure = StoreError(f"the record of an earlier call could not be written: {error}")
                    self._changed.notify_all()
                    if self._closed:
                        return
                _logger.exception("a record could not be written")
                time.sleep(AGAIN)
                continue
            written(record)
            with self._changed:
                self._waiting.popleft()
                self._failure = None
                self._changed.notify_all()
