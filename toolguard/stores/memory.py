"""A store that lives as long as the process: for tests, for trying things out, and as the reference of the contract."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from toolguard.errors import StoreError
from toolguard.stores.base import EMPTY_HASH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.model import Record
    from toolguard.stores.base import Build


class MemoryStore:
    """Keeps records in a list. Nothing survives the process."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._lock = threading.Lock()
        self._closed = False

    def append(self, build: Build, *, durable: bool = True) -> Record:  # noqa: ARG002 - as durable as it gets
        """See `Store`; here a record lives until the process ends."""
        with self._lock:
            if self._closed:
                raise StoreError("the ledger is closed")
            last = self._records[-1] if self._records else None
            record = build(last.seq, last.hash) if last else build(0, EMPTY_HASH)
            self._records.append(record)
            return record

    def scan(self, after: int | None = None) -> Iterator[Record]:
        """See `Store`."""
        yield from self._records[after:]

    def close(self) -> None:
        """See `Store`."""
        self._closed = True
