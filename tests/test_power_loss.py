"""The power fails at any moment: every write since a file's last sync may be on the disk or not. What was acknowledged is.

SQLite runs under a file system of ours (apsw) that notes every write and sync. For each moment, disks are made with none,
all, or some of the writes that were not synced, and the ledger is opened on each.
"""

import os
import random
from collections import defaultdict
from pathlib import Path

import apsw
import pytest

from toolguard.audit.chain import link
from toolguard.audit.coverage import Evidence
from toolguard.audit.verify import verify
from toolguard.errors import LedgerCorrupt
from toolguard.stores import handle, sqlite
from toolguard.stores.file import seal_of
from toolguard.stores.sqlite import SqliteStore

SECTOR = 512  # what a disk writes whole or not at all


class Noted(apsw.VFSFile):
    """A file whose writes, cuts and syncs are noted."""

    def __init__(self, name, flags, notes):
        super().__init__("", name, flags)
        self.notes, self.name = notes, Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "").name

    def xWrite(self, data, offset):  # noqa: N802
        self.notes.append(("write", self.name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size):  # noqa: N802
        self.notes.append(("cut", self.name, size))
        super().xTruncate(size)

    def xSync(self, flags):  # noqa: N802
        super().xSync(flags)
        self.notes.append(("sync", self.name))


class Disk(apsw.VFS):
    """A file system that notes what happens to its files."""

    def __init__(self, notes):
        self.notes, self.vfs_name = notes, f"noted-{id(notes)}"
        super().__init__(self.vfs_name, "")

    def xOpen(self, name, flags):  # noqa: N802
        return Noted(name, flags, self.notes)


class Connection:
    """As much of `sqlite3.Connection` as the store uses, on apsw."""

    def __init__(self, path, vfs):
        self.real = apsw.Connection(str(path), vfs=vfs)

    def execute(self, sql, values=()):
        before = self.real.total_changes()
        try:
            rows = list(self.real.execute(sql, values))
        except apsw.ConstraintError as error:
            raise sqlite.sqlite3.IntegrityError(str(error)) from error
        return Cursor(rows, self.real.total_changes() - before)

    def executescript(self, sql):
        self.real.execute(sql)

    @property
    def in_transaction(self):
        return not self.real.get_autocommit()

    def close(self):
        self.real.close()


class Cursor:
    def __init__(self, rows, rowcount):
        self.rows, self.rowcount = rows, rowcount

    def fetchone(self):
        return self.rows[0] if self.rows else None

    def fetchall(self):
        return self.rows

    def __iter__(self):
        return iter(self.rows)


def written(tmp_path, monkeypatch, *, syncs):
    """What happens to the files while records are written: notes, among them when which record was acknowledged."""
    notes = []
    disk = Disk(notes)
    path = tmp_path / "noted" / "l.db"
    path.parent.mkdir()

    def connect(where, **_):
        return Connection(where, disk.vfs_name)

    def note_sync(descriptor):
        if syncs:
            notes.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink().name))

    def note_pwrite(descriptor, data, offset):
        notes.append(("write", Path(f"/proc/self/fd/{descriptor}").readlink().name, offset, bytes(data)))
        return real_pwrite(descriptor, data, offset)

    real_pwrite = os.pwrite
    monkeypatch.setattr(sqlite.sqlite3, "connect", connect)
    for module in (sqlite, handle):
        monkeypatch.setattr(module, "sync", note_sync)
    monkeypatch.setattr(os, "pwrite", note_pwrite)
    store = SqliteStore(path)
    store._handle.database.execute("PRAGMA wal_autocheckpoint = 12")
    begun = len(notes)
    for i in range(40):
        durable = i % 4 > 0
        record = store.append(lambda seq, last, i=i: link(seq, last, "note", i, {"text": "x" * 300}), durable=durable)
        notes.append(("acknowledged" if durable else "written", record.seq))
    store.close()
    monkeypatch.undo()
    return notes, begun


def disks(notes, moment, seed):
    """The content of each file, for a disk with none, all, and some of the writes that were not synced."""
    chance = random.Random(seed)
    for keep in (lambda: False, lambda: True, lambda: chance.random() < 0.5, lambda: chance.random() < 0.9):
        yield {name: content(of_file, keep) for name, of_file in by_file(notes[:moment]).items()}


def by_file(notes):
    found = defaultdict(list)
    for kind, name, *rest in notes:
        if kind in ("write", "cut", "sync"):
            found[name].append((kind, *rest))
    return found


def content(notes, keep):
    synced = max((at for at, (kind, *_) in enumerate(notes) if kind == "sync"), default=-1)
    data = bytearray()
    for at, (kind, *rest) in enumerate(notes):
        if kind == "cut" and (at < synced or keep()):
            del data[rest[0] :]
        if kind == "write":
            offset, new = rest
            for begin in range(0, len(new), SECTOR):
                if at < synced or keep():
                    place = offset + begin
                    data.extend(bytes(max(0, place - len(data))))
                    data[place : place + SECTOR] = new[begin : begin + SECTOR]
    return bytes(data)


def lost(notes, begun, folder, refusals=()):
    """(disks that were looked at, those on which acknowledged records were missing) over every moment.

    Where a store that does not sync is searched, being refused with one of the `refusals` is a loss, too.
    """
    looked, missing = 0, 0
    for moment in range(begun, len(notes) + 1):
        acknowledged = max((note[1] for note in notes[:moment] if note[0] == "acknowledged"), default=0)
        for number, files in enumerate(disks(notes, moment, moment)):
            place = folder / f"{moment}-{number}"
            place.mkdir(parents=True)
            for name, data in files.items():
                (place / name).write_bytes(data)
            looked += 1
            try:
                missing += surviving(place / "l.db") < acknowledged
            except refusals:
                missing += 1
            for file in place.iterdir():
                file.unlink()
    return looked, missing


def surviving(path):
    """How many records are on this disk; the ledger opens, holds, is sealed no further than it goes, and goes on."""
    store = SqliteStore(path)
    report = verify(store.scan(), Evidence(seal=seal_of(path)))
    assert report.intact, report.finding
    store.append(lambda seq, last: link(seq, last, "note", 0, {}))
    store.close()
    return report.trusted


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the names of open files are read there")
def test_what_was_acknowledged_survives_a_power_loss_at_any_moment(tmp_path, monkeypatch):
    notes, begun = written(tmp_path, monkeypatch, syncs=True)
    looked, missing = lost(notes, begun, tmp_path / "disks")
    assert looked > 500
    assert missing == 0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the names of open files are read there")
def test_without_our_syncs_the_same_search_finds_losses(tmp_path, monkeypatch):
    notes, begun = written(tmp_path, monkeypatch, syncs=False)
    assert lost(notes, begun, tmp_path / "disks", refusals=LedgerCorrupt)[1] > 0
