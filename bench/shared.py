"""Many who write to one ledger at the same time, against one bare writer that makes as many durable inserts, one by one.

The bare side is the best that one SQLite connection can do with a sync for each insert; the ledger shares its syncs. A disk on
which every sync takes two milliseconds more is the second pair: what a consumer drive or a network volume does.
"""

import threading
import time
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.durable import bare, durability, insert
from bench.measure import agree, row, take_turns
from toolguard.audit.chain import link
from toolguard.audit.verify import verify
from toolguard.stores import handle, sqlite

THREADS = 64
EACH = 20  # records of each thread in one turn
SLOWER = 0.002  # seconds
CONTENT = {"reason": "y" * 400}


def rows(pace):
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=Path.cwd(), prefix=".bench-")))
        store = stack.enter_context(closing(sqlite.SqliteStore(folder / "ledger.db")))
        database = stack.enter_context(closing(bare(folder / "bare.db")))
        body = store.append(build).body
        figures = take_turns([partial(together, store), partial(one_by_one, database, body)], pace.rounds, pace.fresh_turns)
        yield row(f"{THREADS} threads, durable records / as many bare inserts", figures, checks(store, database), at_most=1 / 5)
        with slower_syncs():
            slow = partial(one_by_one, database, body, SLOWER)
            figures = take_turns([partial(together, store), slow], min(3, pace.rounds), 1)
        made = checks(store, database)
        yield row("  the same, where each sync takes 2 ms more", figures, made, at_most=1 / 15)
        yield row(
            "one thread, a durable record / a bare durable insert", single(pace, store, database, body), made, at_most=1.15
        )


def build(seq, last):
    return link(seq, last, "note", 0, CONTENT)


def together(store):
    """Seconds that the threads take for their records, started ones."""
    ready = threading.Barrier(THREADS + 1)

    def work():
        ready.wait()
        for _ in range(EACH):
            store.append(build)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    ready.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def one_by_one(database, body, slower=0.0):
    start = time.perf_counter()
    for _ in range(THREADS * EACH):
        insert(database, [body])
        if slower:
            time.sleep(slower)
    return time.perf_counter() - start


def single(pace, store, database, body):
    def timed(call):
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    calls = (partial(store.append, build), partial(insert, database, [body]))
    return take_turns([partial(timed, call) for call in calls], pace.rounds, pace.synced_turns)


def checks(store, database):
    report = verify(store.scan())
    return [
        agree("chain", "intact", "intact" if report.intact else report.finding.kind),
        agree("records of a thread that are missing", 0, report.trusted % (THREADS * EACH) - 1),
        agree("bare inserts are WAL, synced in full", ("wal", 2), durability(database)),
    ]


@contextmanager
def slower_syncs():
    quick = handle.sync

    def sync(descriptor):
        quick(descriptor)
        time.sleep(SLOWER)

    handle.sync = sync
    try:
        yield
    finally:
        handle.sync = quick
