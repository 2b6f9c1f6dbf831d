"""The ledger in one SQLite file beside the program. Several threads and processes may share it."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.errors import LedgerCorrupt, StoreError, StoreFull
from toolguard.stores.ballast import Ballast
from toolguard.stores.disk import sync, whereabouts
from toolguard.stores.file import (
    APPLICATION_ID,
    SCHEMA,
    TABLES,
    check_is_ledger,
    read_document,
    read_halts,
    read_records,
    read_seal,
    read_state,
    read_state_of,
    seal_path,
    store_error,
)
from toolguard.stores.fork import IN_SQLITE, concern
from toolguard.stores.group import GroupCommit
from toolguard.stores.handle import Handle
from toolguard.stores.lock import FileLock
from toolguard.stores.seal import Seal
from toolguard.stores.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from toolguard.model import Record
    from toolguard.stores.base import Build, Change
    from toolguard.stores.group import Entry

MAX_RECENT = 4096  # records remembered for the seal; more are read back
STEP = 0.02  # seconds between two tries to empty the write-ahead log
TIMEOUT = 5.0  # seconds to wait for another thread or process before giving up, which means deny

_logger = logging.getLogger("toolguard")


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
        self._log = Path(f"{self._file}-wal")
        self._closed = False
        self._inherited: list[Handle] = []  # never closed here: closing would drop the parent's locks
        self._full = False  # there was no room for a record, and the ballast was dropped
        self._ballast = Ballast(self.path.with_name(f"{self.path.name}-ballast"))
        self._handle = self._open()
        self._ballast.fill()
        concern(self)
        self._group = GroupCommit(self._commit, timeout)

    def append(self, build: Build, *, durable: bool = True) -> Record:
        """See `Store`: one transaction, with one sync if it is to be durable."""
        self._own_handle()
        try:
            return self._group.add(build, durable=durable)
        except (sqlite3.Error, OSError) as error:
            raise self._refused(error) from error

    def transact(self, change: Change, *, durable: bool = True) -> Record:
        """See `Store`."""
        self._own_handle()
        try:
            return self._group.add(None, change, durable=durable)
        except (sqlite3.Error, OSError) as error:
            raise self._refused(error) from error

    async def transact_async(self, change: Change, *, durable: bool = True) -> Record:
        """See `Store`."""
        import asyncio  # noqa: PLC0415 - as in `append_async`

        self._own_handle()
        try:
            return await self._group.add_async(None, asyncio.get_running_loop(), change, durable=durable)
        except (sqlite3.Error, OSError) as error:
            raise self._refused(error) from error

    def state_of(self, key: str) -> bytes | None:
        """See `Store`."""
        return read_state_of(self.path, key)

    def state(self, prefix: str = "") -> Mapping[str, bytes]:
        """See `Store`."""
        return dict(read_state(self.path, prefix))

    async def append_async(self, build: Build, *, durable: bool = True) -> Record:
        """See `Store`."""
        import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

        self._own_handle()
        try:
            return await self._group.add_async(build, asyncio.get_running_loop(), durable=durable)
        except (sqlite3.Error, OSError) as error:
            raise self._refused(error) from error

    def _refused(self, error: sqlite3.Error | OSError) -> StoreError:
        refused = store_error(self.path, error)
        if isinstance(refused, StoreFull) and not self._full:
            self._full = True
            self._ballast.drop()
        return refused

    def short_of_room(self) -> bool:
        """See `Store`."""
        if self._full and self._ballast.fill():
            self._full = False
        return self._full

    def _commit(self, entries: Sequence[Entry]) -> None:
        """Commit under the lock without a sync, let the next process in, and only then sync: it writes while we wait."""
        handle = self._own_handle()
        if not handle.mutex.acquire(timeout=self.timeout):
            raise StoreError(f"`{self.path}` is held by another thread")
        try:
            self._check_file_is_ours()
            self._signal.check()
            with handle.lock, IN_SQLITE:
                handle.seal()
                handle.write(entries)
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
            emptied = self._empty_the_log()
        except (sqlite3.Error, OSError) as error:
            raise store_error(self.path, error) from error
        if not emptied:
            raise StoreError("erased and on record; a copy stays in the write-ahead log until nobody reads the ledger any more")
        return record

    def archive(self, finish: Callable[[Seal], Build]) -> Record:
        """Forget all records, which `finish` has brought to another place, and go on behind them with the record it builds.

        `finish` is called with the seal over all of them, while nobody can write.
        """
        try:
            with self._exclusive() as handle:
                if self._log.exists():
                    self._check_log_is_ours(handle)
                handle.flush()
                record = handle.replace_records(finish(read_seal(handle.lock.descriptor)))
                self._check_log_is_ours(handle)
                handle.sync()
                handle.seal()
                handle.database.execute("VACUUM")
            self._empty_the_log()
        except (sqlite3.Error, OSError) as error:
            raise store_error(self.path, error) from error
        return record

    def _empty_the_log(self) -> bool:
        """Bring the whole write-ahead log into the ledger and empty it; False if somebody reads all the time.

        Readers are waited for between two tries and not under the lock, where everybody else would wait, too.
        """
        end = time.monotonic() + self.timeout
        while True:
            with self._exclusive() as handle:
                if handle.empty_the_log():
                    return True
            if time.monotonic() > end:
                return False
            time.sleep(STEP)

    def set_halt(self, build: Build, scope: str, body: bytes | None) -> Record:
        """See `Store`."""
        try:
            with self._exclusive() as handle:
                self._signal.check()
                self._signal.changing()
                try:
                    record = handle.set_halt(build, scope, body)
                    self._check_log_is_ours(handle)
                    handle.sync()
                    handle.seal()
                finally:
                    self._signal.changed()
        except (sqlite3.Error, OSError) as error:
            raise store_error(self.path, error) from error
        return record

    def halts(self) -> Mapping[str, bytes]:
        """See `Store`."""
        return read_halts(self.path)

    def touched(self) -> object:
        """See `Store`: when SQLite's log was written last, and how long it is."""
        try:
            found = self._log.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

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
            with handle.mutex, handle.lock, IN_SQLITE:
                try:
                    handle.finish()
                finally:
                    handle.database.close()
            handle.lock.close()
            self._signal.close()
            self.signal = self._signal.look

    @contextmanager
    def _exclusive(self) -> Iterator[Handle]:
        """Nobody else writes meanwhile, in this process or another."""
        handle = self._own_handle()
        if not handle.mutex.acquire(timeout=self.timeout):
            raise StoreError(f"`{self.path}` is held by another thread")
        try:
            self._check_file_is_ours()
            with handle.lock, IN_SQLITE:
                yield handle
        finally:
            handle.mutex.release()

    def forked(self) -> None:
        """In the child: let go of the lock that our parent may be holding, or it would be held until we end, too."""
        self._handle.lock.close()

    def _own_handle(self) -> Handle:
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
        if not found.st_size:
            raise StoreError(f"the ledger `{self.path}` was emptied while it was open")

    def _check_log_is_ours(self, handle: Handle) -> None:
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

    def _open(self) -> Handle:
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            lock = FileLock(seal_path(self.path), self.timeout)
        except OSError as error:
            raise StoreError(f"cannot open the ledger `{self.path}`: {(error.strerror or str(error)).lower()}") from error
        try:
            with lock, IN_SQLITE:
                database = self._connect()
                try:
                    self._check_seal(database, lock.descriptor)
                    self.ledger_id = read_seal(lock.descriptor).commitment.hex()
                    self._signal = Signal(self.path.with_name(f"{self.path.name}-halt"))
                    self._signal.settle()
                    self.signal = self._signal.look
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
        return Handle(os.getpid(), threading.Lock(), database, lock)

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
        database.execute("PRAGMA synchronous = NORMAL")  # the sync that makes a record durable is `Handle.sync`
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA secure_delete = ON")  # what was erased is overwritten, not only unlinked
        if not new:
            there = {sql for (sql,) in database.execute("SELECT sql FROM sqlite_schema")}
            for statement in TABLES:  # those that an earlier version did not have
                if statement not in there:
                    database.execute(statement)
        if new:
            database.executescript(f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; {SCHEMA} COMMIT;")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the file is a ledger by itself, without its log
