"""The contract that every store passes, and what only a file on a disk can suffer."""

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from toolguard.audit.chain import link
from toolguard.audit.coverage import Evidence
from toolguard.audit.verify import verify
from toolguard.errors import LedgerCorrupt, StoreError
from toolguard.stores.file import read_records, seal_of
from toolguard.stores.group import GroupCommit
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore


def note(text):
    return lambda seq, last: link(seq, last, "note", 0, {"text": text})


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "l.db")
    yield made
    made.close()


def test_records_come_back_in_order_as_they_were_written(store):
    written = [store.append(note(str(i)), durable=i % 2 == 0) for i in range(10)]
    assert [record.seq for record in written] == list(range(1, 11))
    assert list(store.scan()) == written
    assert list(store.scan(7)) == written[7:]
    assert verify(store.scan()).intact


def test_threads_never_share_a_number(store):
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda i: store.append(note(str(i))), range(200)))
    assert sorted(record.seq for record in written) == list(range(1, 201))
    assert verify(store.scan()).intact


def test_a_build_that_fails_leaves_nothing_behind(store):
    store.append(note("a"))
    with pytest.raises(ZeroDivisionError):
        store.append(lambda seq, last: 1 / 0)
    assert store.append(note("b")).seq == 2
    assert verify(store.scan()).trusted == 2


def count(text, most=None):
    """A change that adds one to a counter, unless that would be too many."""

    def change(seq, last, state):
        used = int(state.get(text) or b"0") + 1
        if most is not None and used > most:
            return link(seq, last, "note", 0, {"refused": text})
        state.put(text, str(used).encode())
        assert state.get(text) == str(used).encode()
        return link(seq, last, "note", 0, {"text": text, "used": used})

    return change


def test_the_state_changes_with_its_record(store):
    for _ in range(3):
        store.transact(count("a"))
    store.transact(count("b"), durable=False)
    assert store.state() == {"a": b"3", "b": b"1"}
    assert store.state("b") == {"b": b"1"}
    assert (store.state("ab"), store.state_of("a"), store.state_of("x")) == ({}, b"3", None)
    assert [record.content["used"] for record in store.scan()] == [1, 2, 3, 1]
    store.transact(lambda seq, last, state: state.put("a", None) or link(seq, last, "note", 0, {}))
    assert store.state() == {"b": b"1"}


def test_a_change_that_fails_leaves_nothing_behind(store):
    def fails(seq, last, state):
        state.put("a", b"9")
        raise ZeroDivisionError

    store.transact(count("a"))
    with pytest.raises(ZeroDivisionError):
        store.transact(fails)
    assert store.state() == {"a": b"1"}
    assert store.transact(count("a")).content["used"] == 2
    assert verify(store.scan()).trusted == 2


def test_threads_never_count_past_the_end(store):
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda i: store.transact(count("a", 100)) if i % 2 else store.append(note("x")), range(400)))
    assert sum("used" in record.content for record in written) == 100
    assert store.state() == {"a": b"100"}
    assert verify(store.scan()).trusted == 400


def test_coroutines_count_as_well(store):
    async def many():
        return await asyncio.gather(*(store.transact_async(count("a", 50)) for _ in range(80)))

    assert sum("used" in record.content for record in asyncio.run(many())) == 50
    assert store.state() == {"a": b"50"}


def test_a_closed_store_refuses(store):
    store.append(note("a"))
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.append(note("b"))


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "l.db"
    with_three = SqliteStore(path)
    for text in "abc":
        with_three.append(note(text))
    with_three.close()
    return path


def test_a_ledger_is_private_and_recognisable(ledger):
    assert ledger.stat().st_mode & 0o777 == 0o600
    assert ledger.with_name("l.db-seal").stat().st_mode & 0o777 == 0o600
    assert ledger.read_bytes()[68:72] == b"tgl1"


def test_reading_creates_and_changes_nothing(ledger):
    for beside in ("l.db-seal", "l.db-ballast", "l.db-halt"):
        ledger.with_name(beside).unlink()
    before = ledger.read_bytes()
    assert len(list(read_records(ledger))) == 3
    assert [path.name for path in ledger.parent.iterdir()] == ["l.db"]
    assert ledger.read_bytes() == before


