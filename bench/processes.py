"""Four processes of sixteen threads on one ledger, on a disk where every sync takes two milliseconds more."""

import json
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from bench.durable import bare, insert
from bench.measure import QUICK, agree, row, seconds_of
from bench.shared import SLOWER, build, slower_syncs
from toolguard.audit.verify import verify
from toolguard.stores.sqlite import SqliteStore

PROCESSES, THREADS = 4, 16
BARE = 200  # inserts of the plain side


def rows(pace):
    seconds = 0.3 if pace == QUICK else 4.0
    with TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        path = Path(folder) / "ledger.db"
        with closing(SqliteStore(path)) as store:
            body = store.append(build).body
        workers = [started(path, seconds) for _ in range(PROCESSES)]
        for worker in workers:
            worker.stdout.readline()  # it is ready
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        answers = [json.loads(worker.communicate()[0]) for worker in workers]
        written = [count for answer in answers for count in answer["counts"]]
        of_processes = [sum(answer["counts"]) for answer in answers]
        worst = max(answer["worst"] for answer in answers)
        with closing(bare(Path(folder) / "bare.db")) as database:
            plain = seconds_of(partial(slow_insert, database, body), BARE) / BARE
        with closing(SqliteStore(path)) as store:
            report = verify(store.scan())
        checks = [
            agree("chain", "intact", "intact" if report.intact else report.finding.kind),
            agree("records that are missing", 0, sum(written) + 1 - report.trusted),
        ]
        ours = seconds / sum(written)
        fairness = min(of_processes) / max(of_processes)
        note = f"{1 / ours:,.0f}/s; least/most of a process {fairness:.2f} (at least 0.5); longest wait {worst * 1e3:.0f} ms"
        what = f"{PROCESSES} processes x {THREADS} threads, slow syncs / one bare writer"
        yield row(what, [(ours, plain)], checks, at_most=1 / 15, note=note)


def slow_insert(database, body):
    insert(database, [body])
    time.sleep(SLOWER)


def started(path, seconds):
    code = f"from bench.processes import work; work({str(path)!r}, {seconds})"
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def work(path, seconds):
    """In a process of its own: threads that append until the time is over. Prints how often each did, and the longest wait."""
    counts, waits = [0] * THREADS, [0.0] * THREADS
    with slower_syncs(), closing(SqliteStore(path)) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        end = time.perf_counter() + seconds

        def appending(place):
            while (begun := time.perf_counter()) < end:
                store.append(build)
                counts[place] += 1
                waits[place] = max(waits[place], time.perf_counter() - begun)

        threads = [Thread(target=appending, args=(place,)) for place in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(json.dumps({"counts": counts, "worst": max(waits)}))
