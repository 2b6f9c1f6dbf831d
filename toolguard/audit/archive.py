"""Archives: all records so far move to a file, the ledger goes on behind them, and the chain runs through both.

The archive is an export with payloads. The ledger then begins with a record of kind `archive`: how many records there were, the
hash of the last one, the peaks of their Merkle tree, the seal's tag over them, and a summary that is left when the archive
itself is no longer kept. Numbers, chain, tree and seal go on; guards that run meanwhile notice nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from toolguard.audit.chain import chained, draft
from toolguard.audit.coverage import Evidence
from toolguard.audit.export import end_line, first_line, record_line
from toolguard.audit.links import parsed
from toolguard.audit.verify import Follower
from toolguard.errors import LedgerCorrupt, StoreError
from toolguard.stores.disk import sync, sync_folder
from toolguard.stores.file import seal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from toolguard.audit.report import Finding
    from toolguard.model import Record
    from toolguard.stores.base import Build
    from toolguard.stores.seal import Seal
    from toolguard.stores.sqlite import SqliteStore


@dataclass(slots=True)
class _Move:
    """Writes records to the archive, checks them on the way, and sums them up."""

    file: TextIO
    follower: Follower
    first: int | None = None  # the time of the first record
    kinds: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)

    def take(self, records: Iterable[Record]) -> None:
        for record in records:
            _must_hold(self.follower.see(record))
            content = parsed(record.body)
            self.first = content.get("time") if self.first is None else self.first
            self.kinds[str(content.get("kind"))] += 1
            if "verdict" in content:
                self.verdicts[str(content["verdict"])] += 1
            self.file.write(f"{record_line(record, payloads=True)}\n")

    def begin_again(self, evidence: Evidence, records: Iterable[Record]) -> None:
        """Write over what was written: values were erased after they had been copied."""
        self.file.seek(0)
        self.follower, self.first = Follower(evidence, payloads=True), None
        self.kinds.clear()
        self.verdicts.clear()
        self.file.write(f"{first_line(payloads=True)}\n")
        self.take(records)

    def end(self, seal: Seal) -> dict[str, Any]:
        """Finish the file; what the record says of it."""
        records = sum(self.kinds.values())
        self.file.write(f"{end_line(records, self.follower.head, seal)}\n")
        self.file.truncate()
        self.file.flush()
        sync(self.file.fileno())
        return {
            "archived": self.follower.links.count,
            "ledger": seal.commitment.hex(),
            "head": self.follower.links.last.hex(),
            "peaks": [peak.hex() for peak in self.follower.coverage.tree.peaks],
            "tag": seal.tag.hex(),
            "halted": sorted(self.follower.coverage.halted),
            "summary": {
                "records": records,
                "first_time": self.first,
                "last_time": self.follower.links.time,
                "kinds": dict(self.kinds),
                "verdicts": dict(self.verdicts),
            },
        }


def _must_hold(finding: Finding | None) -> None:
    if finding is not None:
        raise LedgerCorrupt(f"the ledger does not verify, so it is not archived: {finding}")


def archive(store: SqliteStore, path: Path, now: Callable[[], int], by: str, reason: str) -> Record:
    """Move all records to a new file. What comes of a failure on the way is a file too many, never a record too few.

    Raises:
        StoreError: there is nothing to archive, there is such a file already, or it could not be written.
        LedgerCorrupt: the ledger does not verify; nothing was moved.
    """
    part = path.with_name(f"{path.name}.part")
    if path.exists():
        raise StoreError(f"`{path}` is there already")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            part.chmod(0o600)
            file.write(f"{first_line(payloads=True)}\n")
            move = _Move(file, Follower(Evidence(seal=seal_of(store.path)), payloads=True))
            move.take(store.scan())  # most of it while guards go on; the rest below, while they wait

            def finish(seal: Seal) -> Build:
                move.take(store.scan(move.follower.links.count))
                if move.follower.end() is not None:
                    move.begin_again(Evidence(seal=seal), store.scan())
                    _must_hold(move.follower.end())
                content = {**move.end(seal), "file": path.name, "by": by, "reason": reason}
                part.rename(path)
                sync_folder(path.parent)
                said = draft("archive", content)
                return lambda seq, last: chained(seq, last, now(), said)

            return store.archive(finish)
    except OSError as error:
        raise StoreError(f"the archive `{path}` cannot be written: {(error.strerror or str(error)).lower()}") from error
    finally:
        part.unlink(missing_ok=True)
