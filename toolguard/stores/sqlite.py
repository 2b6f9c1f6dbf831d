"""The ledger in one SQLite file beside the program. Several threads and processes may share it."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.errors import LedgerCorrupt, StoreError
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.disk import sync, whereabouts
from toolguard.stores.file import (
    APPLICATION_ID,
    SCHEMA,
    check_is_ledger,
    read_document,
    read_records,
    read_seal,
    seal_path,
    store_error,
)
from toolguard.stores.group import GroupCommit
from toolguard.stores.lock import FileLock
from toolguard.stores.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from toolguard.model import Record
    from toolguard.stores.base import Build
    from toolguard.stores.group import Entry

MAX_RECENT = 4096  # records remembered for the seal; more are read back
TIMEOUT = 5.0  # seconds to wait for another thread or process before giving up, which means deny

_logger = logging.getLogger("toolguard")


@dataclass(slots=True)
class _Handle:
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
    recent: list[tuple[int, bytes]] = field(default_factory=list)  # (number, hash) of records written here and not sealed yet

    def write(self, entries: Sequence[Entry]) -> None:
        """Commit these records in one transaction; with the mutex and the lock held."""
        if len(entries) == 1:
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
                entry.record = self._insert(entry.build(*self.last))
            except sqlite3.IntegrityError:  # the number is taken: another process has written since
                self.last = self._read_last()
                entry.record = self._insert(entry.build(*self.last))
        except (sqlite3.Error, StoreError):
            raise
        except Exception as error:  # noqa: BLE001 - what `build` raises is its caller's; the others of the group go on
            entry.error = error

    def replace_payloads(self, build: Build, seqs: Iterable[int], change: Callable[[bytes | None], bytes | None]) -> Record:
        """Change what lies beside records and append the record that says so, in one transaction."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            self.last = self._read_last()
            for seq in seqs:
                found = self.database.execute("SELECT payload FROM record WHERE seq = ?", (seq,)).fetchone()
                if found is None:
                    raise StoreError(f"there is no record {seq}")  # noqa: TRY301 - undone like every other failure
                self.database.execute("UPDATE record SET payload = ? WHERE seq = ?", (change(found[0]), seq))
            record = self._insert(build(*self.last))
            self.database.execute("COMMIT")
        except BaseException:
            self.last = (0, EMPTY_HASH)  # read again before the next record
            self.database.execute("ROLLBACK")
            raise
        return record

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

        After a power loss the seal must not know more than the ledger.
        """
        if self.synced <= self.sealed:
            return
        sealed = read_seal(self.lock.descriptor)
        if self.synced > sealed.seq:
            ours = [each for each in self.recent if sealed.seq < each[0] <= self.synced]
            if len(ours) != self.synced - sealed.seq:  # others have written in between
                between = "SELECT seq, hash FROM record WHERE seq > ? AND seq <= ? ORDER BY seq"
                ours = self.database.execute(between, (sealed.seq, self.synced)).fetchall()
            os.pwrite(self.lock.descriptor, sealed.over(ours).to_bytes(), 0)
        self.sealed = max(self.synced, sealed.seq)
        self.recent = [each for each in self.recent if each[0] > self.sealed]

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


class SqliteStore:
    """See `Store`. Opens or creates the file.

    Raises:
        StoreError: the file cannot be opened or created.
        LedgerCorrupt: it is not a ledger, or SQLite finds it damaged.
    """

    def __init__(self, path: str | Path, *, timeout: float = TIMEOUT, seal_key: bytes | None = None) -> None:
        """`seal_key`, 32 bytes, is the first key of a new ledger's seal; keep it elsewhere to verify with it."""
        self.path = Path(path).absolute()
        self.timeout = timeout
        self._seal_key = seal_key
        self._file = str(self.path)
        self._closed = False
        self._inherited: list[_Handle] = []  # never closed here: closing would drop the parent's locks
        self._handle = self._open()
        self._group = GroupCommit(self._commit, timeout)

    def append(self, build: Build, *, durable: bool = True) -> Record:
        """See `Store`: one transaction, with one sync if it is to be durable."""
        self._own_handle()
        try:
            return self._group.add(build, durable=durable)
        except (sqlite3.Error, OSError) as error:
            raise store_error(self.path, error) from error

    def _commit(self, entries: Sequence[Entry]) -> None:
        """Commit under the lock without a sync, let the next process in, and only then sync: it writes while we wait."""
        handle = self._own_handle()
        if not handle.mutex.acquire(timeout=self.timeout):
            raise StoreError(f"`{self.path}` is held by another thread")
        try:
            self._check_file_is_ours()
            with handle.lock:
                handle.write(entries)
                handle.seal()
            self._check_log_is_ours(handle)
            if any(entry.durable for entry in entries):
                handle.sync()
        finally:
            handle.mutex.release()

    def erase(self, build: Build, seqs: Iterable[int], change: Callable[[bytes | None], bytes | None]) -> Record:
        """See `Store`: the freed pages are overwritten, and the write-ahead log is emptied into the ledger."""
        try:
            with self._exclusive() as handle:
                record = handle.replace_payloads(build, seqs, change)
                self._check_log_is_ours(handle)
                handle.sync()
                handle.seal()
                (busy, *_) = handle.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise store_error(self.path, error) from error
        if busy:
            raise StoreError("erased and on record; a copy stays in the write-ahead log until nobody reads the ledger any more")
        return record

    def keep(self, name: str, body: bytes) -> None:
        """See `Store`."""
        try:
            with self._exclusive() as handle:
                handle.database.execute("INSERT INTO document VALUES (?, ?) ON CONFLICT DO NOTHING", (name, body))
        except (sqlite3.Error, OSError) as error:
            raise store_error(self.path, error) from error

    def kept(self, name: str) -> bytes | None:
        """See `Store`."""
        return read_document(self.path, name)

    def last(self) -> Record | None:
        """See `Store`."""
        return next(read_records(self.path, newest_first=True), None)

    def scan(self, after: int | None = None) -> Iterator[Record]:
        """See `Store`: reads a snapshot, without holding anybody up."""
        yield from read_records(self.path, after)

    def close(self) -> None:
        """See `Store`."""
        handle, closed = self._handle, self._closed
        self._closed = True
        if not closed and handle.pid == os.getpid():
            with handle.mutex, handle.lock:
                try:
                    handle.finish()
                finally:
                    handle.database.close()
            handle.lock.close()

    @contextmanager
    def _exclusive(self) -> Iterator[_Handle]:
        """Nobody else writes meanwhile, in this process or another."""
        handle = self._own_handle()
        if not handle.mutex.acquire(timeout=self.timeout):
            raise StoreError(f"`{self.path}` is held by another thread")
        try:
            self._check_file_is_ours()
            with handle.lock:
                yield handle
        finally:
            handle.mutex.release()

    def _own_handle(self) -> _Handle:
        if self._closed:
            raise StoreError(f"the ledger `{self.path}` is closed")
        if self._handle.pid != os.getpid():
            self._inherited.append(self._handle)
            self._handle = self._open()
            self._group = GroupCommit(self._commit, self.timeout)
        return self._handle

    def _check_file_is_ours(self) -> None:
        """A ledger that was removed or replaced would take inserts that nobody ever sees."""
        try:
            found = os.stat(self._file)  # noqa: PTH116 - once a call
        except OSError as error:
            raise StoreError(f"the ledger `{self.path}` is gone: {(error.strerror or '').lower()}") from None
        if (found.st_dev, found.st_ino) != self._identity:
            raise StoreError(f"the ledger `{self.path}` was replaced by another file while it was open")

    def _check_log_is_ours(self, handle: _Handle) -> None:
        """A write-ahead log that was removed (by hand, or by a process we were forked from) takes records nobody ever sees."""
        log = self._file + "-wal"
        try:
            if handle.log is None:
                handle.log_descriptor = os.open(log, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
                handle.log = whereabouts(handle.log_descriptor, log)
            same = handle.log == whereabouts(handle.log_descriptor, log)
        except OSError:
            same = False
        if not same:
            what = "was replaced while it was open" if Path(log).exists() else "is gone"
            raise StoreError(f"the write-ahead log of `{self.path}` {what}")

    def _open(self) -> _Handle:
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            lock = FileLock(seal_path(self.path), self.timeout)
        except OSError as error:
            raise StoreError(f"cannot open the ledger `{self.path}`: {(error.strerror or str(error)).lower()}") from error
        try:
            with lock:
                database = self._connect()
                try:
                    self._check_seal(database, lock.descriptor)
                    self.ledger_id = read_seal(lock.descriptor).commitment.hex()
                except BaseException:
                    database.close()
                    raise
        except BaseException as error:
            lock.close()
            if isinstance(error, (sqlite3.Error, OSError)):
                raise store_error(self.path, error) from error
            raise
        found = self.path.stat()
        self._identity = (found.st_dev, found.st_ino)
        return _Handle(os.getpid(), threading.Lock(), database, lock)

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=self.timeout, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _check_seal(self, database: sqlite3.Connection, descriptor: int) -> None:
        """Begin the seal of an empty ledger; refuse a ledger that does not reach as far as its seal says."""
        rows = database.execute("SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1").fetchall()
        if os.fstat(descriptor).st_size == 0 and not rows:
            os.pwrite(descriptor, Seal.begin(self._seal_key or os.urandom(32)).to_bytes(), 0)
            sync(descriptor)
            self._seal_key = None  # whoever reads our memory later must not find it
            return
        if os.fstat(descriptor).st_size == 0:
            raise LedgerCorrupt(f"the seal of `{self.path}` is missing: `{seal_path(self.path).name}` has to stay beside it")
        sealed = read_seal(descriptor)
        found = database.execute("SELECT hash FROM record WHERE seq = ?", (sealed.seq,)).fetchone()
        if sealed.seq and found is None:
            last = rows[0][0] if rows else 0
            raise LedgerCorrupt(
                f"`{self.path}` was cut short: {sealed.seq} records were sealed, and it ends with record {last}"
            )
        if sealed.seq and found[0] != sealed.head:
            what = "was written anew, or the seal beside it is another ledger's"
            raise LedgerCorrupt(f"`{self.path}` {what}: record {sealed.seq} is not the one that was sealed")

    def _prepare(self, database: sqlite3.Connection) -> None:
        """Check what is there, or make a new ledger of an empty file."""
        (content,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (application,) = database.execute("PRAGMA application_id").fetchone()
        new = content == application == 0
        if not new:
            check_is_ledger(self.path, database)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")  # the sync that makes a record durable is `_Handle.sync`
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA secure_delete = ON")  # what was erased is overwritten, not only unlinked
        if new:
            database.executescript(f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; {SCHEMA} COMMIT;")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the file is a ledger by itself, without its log