def test_records_cannot_be_changed_by_accident(ledger):
    database = sqlite3.connect(ledger)
    for statement in ("UPDATE record SET body = x''", "DELETE FROM record"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            database.execute(statement)
    database.close()


def append_many(path, count, start):
    start.wait()  # everybody opens it at the same moment
    store = SqliteStore(path)
    for i in range(count):
        store.append(note(f"{os.getpid()}-{i}"), durable=i % 10 == 0)
    store.close()


def in_processes(path, count, each):
    """Let `count` new processes append `each` records at the same time."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(count)
    workers = [context.Process(target=append_many, args=(path, each, start)) for _ in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * count


def test_processes_that_open_a_new_ledger_at_once_begin_one_seal(tmp_path):
    in_processes(tmp_path / "l.db", 8, 5)
    report = verify(read_records(tmp_path / "l.db"), Evidence(seal=seal_of(tmp_path / "l.db")))
    assert (report.intact, report.trusted, report.sealed) == (True, 40, 40)


def test_processes_share_one_chain_and_one_seal(tmp_path):
    key = bytes(range(32))
    SqliteStore(tmp_path / "l.db", seal_key=key).close()
    in_processes(tmp_path / "l.db", 4, 50)
    report = verify(read_records(tmp_path / "l.db"), Evidence(seal=seal_of(tmp_path / "l.db"), key=key))
    assert (report.intact, report.trusted, report.sealed) == (True, 200, 200), report.finding


def test_a_forked_child_opens_the_ledger_for_itself(tmp_path):
    store = SqliteStore(tmp_path / "l.db")
    store.append(note("parent"))
    store._handle.mutex.acquire()  # another thread was writing when the fork came
    child = os.fork()
    if child == 0:
        try:
            store.append(note("child"))
        except BaseException:  # noqa: BLE001 - the child must not go on with the parent's tests
            os._exit(1)
        os._exit(0)
    store._handle.mutex.release()
    assert os.waitpid(child, 0)[1] == 0
    store.append(note("parent"))
    assert [record.content["text"] for record in store.scan()] == ["parent", "child", "parent"]
    assert verify(store.scan()).intact
    store.close()


FORKING = """
import os, sys, threading, time
from toolguard import Checkpoints, Guard
guard = Guard(pack="payments", ledger=sys.argv[1], durability="process", checkpoints=Checkpoints(every=20, seconds=0.2))
end = time.monotonic() + float(sys.argv[2])

def work():
    while time.monotonic() < end:
        guard.evaluate("issue_refund", {"amount": 1})

threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
forks = 0
while time.monotonic() < end:
    child = os.fork()
    if not child:
        os._exit(0 if guard.evaluate("issue_refund", {"amount": 2}).allowed else 9)
    patience = time.monotonic() + 5
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        assert time.monotonic() < patience, "a child hangs"
        time.sleep(0.001)
    assert ended[1] == 0
    forks += 1
for thread in threads:
    thread.join()
guard.close()
print(forks)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.deep)])
def test_a_child_does_not_hang_in_what_a_thread_of_its_parent_was_doing(tmp_path, seconds):
    """Before we saw to it, three of sixteen children hung inside SQLite for ever, with the ledger's lock in their hands."""
    command = [sys.executable, "-c", FORKING, str(tmp_path / "l.db"), str(seconds)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds + 60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
    assert verify(read_records(tmp_path / "l.db")).intact


ORPHANED = """
import os, signal, sys, time
from toolguard.stores.sqlite import SqliteStore
store = SqliteStore(sys.argv[1])
store._handle.lock.acquire()
if not os.fork():
    print("child", flush=True)
    os.close(1)
    time.sleep(30)
    os._exit(0)
time.sleep(0.2)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_does_not_keep_the_lock_that_its_parent_died_with(tmp_path):
    command = [sys.executable, "-c", ORPHANED, str(tmp_path / "l.db")]
    subprocess.run(command, check=False, stdout=subprocess.PIPE, timeout=20)
    store = SqliteStore(tmp_path / "l.db", timeout=1)
    assert store.append(note("a")).seq == 1
    store.close()


WRITER = """
import sys
from toolguard.audit.chain import link
from toolguard.stores.sqlite import SqliteStore
store = SqliteStore(sys.argv[1])
while True:
    print(store.append(lambda seq, last: link(seq, last, "note", 0, {})).seq, flush=True)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.deep)])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path, kills):
    path = tmp_path / "l.db"
    acknowledged = 0
    for wait in (0.02 + 0.1 * i / kills for i in range(kills)):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout.readline()
            time.sleep(wait)
            writer.send_signal(signal.SIGKILL)
            said = writer.stdout.read().split()
            acknowledged = int(said[-1]) if said else acknowledged
        report = verify(read_records(path))
        assert report.intact
        assert report.trusted >= acknowledged
    store = SqliteStore(path)
    assert store.append(note("after")).seq == report.trusted + 1
    store.close()


