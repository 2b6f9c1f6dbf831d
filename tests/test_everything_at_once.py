"""Processes with threads, coroutines and forks on one ledger that is erased from, halted, archived and killed meanwhile."""

import subprocess
import sys
import time

import pytest

from toolguard import StoreError, verify
from toolguard.audit.archive import archive
from toolguard.stores.file import read_records
from toolguard.stores.seal import key_text
from toolguard.stores.sqlite import SqliteStore

KEY = bytes(range(32))
WORKER = """
import asyncio, os, random, sys, threading, time
from toolguard import Checkpoints, Guard, StoreError

path, seed, durability, end = sys.argv[1], int(sys.argv[2]), sys.argv[3], time.time() + float(sys.argv[4])
random.seed(seed)
plan = Checkpoints(every=50, seconds=0.5)
guard = Guard(pack="payments", ledger=path, capture="full", checkpoints=plan, durability=durability)
troubles = []

def quietly(act, *expected):
    try:
        act()
    except StoreError as error:
        if not any(each in str(error) for each in expected):
            troubles.append(str(error))

def work():
    while time.time() < end:
        decision = guard.evaluate("issue_refund", {"amount": 1, "n": random.random()}, agent_id=f"a{random.randrange(5)}")
        if decision.record is None and durability != "async":
            troubles.append(decision.reason)
        chance = random.random()
        if chance < 0.01 and decision.record:
            quietly(lambda: guard.erase([decision.record.seq], by="x", reason="y"), "copy stays", "no record", "does not keep")
        elif chance < 0.015:
            quietly(lambda: guard.halt("agent:a1", reason="x", by="y"))
            quietly(lambda: guard.resume("agent:a1", reason="x", by="y"), "is not halted")
        elif chance < 0.017 and not (child := os.fork()):
            os._exit(0 if guard.evaluate("issue_refund", {"amount": 2}, agent_id="a2").allowed else 9)

async def coroutines():
    while time.time() < end:
        await asyncio.gather(*(guard.evaluate_async("issue_refund", {"amount": 3}) for _ in range(20)))

threads = [threading.Thread(target=work) for _ in range(3)] + [threading.Thread(target=lambda: asyncio.run(coroutines()))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
try:
    while True:
        _, status = os.wait()
        if status:
            troubles.append(f"a child ended with {status}")
except ChildProcessError:
    pass
guard.close()
print(*sorted(set(troubles)), sep="\\n", end="")
"""


def started(path, seed, durability, seconds):
    command = [sys.executable, "-c", WORKER, str(path), str(seed), durability, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def archived(path, to):
    store = SqliteStore(path)
    try:
        archive(store, to, time.time_ns, "ops", "a stress")
    finally:
        store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and kill -9")
@pytest.mark.parametrize("seconds", [3, pytest.param(40, marks=pytest.mark.deep)])
def test_the_ledger_holds(tmp_path, seconds):
    path, archives = tmp_path / "l.db", []
    SqliteStore(path, seal_key=KEY).close()
    workers = [started(path, seed, durability, seconds) for seed, durability in enumerate(("durable", "process", "async"))]
    killed = started(path, 9, "durable", 60)
    given_up = time.monotonic() + 60
    while next(read_records(path), None) is None and time.monotonic() < given_up:
        time.sleep(0.05)  # a slow machine takes its time to start four interpreters, and there is nothing to archive before
    end = time.monotonic() + seconds * 0.8
    time.sleep(seconds / 4)
    while time.monotonic() < end:
        to = tmp_path / f"{len(archives)}.jsonl"
        try:
            archived(path, to)
        except StoreError as busy:  # so many at once that it did not get the lock in time: nothing was moved
            if "locked" not in str(busy):
                raise
            continue
        archives.append(to)
        time.sleep(seconds / 10)
    killed.kill()
    killed.communicate()
    for worker in workers:
        said, _ = worker.communicate(timeout=seconds + 60)
        assert (worker.returncode, said) == (0, "")
    assert archives
    together = verify(path, key=key_text(KEY), archives=archives)
    assert together.intact, together.finding
    assert together.remarks == ()
    assert verify(path, key=key_text(KEY)).intact
