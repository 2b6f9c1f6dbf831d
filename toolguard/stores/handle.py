"""One process's hold on a ledger: the connection, the lock, and what it knows of the chain and of the disk."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolguard.errors import StoreError
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.disk import sync
from toolguard.stores.file import NEVER_DELETED
from toolguard.stores.seal import SIZE, Seal
from toolguard.stores.state import Changes

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from toolguard.model import Record
    from toolguard.stores.base import Build
    from toolguard.stores.group import Entry
    from toolguard.stores.lock import FileLock

MAX_RECENT = 4096  # records remembered for the seal; more are read back

_logger = logging.getLogger("toolguard")


@dataclass(slots=True)
class Handle:
    """What belongs to one process: a forked child must not use its parent's."""

    pid: int
    mutex: threading.Lock
    database: sqlite3.Connection
    lock: FileLock
    last: tuple[int, bytes] = (0, EMPTY_HASH)  # the end of the chain as this process knows it
    log: object = None  # the whereabouts of the write-ahead log
    log_descriptor: int = -1
    failed: bool = False  # a sync has failed: what the system said is on the disk may not be
    synced: int = 0  # the last record known to be on the disk
    sealed: int = 0  # the last record known to be sealed
    seal_state: Seal | None = None  # the seal as we last saw it, and the bytes of it
    seal_bytes: bytes = b""
    recent: list[tuple[int, bytes]] = field(default_factory=list)  # (number, hash) of records written here and not sealed yet

    def write(self, entries: Sequence[Entry]) -> None:
        """Commit these records in one transaction; with the mutex and the lock held."""
        if len(entries) == 1 and entries[0].change is None:
            self._build_and_insert(entries[0])
            return
        before, known = self.last, len(self.recent)
        try:
            self.database.execute("BEGIN IMMEDIATE")
            for entry in entries:
                self._build_and_insert(entry)
            self.database.execute("COMMIT")
        except BaseException:
            self.last = before
            del self.recent[known:]
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
            raise

    def _build_and_insert(self, entry: Entry) -> None:
        try:
            try:
                entry.record = self._built(entry)
            except sqlite3.IntegrityError:  # the number is taken: another process has written since
                self.last = self._read_last()
                entry.record = self._built(entry)
        except (sqlite3.Error, StoreError):
            raise
        except Exception as error:  # noqa: BLE001 - what `build` raises is its caller's; the others of the group go on
            entry.error = error

    def _built(self, entry: Entry) -> Record:
        if entry.build is not None:
            return self._insert(entry.build(*self.last))
        if entry.change is None:
            raise StoreError("nothing to write")
        changes = Changes(self._state_of)
        record = self._insert(entry.change(*self.last, changes))
        for key, body in changes.made.items():
            if body is None:
                self.database.execute("DELETE FROM state WHERE key = ?", (key,))
            else:
                self.database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, body))
        return record

    def _state_of(self, key: str) -> bytes | None:
        row = self.database.execute("SELECT body FROM state WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    @contextmanager
    def _one_step(self) -> Iterator[None]:
        """One transaction, begun behind the last record there is; with the mutex and the lock held."""
        self.database.execute("BEGIN IMMEDIATE")
        known = len(self.recent)
        try:
            self.last = self._read_last()
            yield
            self.database.execute("COMMIT")
        except BaseException:
            self.last = (0, EMPTY_HASH)  # read again before the next record
            del self.recent[known:]
            self.database.execute("ROLLBACK")
            raise

    def replace_payloads(self, build: Build, seqs: Iterable[int], change: Callable[[bytes | None], bytes | None]) -> Record:
        """Change what lies beside records and append the record that says so, in one step."""
        with self._one_step():
            for seq in seqs:
                found = self.database.execute("SELECT payload FROM record WHERE seq = ?", (seq,)).fetchone()
                if found is None:
                    raise StoreError(f"there is no record {seq}")
                self.database.execute("UPDATE record SET payload = ? WHERE seq = ?", (change(found[0]), seq))
            return self._insert(build(*self.last))

    def set_halt(self, build: Build, scope: str, body: bytes | None) -> Record:
        """Put a halt in force or lift it, and append the record that says so, in one step."""
        with self._one_step():
            if body is not None:
                self.database.execute("INSERT OR REPLACE INTO halt VALUES (?, ?)", (scope, body))
            elif self.database.execute("DELETE FROM halt WHERE scope = ?", (scope,)).rowcount != 1:
                raise StoreError(f"`{scope}` is not halted")
            return self._insert(build(*self.last))

    def replace_records(self, build: Build) -> Record:
        """Delete all records and append the one that says where they are, in one step."""
        self.database.execute("PRAGMA secure_delete = OFF")  # the file is made anew afterwards
        try:
            with self._one_step():
                self.database.execute("DROP TRIGGER IF EXISTS record_is_never_deleted")
                record = build(*self.last)
                self.database.execute("DELETE FROM record")
                self._insert(record)
                self.database.execute(NEVER_DELETED)
                return record
        finally:
            self.database.execute("PRAGMA secure_delete = ON")

    def flush(self) -> None:
        """Bring all records there are to the disk and under the seal."""
        self.last = self._read_last()
        if not self.last[0]:
            raise StoreError("there are no records")
        if self.log_descriptor < 0:
            self.synced = self.last[0]  # there is no log: all of it was read from the disk
        else:
            self.sync()
        self.seal()

    def sync(self) -> None:
        """Bring the write-ahead log, and so every record committed so far, to the disk."""
        if self.failed:
            raise StoreError("an earlier record could not be brought to the disk")
        written = self.last[0]  # another process may have written since; what it wrote it brings to the disk itself
        try:
            sync(self.log_descriptor)
        except OSError:
            self.failed = True  # the system may forget what it could not write, and succeed the next time
            raise
        self.synced = max(self.synced, written)

    def seal(self) -> None:
        """Take into the seal what is on the disk, and nothing else; with the lock held.

        After a power loss the seal must not know more than the ledger. Where it knows more than we do, others have written, and
        perhaps archived what they wrote: our next number would not collide with anything.
        """
        found = os.pread(self.lock.descriptor, SIZE + 1, 0)
        sealed = self.seal_state if self.seal_state and found == self.seal_bytes else Seal.from_bytes(found)
        if sealed.seq > self.last[0]:
            self.last = self._read_last()
        if self.synced > sealed.seq:
            ours = [each for each in self.recent if sealed.seq < each[0] <= self.synced]
            if len(ours) != self.synced - sealed.seq:  # others have written in between
                between = "SELECT seq, hash FROM record WHERE seq > ? AND seq <= ? ORDER BY seq"
                ours = self.database.execute(between, (sealed.seq, self.synced)).fetchall()
            sealed = sealed.over(ours)
            found = sealed.to_bytes()
            os.pwrite(self.lock.descriptor, found, 0)
        if sealed.seq != self.sealed:
            self.sealed = sealed.seq
            self.recent = [each for each in self.recent if each[0] > self.sealed]
        self.seal_state, self.seal_bytes = sealed, found

    def _insert(self, record: Record) -> Record:
        done = self.database.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?)", (record.seq, record.body, record.hash, record.payload)
        )
        if done.rowcount != 1:
            raise StoreError("the ledger did not take the record")
        self.last = (record.seq, record.hash)
        if len(self.recent) < MAX_RECENT:
            self.recent.append(self.last)
        return record

    def empty_the_log(self) -> bool:
        """Bring the write-ahead log into the ledger and empty it, unless somebody is reading it; with the lock held."""
        (patience,) = self.database.execute("PRAGMA busy_timeout").fetchone()
        self.database.execute("PRAGMA busy_timeout = 0")
        try:
            (busy, *_) = self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self.database.execute(f"PRAGMA busy_timeout = {patience}")
        return not busy

    def finish(self) -> None:
        """Leave nothing that is not on the disk and sealed; with the mutex and the lock held."""
        if self.log_descriptor < 0:
            return  # nothing was written
        try:
            self.last = self._read_last()
            self.sync()
            self.seal()
            sync(self.lock.descriptor)
        except (sqlite3.Error, OSError, StoreError):
            _logger.exception("the ledger was closed with records that may not be on the disk, or not sealed")
        finally:
            os.close(self.log_descriptor)

    def _read_last(self) -> tuple[int, bytes]:
        row = self.database.execute("SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1").fetchone()
        return row or (0, EMPTY_HASH)
