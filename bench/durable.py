"""A call whose record has to be on the disk, against the bare SQLite inserts of the very bytes that it writes.

A guarded call writes several records, each durable by itself (the decision before the tool runs, the outcome after it), so
the plain side makes as many durable inserts.
"""

import sqlite3
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cases import ALLOWED, DENIED, TOOL, threshold
from bench.measure import agree, row, seconds_of, take_turns
from toolguard import Checkpoints, Guard, ToolDenied, guarded
from toolguard.stores.file import SCHEMA


def rows(pace):
    # The working directory and not the temporary one, which is memory on many machines and has nothing to sync.
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=Path.cwd(), prefix=".bench-")))
        guard = stack.enter_context(Guard(threshold(), ledger=folder / "guarded.db", checkpoints=NONE))
        yield from of_guarded(pace, guard, *(stack.enter_context(closing(bare(folder / name))) for name in ("a.db", "b.db")))
        yield of_evaluate(pace, guard, stack.enter_context(closing(bare(folder / "c.db"))))


NONE = Checkpoints(every=10**9, seconds=10**6)  # they are not what is measured here, and their records would be counted


def bare(path):
    """A table like the ledger's with the ledger's durability, and nothing else."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.executescript(SCHEMA)
    return database


def insert(database, bodies):
    """One durable transaction each."""
    for body in bodies:
        database.execute("INSERT INTO record (body, hash) VALUES (?, ?)", (body, bytes(32)))


def of_guarded(pace, guard, apart, together):
    @guarded(guard)
    def issue_refund(amount):
        return amount

    bodies = written(guard, partial(issue_refund, amount=ALLOWED))
    insert(apart, bodies)
    checks = [
        agree(f"amount {DENIED}", "deny", refused(issue_refund, DENIED)),
        agree(f"amount {ALLOWED}", "allow", refused(issue_refund, ALLOWED)),
        agree("bare inserts are WAL, synced in full", ("wal", 2), durability(apart)),
        agree("bytes of the bare inserts", sum(map(len, bodies)), stored(apart)),
    ]
    both = [b"".join(bodies)]
    sides = (lambda: issue_refund(amount=ALLOWED), lambda: insert(apart, bodies), lambda: insert(together, both))
    before = size(guard), size(apart)
    figures = synced(pace, *sides)
    expected = len(bodies) * (pace.filling + pace.rounds * pace.synced_turns)
    checks.append(agree("records", expected, size(guard) - before[0], size(apart) - before[1]))
    yield row(
        f"guarded call, durable / {len(bodies)} bare durable inserts", [each[:2] for each in figures], checks, at_most=1.15
    )
    yield row("  the same / 1 bare insert of all its bytes", [each[::2] for each in figures], checks)


def of_evaluate(pace, guard, database):
    def evaluate(amount=ALLOWED):
        return guard.evaluate(TOOL, {"amount": amount})

    bodies = written(guard, evaluate)
    insert(database, bodies)
    checks = [
        agree(f"amount {DENIED}", "deny", evaluate(DENIED).verdict.word),
        agree(f"amount {ALLOWED}", "allow", evaluate().verdict.word),
        agree("bare inserts are WAL, synced in full", ("wal", 2), durability(database)),
        agree("bytes of the bare inserts", sum(map(len, bodies)), stored(database)),
    ]
    figures = synced(pace, evaluate, lambda: insert(database, bodies))
    return row(f"guard.evaluate(), durable / {len(bodies)} bare durable insert", figures, checks, at_most=1.15)


def synced(pace, *calls):
    """Figures of calls that wait for the disk, taken call by call."""
    for call in calls:
        seconds_of(call, pace.filling)
    return take_turns([partial(seconds_of, call, 1) for call in calls], pace.rounds, pace.synced_turns)


def written(guard, call):
    """The bodies of the records that a call adds to the ledger. A later one has the same number of bytes, give or take its
    own number's and durations' digits.
    """
    before = size(guard)
    call()
    return [record.body for record in guard.store.scan(before)]


def refused(tool, amount):
    try:
        tool(amount=amount)
    except ToolDenied as denied:
        return denied.decision.verdict.word
    return "allow"


def durability(database):
    return tuple(database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous"))


def stored(database):
    return database.execute("SELECT sum(length(body)) FROM record").fetchone()[0]


def size(ledger):
    if isinstance(ledger, Guard):
        return len(list(ledger.store.scan()))
    return ledger.execute("SELECT count(*) FROM record").fetchone()[0]
