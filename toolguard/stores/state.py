"""What is kept beside the records and changes with them: counters by key, read and written inside of a record's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class State(Protocol):
    """What a record that is being built may look at and change. Nobody else does meanwhile."""

    def get(self, key: str) -> bytes | None:
        """What is kept under a key, None if nothing is."""

    def put(self, key: str, body: bytes | None) -> None:
        """Keep this from the record on, or (None) nothing any more."""


class Changes:
    """A state whose changes are collected, so that a record which comes to nothing leaves none."""

    def __init__(self, read: Callable[[str], bytes | None]) -> None:
        self._read = read
        self.made: dict[str, bytes | None] = {}

    def get(self, key: str) -> bytes | None:
        """See `State`."""
        return self.made[key] if key in self.made else self._read(key)

    def put(self, key: str, body: bytes | None) -> None:
        """See `State`."""
        self.made[key] = body
