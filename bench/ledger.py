"""What a reviewer waits for: verifying a long ledger, proving one record of it, and what a checkpoint costs."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.durable import bare, insert
from bench.measure import QUICK, agree, row, seconds_of, take_turns
from toolguard import Checkpoints
from toolguard.audit.capture import capture, seal_of_payload
from toolguard.audit.chain import VERSION, chained, draft, link
from toolguard.audit.check import verify
from toolguard.audit.checkpoint import Checkpointer
from toolguard.audit.merkle import Tree
from toolguard.audit.prove import check_receipt, prove_record
from toolguard.audit.segments import cores
from toolguard.canonical import digest
from toolguard.stores.file import read_hashes, seal_path
from toolguard.stores.seal import Seal
from toolguard.stores.sqlite import SqliteStore

MANY, FEW = 1_000_000, 5_000
EVERY = 1000  # records between two checkpoints
MEMORY = 64  # MiB
RATE = 150_000  # records a second and core
CAPTURED = capture({"amount": 85}, "digest")
CALL = {"tool": "issue_refund", **CAPTURED.sealed}
SAID = draft("decision", {"kept": seal_of_payload(CAPTURED.payload), "reason": "y" * 300, "call": CALL})
KEY = bytes(32)


def rows(pace):
    count = FEW if pace == QUICK else MANY
    with TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        path = Path(folder) / "ledger.db"
        body = build(path, count)
        yield verifying(f"verify {count:,} records / read and hash them", path, count, 1)
        yield verifying("  the same, a process on each processor", path, count, cores())
        yield proving(path, count)
        yield size_of(path, count, body)
        yield checkpointing(pace, Path(folder))


def build(path, count):
    """A ledger of so many records, written as fast as SQLite takes them, sealed and with one checkpoint; the last body."""
    store = SqliteStore(path, seal_key=KEY)
    tree, hashes = Tree(), []

    def records():
        last = bytes(32)
        for seq in range(count):
            record = chained(seq, last, seq, SAID, CAPTURED.payload)
            last = record.hash
            tree.add(last)
            hashes.append((record.seq, last))
            yield record.seq, record.body, record.hash, record.payload

    database = store._handle.database  # noqa: SLF001 - a million appends would take a minute
    database.execute("BEGIN")
    database.executemany("INSERT INTO record VALUES (?, ?, ?, ?)", records())
    database.execute("COMMIT")
    store.close()
    seal_path(path).write_bytes(Seal.begin(KEY).over(hashes).to_bytes())
    with closing(SqliteStore(path)) as again:
        written = again.last().body
        Checkpointer(again, appended(again), Checkpoints(), Tree(tree.size - 1, tree_of(again, tree.size - 1))).make()
    return written


def tree_of(store, size):
    tree = Tree()
    for leaf in read_hashes(store.path):
        if tree.size == size:
            break
        tree.add(leaf)
    return tree.peaks


def appended(store):
    return lambda kind, content: store.append(lambda seq, last: link(seq, last, kind, 10**18, content))


def verifying(what, path, count, processes):
    """In a process of its own, so that its memory can be told; the plain side reads and hashes the same rows."""
    code = f"from bench.ledger import timed; timed({str(path)!r}, {processes})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    ours, memory, trusted = done.stdout.split()
    plain = seconds_of(partial(read_and_hash, path), 1)
    rate, used = count / float(ours), float(memory)
    note = f"{rate:,.0f} records/s, {used:.0f} MiB (design: {RATE:,} a core and {MEMORY})"
    checks = [
        agree("records", str(count + 1), trusted),
        agree("memory beyond what is allowed, MiB", 0, max(0, round(used - MEMORY))),
    ]
    return row(what, [(float(ours), plain)], checks, note=note)


def timed(path, processes):
    """Prints the seconds of a verification, the memory of this process in MiB, and how many records held."""
    reports = []
    taken = seconds_of(lambda: reports.append(verify(path, processes=processes)), 1)
    print(taken, peak_memory(), reports[0].trusted)


def peak_memory():
    """MiB. What `resource` says is, after an exec, still the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0


def read_and_hash(path):
    domain = b"toolguard record %d\n" % VERSION
    with closing(sqlite3.connect(path)) as database:
        for _, body, expected, _ in database.execute("SELECT * FROM record ORDER BY seq"):
            if digest(domain + body) != expected:
                raise AssertionError


def proving(path, count):
    receipts = []
    ours = seconds_of(lambda: receipts.append(prove_record(path, count // 3)), 1)
    plain = seconds_of(lambda: sum(1 for _ in read_hashes(path)), 1)
    text = json.dumps(receipts[0])
    checking = seconds_of(lambda: check_receipt(text), 1)
    checks = [agree("what is wrong with the receipt", None, check_receipt(text).finding)]
    note = f"{len(text):,} bytes, checked in {checking * 1e6:,.0f} us"
    return row(f"prove 1 of {count:,} records / read all hashes", [(ours, plain)], checks, note=note)


def size_of(path, count, body):
    stored, said = path.stat().st_size / count, len(body)
    checks = [agree("records in the file", count + 1, sum(1 for _ in read_hashes(path)))]
    return row("bytes on disk of a record / of its body", [(stored / 1e6, said / 1e6)], checks, note="bytes, not us")


def checkpointing(pace, folder):
    """One checkpoint of as many records as lie between two, against one durable insert of its own record."""
    store, database = SqliteStore(folder / "checkpoints.db"), bare(folder / "bare.db")
    checkpointer = Checkpointer(store, appended(store), Checkpoints(), Tree())
    bodies = []

    def ours():
        for _ in range(EVERY):
            store.append(lambda seq, last: chained(seq, last, 0, SAID), durable=False)
        taken = seconds_of(checkpointer.make, 1)
        bodies[:] = [store.last().body]
        return taken

    ours()
    figures = take_turns([ours, lambda: seconds_of(lambda: insert(database, bodies), 1)], min(3, pace.rounds), 3)
    checks = [agree("checkpoints", 1, bodies[0].count(b'"kind":"checkpoint"'))]
    store.close()
    database.close()
    return row(f"checkpoint of {EVERY} records / a bare durable insert of it", figures, checks, note="in the background")
