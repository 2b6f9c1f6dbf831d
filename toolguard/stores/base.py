"""What the guard needs of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from toolguard.model import Record
from toolguard.stores.state import State

Build = Callable[[int, bytes], Record]  # (last number, last hash) -> the record that follows; (0, 32 zero bytes) when empty
Change = Callable[[int, bytes, State], Record]  # the same, with the state, which it may change
EMPTY_HASH = bytes(32)


class Store(Protocol):
    """Atomic verbs. Every one of them raises StoreError when it cannot keep its promise."""

    def append(self, build: Build, *, durable: bool = True) -> Record:
        """Add the record that `build` makes from the last one. Nobody else comes between; `build` may be asked twice.

        When this returns the record survives the end of the process, and a power loss if it is `durable`.
        """

    def transact(self, change: Change, *, durable: bool = True) -> Record:
        """As `append`, and what `change` puts into the state is kept with the record, both or neither."""

    async def transact_async(self, change: Change, *, durable: bool = True) -> Record:
        """As `transact`, for asyncio."""

    def state_of(self, key: str) -> bytes | None:
        """What the state keeps under one key, None if nothing."""

    def state(self, prefix: str = "") -> Mapping[str, bytes]:
        """All that is kept in the state under keys that begin so."""

    @property
    def ledger_id(self) -> str:
        """Tells this ledger apart from every other one (64 hexadecimal digits), for as long as it lives."""

    def erase(self, build: Build, seqs: Iterable[int], change: Callable[[bytes | None], bytes | None]) -> Record:
        """Change the payloads of these records, and add the record that says so, in one step.

        When this returns nothing of the old payloads is left in the store.
        """

    def set_halt(self, build: Build, scope: str, body: bytes | None) -> Record:
        """Put a halt in force, or (None) lift the one there is, and add the record that says so, in one step.

        When this returns it survives a power loss, and everybody who shares the store sees another `signal`. To lift one that
        is not there raises StoreError.
        """

    def halts(self) -> Mapping[str, bytes]:
        """The halts in force, by scope."""

    @property
    def signal(self) -> Callable[[], int]:
        """Gives a number that is another one once the halts are; an odd one means that they are being changed. Nanoseconds."""

    def touched(self) -> object:
        """Another value, mostly, once anybody has written anything: a hint when to look again. Microseconds."""

    def keep(self, name: str, body: bytes) -> None:
        """Keep a document beside the records. What is kept under a name already stays as it is."""

    def kept(self, name: str) -> bytes | None:
        """The document of that name, None if there is none."""

    async def append_async(self, build: Build, *, durable: bool = True) -> Record:
        """As `append`, for asyncio: other coroutines go on meanwhile. One that is cancelled may still have been written."""

    def short_of_room(self) -> bool:
        """Whether the last room there is should be kept for denials: True from a StoreFull on until there is room again."""

    def last(self) -> Record | None:
        """The newest record, None while there is none."""

    def scan(self, after: int | None = None) -> Iterator[Record]:
        """All records, or those behind number `after`, in order, as they are stored."""

    def close(self) -> None:
        """Let go of files and locks; a later append raises StoreError."""
