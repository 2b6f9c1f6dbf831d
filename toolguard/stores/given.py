"""The store that a program means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from toolguard.stores.base import Store

MEMORY = ":memory:"


def opened(ledger: str | Path | Store) -> Store:
    """A SQLite file, the process's own memory, or a store as it is."""
    if isinstance(ledger, (str, Path)):
        return MemoryStore() if str(ledger) == MEMORY else SqliteStore(ledger)
    return ledger