def test_a_lock_that_is_held_is_an_error_after_a_while(ledger):
    store = SqliteStore(ledger, timeout=0.05)
    holder = SqliteStore(ledger)
    with holder._handle.lock, pytest.raises(StoreError, match="locked by another process"):
        store.append(note("x"))
    assert store.append(note("x")).seq == 4
    store._handle.mutex.acquire()
    with pytest.raises(StoreError, match="held by another thread"):
        store.append(note("x"))
    store._handle.mutex.release()
    store.close()
    holder.close()


def test_a_lock_inside_sqlite_is_an_error_too(ledger):
    store = SqliteStore(ledger, timeout=0.05)
    other = sqlite3.connect(ledger, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.append(note("x"))
    other.execute("ROLLBACK")
    other.close()
    assert store.append(note("x")).seq == 4
    store.close()


def remove(path):
    path.unlink()


def replace_by_another(path):
    path.rename(path.with_name("old"))
    SqliteStore(path).close()


def remove_the_folder(path):
    for each in path.parent.iterdir():
        each.unlink()
    path.parent.rmdir()


@pytest.mark.parametrize(
    ("harm", "says"), [(remove, "is gone"), (replace_by_another, "was replaced"), (remove_the_folder, "is gone")]
)
def test_a_ledger_that_is_taken_away_while_open(tmp_path, harm, says):
    (tmp_path / "d").mkdir()
    store = SqliteStore(tmp_path / "d" / "l.db")
    store.append(note("a"))
    harm(store.path)
    with pytest.raises(StoreError, match=says):
        store.append(note("b"))
    store.close()


def test_a_trigger_that_swallows_records_is_noticed_while_running(tmp_path):
    store = SqliteStore(tmp_path / "l.db")
    store.append(note("a"))
    other = sqlite3.connect(store.path)
    other.execute("CREATE TRIGGER z BEFORE INSERT ON record BEGIN SELECT RAISE(IGNORE); END")
    other.close()
    with pytest.raises(StoreError, match="did not take the record"):
        store.append(note("b"))
    store.close()


def test_a_write_ahead_log_that_is_removed_is_noticed(tmp_path):
    store = SqliteStore(tmp_path / "l.db")
    store.append(note("a"))
    (tmp_path / "l.db-wal").unlink()
    with pytest.raises(StoreError, match="write-ahead log"):
        store.append(note("b"))
    store.close()


def test_a_child_whose_parent_closed_does_not_write_into_the_void(tmp_path):
    store = SqliteStore(tmp_path / "l.db")
    store.append(note("parent"))
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        store.append(note("child"))
        os.write(ready[1], b"1")
        os.read(go[0], 1)
        try:
            store.append(note("lost"))
        except StoreError:
            os._exit(7)
        os._exit(0)
    os.read(ready[0], 1)
    store.close()
    os.write(go[1], b"1")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    written = [record.content["text"] for record in read_records(tmp_path / "l.db")]
    assert (code, "lost" in written) in ((7, False), (0, True))


def full_disk(store):
    pages = store._handle.database.execute("PRAGMA page_count").fetchone()[0]
    store._handle.database.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_is_an_error_and_then_everything_goes_on(tmp_path):
    store = SqliteStore(tmp_path / "l.db")
    store.append(note("a"))
    full_disk(store)
    with pytest.raises(StoreError, match="full"):
        store.append(note("x" * 100_000))
    store._handle.database.execute("PRAGMA max_page_count = 1000000")
    assert store.append(note("b")).seq == 2
    assert verify(store.scan()).intact
    store.close()


OTHER_FILES = {
    "text": b"not a database " * 100,
    "half a header": b"SQLite format 3\0",
    "zeros": bytes(8192),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_another_file_is_not_taken_for_a_ledger(tmp_path, name):
    path = tmp_path / "l.db"
    path.write_bytes(OTHER_FILES[name])
    with pytest.raises(StoreError):
        SqliteStore(path)
    with pytest.raises(StoreError):
        list(read_records(path))
    assert path.read_bytes() == OTHER_FILES[name]


def test_another_database_is_not_taken_for_a_ledger(tmp_path):
    path = tmp_path / "l.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE record (seq, body, hash)")
    database.commit()
    database.close()
    before = path.read_bytes()
    for use in (SqliteStore, lambda p: list(read_records(p))):
        with pytest.raises(LedgerCorrupt, match="not a ledger"):
            use(path)
    assert path.read_bytes() == before


def test_places_where_no_ledger_can_be(tmp_path):
    for place in (tmp_path / "missing" / "l.db", tmp_path):
        with pytest.raises(StoreError):
            SqliteStore(place)
        with pytest.raises(StoreError, match="there is no ledger"):
            list(read_records(place))


def test_a_thread_that_waits_gets_its_turn(tmp_path):
    store = SqliteStore(tmp_path / "l.db")
    done = []
    with store._handle.mutex:
        thread = threading.Thread(target=lambda: done.append(store.append(note("x")).seq))
        thread.start()
        time.sleep(0.05)
        assert done == []
    thread.join(5)
    assert done == [1]
    store.close()


# -- groups ------------------------------------------------------------------------------------------------------------


class Slow:
    """A commit that keeps the records it was given, can be held up, and can fail."""

    def __init__(self):
        self.groups, self.free, self.begun, self.fails = [], threading.Event(), threading.Event(), None

    def __call__(self, entries):
        self.begun.set()
        assert self.free.wait(10)
        if self.fails:
            raise self.fails
        for entry in entries:
            entry.record = entry.build(0, b"")
        self.groups.append([entry.record for entry in entries])


def in_threads(work, items):
    with ThreadPoolExecutor(max(1, len(items))) as pool:
        return [future.exception() or future.result() for future in [pool.submit(work, item) for item in items]]


def test_those_who_come_while_a_commit_runs_share_the_next_one():
    commit = Slow()
    group = GroupCommit(commit, timeout=10)
    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(group.add, lambda *_: 0, durable=True)
        assert commit.begun.wait(10)
        others = [pool.submit(group.add, lambda *_, i=i: i, durable=True) for i in range(1, 20)]
        while len(group._waiting) < 19:
            time.sleep(0.001)
        commit.free.set()
        assert first.result() == 0
        assert [other.result() for other in others] == list(range(1, 20))
    assert [len(each) for each in commit.groups] == [1, 19]


def test_one_builds_failure_is_its_own(tmp_path):
    store = SqliteStore(tmp_path / "l.db")

    def add(i):
        return store.append(note(str(i)) if i % 3 else lambda *_: 1 / 0)

    found = in_threads(add, range(30))
    assert [type(each) is ZeroDivisionError for each in found] == [i % 3 == 0 for i in range(30)]
    assert verify(store.scan()).trusted == 20
    store.close()


def test_a_commit_that_fails_fails_for_all_of_its_group_and_not_for_the_next():
    commit = Slow()
    commit.fails = sqlite3.OperationalError("disk full")
    group = GroupCommit(commit, timeout=10)
    commit.free.set()
    failed = in_threads(lambda i: group.add(lambda *_: i, durable=True), range(1, 9))
    assert all(isinstance(each, (StoreError, sqlite3.OperationalError)) for each in failed)
    commit.fails = None
    assert group.add(lambda *_: 7, durable=True) == 7


def test_who_waits_too_long_gives_up_and_is_not_written():
    commit = Slow()
    group = GroupCommit(commit, timeout=0.05)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(group.add, lambda *_: 1, durable=True)
        assert commit.begun.wait(10)
        with pytest.raises(StoreError, match="not written in time"):
            group.add(lambda *_: 2, durable=True)
        commit.free.set()
        assert first.result() == 1
    assert group.add(lambda *_: 3, durable=True) == 3
    assert commit.groups == [[1], [3]]


def test_a_signal_handler_in_the_middle_of_a_commit_is_refused_and_does_not_wait_for_itself():
    group = GroupCommit(lambda entries: entries[0].build(0, b""), timeout=10)
    with pytest.raises(StoreError, match="by this very thread"):
        group.add(lambda *_: group.add(lambda *_: 1, durable=True), durable=True)


def test_signals_that_write_in_the_middle_of_anything_stop_nothing(tmp_path):
    store, acknowledged, refused = SqliteStore(tmp_path / "l.db"), [], []

    def handler(*_):
        try:
            acknowledged.append(store.append(note("from the handler")).seq)
        except StoreError as error:
            refused.append(str(error))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
    try:
        acknowledged += [store.append(note(str(i)), durable=False).seq for i in range(1500)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert refused or len(acknowledged) > 1500, "no signal came"
    assert sorted(acknowledged) == list(range(1, len(acknowledged) + 1))
    assert verify(store.scan()).trusted == len(acknowledged)
    store.close()


def test_more_than_one_group_can_hold(tmp_path, monkeypatch):
    monkeypatch.setattr("toolguard.stores.group.MAX_GROUP", 3)
    store = SqliteStore(tmp_path / "l.db")
    found = in_threads(lambda i: store.append(note(str(i))), range(40))
    assert sorted(record.seq for record in found) == list(range(1, 41))
    assert verify(store.scan()).trusted == 40
    store.close()


def test_after_a_failed_sync_nothing_is_acknowledged(tmp_path, monkeypatch):
    store = SqliteStore(tmp_path / "l.db")
    store.append(note("a"))

    def broken(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("toolguard.stores.handle.sync", broken)
    with pytest.raises(StoreError, match="Input/output error"):
        store.append(note("b"))
    monkeypatch.undo()
    with pytest.raises(StoreError, match="could not be brought to the disk"):
        store.append(note("c"))
    store.close()


# -- halts, for every store ----------------------------------------------------------------------------------------------


def test_halts_are_kept_by_scope_and_change_the_signal(store):
    seen = [store.signal()]
    assert store.halts() == {}
    for scope, body in (("global", b"1"), ("agent:x", b"2"), ("global", b"3")):
        record = store.set_halt(note(scope), scope, body)
        assert record.content["text"] == scope
        assert store.halts()[scope] == body
        seen.append(store.signal())
    assert store.halts() == {"global": b"3", "agent:x": b"2"}
    store.set_halt(note("lifted"), "global", None)
    assert store.halts() == {"agent:x": b"2"}
    seen.append(store.signal())
    assert len(set(seen)) == len(seen)
    assert not any(number & 1 for number in seen)
    with pytest.raises(StoreError, match="`global` is not halted"):
        store.set_halt(note("again"), "global", None)
    assert [record.content["text"] for record in store.scan()] == ["global", "agent:x", "global", "lifted"]
    assert verify(store.scan()).intact


def test_what_is_written_touches_the_store(store):
    before = store.touched()
    assert store.touched() == before
    store.append(note("something"))
    assert store.touched() != before


def test_a_halt_whose_record_cannot_be_built_is_none(store):
    with pytest.raises(ZeroDivisionError):
        store.set_halt(lambda *_: 1 // 0, "global", b"1")
    assert store.halts() == {}
    assert store.append(note("a")).seq == 1


def test_a_step_that_is_undone_leaves_nothing_to_be_sealed(tmp_path):
    store = SqliteStore(tmp_path / "l.db")
    store.append(note("a"))
    handle = store._handle
    real = handle._insert

    def broken(record):
        real(record)
        raise sqlite3.OperationalError("the power is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(handle), "_insert", lambda _, record: broken(record))
        with pytest.raises(StoreError, match="the power is gone"):
            store.set_halt(note("x"), "global", b"1")
    assert [seq for seq, _ in handle.recent if seq > 1] == []
    other = SqliteStore(tmp_path / "l.db")
    for text in "bc":
        store.append(note(text))
        other.append(note(text))
    other.close()
    store.close()
    report = verify(read_records(tmp_path / "l.db"), Evidence(seal=seal_of(tmp_path / "l.db")))
    assert (report.intact, report.sealed) == (True, 5)
