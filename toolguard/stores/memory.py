"""A store that lives as long as the process: for tests, for trying things out, and as the reference of the contract."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from toolguard.errors import StoreError
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.state import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from toolguard.model import Record
    from toolguard.stores.base import Build, Change


class MemoryStore:
    """Keeps records in a list. Nothing survives the process."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._lock = threading.Lock()
        self._closed = False
        self._state: dict[str, bytes] = {}
        self._changing = threading.Lock()
        self._documents: dict[str, bytes] = {}
        self._halts: dict[str, bytes] = {}
        self._signal = 0
        self.ledger_id = os.urandom(32).hex()

    def append(self, build: Build, *, durable: bool = True) -> Record:  # noqa: ARG002 - as durable as it gets
        """See `Store`; here a record lives until the process ends."""
        with self._lock:
            if self._closed:
                raise StoreError("the ledger is closed")
            last = self._records[-1] if self._records else None
            record = build(last.seq, last.hash) if last else build(0, EMPTY_HASH)
            self._records.append(record)
            return record

    def transact(self, change: Change, *, durable: bool = True) -> Record:
        """See `Store`."""
        made: Changes | None = None

        def build(seq: int, last: bytes) -> Record:
            nonlocal made
            made = Changes(self._state.get)
            return change(seq, last, made)

        with self._changing:
            record = self.append(build, durable=durable)
            for key, body in made.made.items() if made else ():
                if body is None:
                    self._state.pop(key, None)
                else:
                    self._state[key] = body
            return record

    async def transact_async(self, change: Change, *, durable: bool = True) -> Record:
        """See `Store`."""
        return self.transact(change, durable=durable)

    def state_of(self, key: str) -> bytes | None:
        """See `Store`."""
        return self._state.get(key)

    def state(self, prefix: str = "") -> Mapping[str, bytes]:
        """See `Store`."""
        return {key: body for key, body in dict(self._state).items() if key.startswith(prefix)}

    async def append_async(self, build: Build, *, durable: bool = True) -> Record:
        """See `Store`."""
        return self.append(build, durable=durable)

    def erase(self, build: Build, seqs: Iterable[int], change: Callable[[bytes | None], bytes | None]) -> Record:
        """See `Store`."""
        with self._lock:
            chosen = list(seqs)
            if not all(0 < seq <= len(self._records) for seq in chosen):
                raise StoreError(f"there is no record {max(chosen)}")
            changed = {seq: replace(self._records[seq - 1], payload=change(self._records[seq - 1].payload)) for seq in chosen}
        record = self.append(build)
        for seq, other in changed.items():
            self._records[seq - 1] = other
        return record

    def set_halt(self, build: Build, scope: str, body: bytes | None) -> Record:
        """See `Store`."""
        with self._lock:
            if body is None and scope not in self._halts:
                raise StoreError(f"`{scope}` is not halted")
            halts = {name: kept for name, kept in self._halts.items() if name != scope}
        record = self.append(build)
        self._halts = halts if body is None else halts | {scope: body}
        self._signal += 2
        return record

    def halts(self) -> Mapping[str, bytes]:
        """See `Store`."""
        return self._halts

    def signal(self) -> int:
        """See `Store`."""
        return self._signal

    def touched(self) -> object:
        """See `Store`."""
        return len(self._records)

    def keep(self, name: str, body: bytes) -> None:
        """See `Store`."""
        self._documents.setdefault(name, body)

    def kept(self, name: str) -> bytes | None:
        """See `Store`."""
        return self._documents.get(name)

    def short_of_room(self) -> bool:
        """See `Store`."""
        return False

    def last(self) -> Record | None:
        """See `Store`."""
        return self._records[-1] if self._records else None

    def scan(self, after: int | None = None) -> Iterator[Record]:
        """See `Store`."""
        yield from self._records[after:]

    def close(self) -> None:
        """See `Store`."""
        self._closed = True
