"""What the guard needs of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from toolguard.model import Record

Build = Callable[[int, bytes], Record]  # (last number, last hash) -> the record that follows; (0, 32 zero bytes) when empty
EMPTY_HASH = bytes(32)


class Store(Protocol):
    """Atomic verbs. Every one of them raises StoreError when it cannot keep its promise."""

    def append(self, build: Build, *, durable: bool = True) -> Record:
        """Add the record that `build` makes from the last one. Nobody else comes between; `build` may be asked twice.

        When this returns the record survives the end of the process, and a power loss if it is `durable`.
        """

    def scan(self, after: int | None = None) -> Iterator[Record]:
        """All records, or those behind number `after`, in order, as they are stored."""

    def close(self) -> None:
        """Let go of files and locks; a later append raises StoreError."""
