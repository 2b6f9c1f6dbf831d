"""A ledger's SQLite file and the seal beside it: its tables, and how it is read, without changing anything."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import TYPE_CHECKING, Any

from toolguard.errors import LedgerCorrupt, StoreError, StoreFull
from toolguard.model import Record
from toolguard.stores.fork import IN_SQLITE
from toolguard.stores.seal import SIZE, Seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT_ONCE = 100  # rows that are read in one go
APPLICATION_ID = 0x7467_6C31  # "tgl1" in the file's header: what `file` and we know it by

SCHEMA = """
CREATE TABLE record (
  seq     INTEGER PRIMARY KEY,
  body    BLOB NOT NULL,
  hash    BLOB NOT NULL CHECK (length(hash) = 32),
  payload BLOB
) STRICT;

CREATE TABLE document (
  name TEXT PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;

CREATE TABLE halt (
  scope TEXT PRIMARY KEY,
  body  BLOB NOT NULL
) STRICT;

CREATE TABLE state (
  key  TEXT PRIMARY KEY,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER record_is_never_changed BEFORE UPDATE OF seq, body, hash ON record BEGIN
  SELECT RAISE(ABORT, 'a record is never changed'); END;

CREATE TRIGGER record_is_never_deleted BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'a record is never deleted'); END;
"""
_SELECT = "SELECT seq, body, hash, payload FROM record WHERE seq >= ? ORDER BY seq"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_STORED_AS = {(int, bytes, bytes, bytes), (int, bytes, bytes, type(None))}
STATEMENTS = tuple(part.strip().rstrip(";") for part in SCHEMA.split(";\n\n") if part.strip())
TABLES = tuple(statement for statement in STATEMENTS if statement.startswith("CREATE TABLE"))
NEVER_DELETED = STATEMENTS[-1]


def read_records(path: Path, after: int | None = None, *, newest_first: bool = False) -> Iterator[Record]:
    """The records of a ledger file, read only: nothing is created or changed, no lock is taken.

    Raises:
        StoreError: there is no such file, or it cannot be read.
        LedgerCorrupt: it is not a ledger, or SQLite finds it damaged.
    """
    if not path.is_file():
        raise StoreError(f"there is no ledger `{path}`")
    start = -(2**63) if after is None else after + 1
    for row in _rows(path, _SELECT + (" DESC" if newest_first else ""), (start,)):
        if tuple(map(type, row)) not in _STORED_AS:
            raise LedgerCorrupt(f"`{path}` is damaged: record {row[0]} is not stored as bytes")
        yield Record(*row)


def read_hashes(path: Path, after: int = 0, upto: int = 2**62) -> Iterator[bytes]:
    """The hashes of the records behind `after` up to `upto`, in order, without the records.

    Raises:
        StoreError: the ledger cannot be read.
        LedgerCorrupt: it is not a ledger, or SQLite finds it damaged.
    """
    between = "SELECT hash FROM record WHERE seq > ? AND seq <= ? ORDER BY seq"
    return (digest for (digest,) in _rows(path, between, (after, upto)))


def read_halts(path: Path) -> dict[str, bytes]:
    """What is halted, by scope.

    Raises:
        StoreError: the ledger cannot be read.
        LedgerCorrupt: it is not a ledger, or SQLite finds it damaged.
    """
    there = next(_rows(path, "SELECT 1 FROM sqlite_schema WHERE name = 'halt'"), None)  # an earlier version did not have it
    return dict(_rows(path, "SELECT scope, body FROM halt")) if there else {}


def read_state(path: Path, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """What is kept in the state under keys that begin so, by key.

    Raises:
        StoreError: the ledger cannot be read.
        LedgerCorrupt: it is not a ledger, or SQLite finds it damaged.
    """
    there = next(_rows(path, "SELECT 1 FROM sqlite_schema WHERE name = 'state'"), None)  # an earlier version did not have it
    if not there:
        return iter(())
    if not prefix:
        return _rows(path, "SELECT key, body FROM state")
    behind = prefix + chr(0x10FFFF)  # no key of ours that begins so comes behind this
    return _rows(path, "SELECT key, body FROM state WHERE key >= ? AND key < ?", (prefix, behind))


def read_state_of(path: Path, key: str) -> bytes | None:
    """What the state keeps under one key, None if nothing.

    Raises:
        StoreError: the ledger cannot be read.
        LedgerCorrupt: it is not a ledger, or SQLite finds it damaged.
    """
    found = next(_rows(path, "SELECT body FROM state WHERE key = ?", (key,)), None)
    return found[0] if found else None


def read_documents(path: Path) -> Iterator[tuple[str, bytes]]:
    """What is kept beside the records, by name.

    Raises:
        StoreError: the ledger cannot be read.
        LedgerCorrupt: it is not a ledger, or SQLite finds it damaged.
    """
    return _rows(path, "SELECT name, body FROM document")


def read_document(path: Path, name: str) -> bytes | None:
    """What was kept under a name; None if nothing was.

    Raises:
        StoreError: the ledger cannot be read.
        LedgerCorrupt: it is not a ledger, or SQLite finds it damaged.
    """
    found = next(_rows(path, "SELECT body FROM document WHERE name = ?", (name,)), None)
    return found[0] if found else None


def _rows(path: Path, select: str, values: tuple[Any, ...] = ()) -> Iterator[Any]:
    """What a ledger answers, read only: nothing is created or changed, no lock is taken."""
    try:
        with IN_SQLITE:
            database = _connect_read_only(path)
            try:
                check_is_ledger(path, database)
                found = database.execute(select, values)
            except BaseException:
                database.close()
                raise
        try:
            while True:
                with IN_SQLITE:
                    rows = found.fetchmany(AT_ONCE)
                if not rows:
                    return
                yield from rows
        finally:
            with IN_SQLITE:
                database.close()
    except sqlite3.Error as error:
        raise store_error(path, error) from error


def seal_path(path: Path) -> Path:
    """The file beside a ledger that is its lock between processes and holds its seal."""
    return path.with_name(path.name + "-seal")


def read_seal(descriptor: int) -> Seal:
    """The seal in an open file."""
    return Seal.from_bytes(os.pread(descriptor, SIZE + 1, 0))


def seal_of(path: Path) -> Seal | None:
    """The seal of a ledger, or None if there is none.

    Raises:
        LedgerCorrupt: there is something else in its place.
        StoreError: it cannot be read.
    """
    try:
        with seal_path(path).open("rb") as file:
            return Seal.from_bytes(file.read(SIZE + 1))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise store_error(seal_path(path), error) from error


def _connect_read_only(path: Path) -> sqlite3.Connection:
    # Without a write-ahead log nobody has it open, and SQLite must not create one beside a piece of evidence.
    mode = "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)


def check_is_ledger(path: Path, database: sqlite3.Connection) -> None:
    """Raise LedgerCorrupt for another SQLite database, and for a ledger with anything in it that could answer in its place."""
    (found,) = database.execute("PRAGMA application_id").fetchone()
    if found != APPLICATION_ID:
        kind = LedgerCorrupt if seal_path(path).exists() else StoreError
        raise kind(f"`{path}` is an SQLite database, but not a ledger")
    schema = [sql for (sql,) in database.execute("SELECT sql FROM sqlite_schema")]
    if STATEMENTS[0] not in schema or not set(schema) <= {*STATEMENTS, None}:  # an index that SQLite made has no text
        raise LedgerCorrupt(f"`{path}` was altered: its tables and triggers are not those of a ledger")


def store_error(path: Path, error: sqlite3.Error | OSError) -> StoreError:
    """SQLite's or the system's error in our words: damaged files apart from everything else."""
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_NOTADB" and not seal_path(path).exists():
        return StoreError(f"`{path}` is no ledger: it is not an SQLite database, and there is no seal beside it")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "decode to UTF-8" in str(error):  # a text that is none
        return LedgerCorrupt(f"`{path}` is damaged: {error}")
    if name == "SQLITE_FULL" or getattr(error, "errno", None) in _FULL:
        return StoreFull(f"there is no room left for the ledger `{path}`")
    return StoreError(f"the ledger `{path}` cannot be used: {error}")
