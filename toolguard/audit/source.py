"""Records in a file, whatever kind of file: a ledger with the seal beside it, or an export of one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import dropwhile
from typing import TYPE_CHECKING

from toolguard.audit import chain
from toolguard.audit.coverage import Behind
from toolguard.audit.export import Export
from toolguard.audit.links import parsed
from toolguard.audit.merkle import Tree
from toolguard.audit.note import Note
from toolguard.errors import LedgerCorrupt
from toolguard.stores.file import read_document, read_hashes, read_records, seal_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from toolguard.model import Record
    from toolguard.stores.seal import Seal


@dataclass(frozen=True, slots=True)
class Source:
    """Where records are read from. `total` is the number of the last one, None where only reading them all tells."""

    path: Path
    export: Export | None
    seal: Seal | None
    total: int | None

    @classmethod
    def open(cls, path: Path) -> Source:
        """Look at a file; what ends in `.jsonl` is an export.

        Raises:
            StoreError: there is no such file, or it cannot be read.
            LedgerCorrupt: it is neither, or it is damaged.
        """
        if path.suffix == ".jsonl":
            export = Export.open(path)
            return cls(path, export, export.seal, None)
        seal = seal_of(path)  # before the records: what is written meanwhile is not sealed yet
        last = next(read_records(path, newest_first=True), None)
        return cls(path, None, seal, last.seq if last else 0)

    @property
    def payloads(self) -> bool:
        """Whether what lies beside the records is there too."""
        return self.export is None or self.export.payloads

    def records(self, after: int | None = None) -> Iterator[Record]:
        """The records, or those behind number `after`."""
        if self.export is None:
            return read_records(self.path, after)
        return dropwhile(lambda record: after is not None and record.seq <= after, self.export.records())

    def hashes(self) -> Iterator[bytes]:
        """The hashes of the records."""
        return read_hashes(self.path) if self.export is None else (record.hash for record in self.records())

    def document(self, name: str) -> bytes | None:
        """What was kept beside the records under a name; an export has nothing."""
        return read_document(self.path, name) if self.export is None else None

    def ledger_id(self) -> str:
        """What tells the ledger apart from others, as its first record says; empty if it does not."""
        first = next(self.records(), None)
        return str(parsed(first.body).get("ledger") or "") if first else ""

    def begun(self) -> Tree:
        """The tree of the records before the first one."""
        first = next(self.records(), None)
        behind = Behind.read(first) if first else None
        return behind.tree if behind else Tree()

    def newest_checkpoint(self) -> Note | None:
        """The last checkpoint, None if there is none.

        Raises:
            LedgerCorrupt: it cannot be read.
        """
        found = None
        for record in read_records(self.path, newest_first=True) if self.export is None else self.records():
            if chain.is_kind(record.body, "checkpoint"):
                found = record
                if self.export is None:
                    break
        if found is None:
            return None
        try:
            note = Note.parse(found.content["note"])
            note.checkpoint  # noqa: B018 - raises for what is none
        except (ValueError, KeyError, TypeError, AttributeError):
            raise LedgerCorrupt(f"record {found.seq} is a checkpoint that cannot be read") from None
        return note
