"""What can happen to the disk and the machine under a running guard: a denial that says why, never a silent gap."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from conftest import leaf, policy, rule

from toolguard import Guard, LedgerCorrupt, StoreError, verify
from toolguard.audit.capture import openings
from toolguard.stores import ballast
from toolguard.stores.file import read_records, seal_path
from toolguard.stores.sqlite import SqliteStore

CAP = policy([rule(leaf("amount", "gt", 500))])


@pytest.fixture
def small_disk(tmp_path):
    """A real disk of two megabytes, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2560k", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a disk takes a privileged user")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def filled(disk):
    """A file that takes what room there is."""
    descriptor = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)
    assert shutil.disk_usage(disk).free == 0
    return disk / "filler"


def test_a_full_disk_denies_says_so_on_record_and_then_everything_goes_on(small_disk):
    path = small_disk / "l.db"
    guard = Guard(CAP, ledger=path)
    allowed = [guard.evaluate("t", {"amount": 1}) for _ in range(5)]
    assert all(decision.allowed for decision in allowed)
    filler = filled(small_disk)
    decisions = []
    while not decisions or (decisions[-1].allowed and len(decisions) < 5000):
        decisions.append(guard.evaluate("t", {"amount": 1}))
    assert not decisions[-1].allowed
    assert "there is no room left" in decisions[-1].reason
    assert decisions[-1].record is not None, "there is room kept for it"
    for _ in range(20):
        decision = guard.evaluate("t", {"amount": 1})
        assert (decision.allowed, decision.reason) == (False, "the disk of the ledger is full")
        assert decision.record is not None
    acknowledged = decision.record.seq
    filler.unlink()
    assert guard.evaluate("t", {"amount": 1}).allowed
    assert (small_disk / "l.db-ballast").stat().st_size == ballast.SIZE
    guard.close()
    report = verify(path)
    assert report.intact
    assert report.trusted > acknowledged
    said = [record.content for record in read_records(path)]
    assert sum("no room left" in content.get("reason", "") for content in said) == 1
    assert sum(content.get("reason") == "the disk of the ledger is full" for content in said) == 20


def test_when_even_that_room_is_used_up_calls_are_still_denied(small_disk):
    guard = Guard(CAP, ledger=small_disk / "l.db")
    filler = filled(small_disk)
    decision = guard.evaluate("t", {"amount": 1})
    for _ in range(20_000):
        decision = guard.evaluate("t", {"amount": 1, "note": "x" * 2000})
        if decision.record is None:
            break
    assert (decision.allowed, decision.record) == (False, None)
    filler.unlink()
    assert guard.evaluate("t", {"amount": 1}).allowed
    guard.close()
    assert verify(small_disk / "l.db").intact


WORKER = """
import sys
from toolguard import Guard, guarded
guard = Guard({"policy_id": "p", "scope": {"tool_names": ["work"]}, "rules": [
    {"rule_id": "r", "effect": "deny", "conditions": {"field": "n", "operator": "lt", "value": 0}}]},
    ledger=sys.argv[1], capture="full", durability=sys.argv[2])

@guarded(guard)
def work(n):
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()

first = int(sys.argv[3])
for n in range(first, first + 1_000_000):
    work(n)
"""


@pytest.mark.parametrize("durability", ["durable", "process"])
@pytest.mark.parametrize("kills", [3, pytest.param(300, marks=pytest.mark.deep)])
def test_kill_9_leaves_no_tool_that_ran_without_a_record(tmp_path, kills, durability):
    path, done = tmp_path / "l.db", set()
    for number in range(kills):
        first = number * 1_000_000
        args = [sys.executable, "-c", WORKER, str(path), durability, str(first)]
        with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout.readline()
            done.add(first)
            time.sleep(0.003 * (number % 40))
            worker.send_signal(signal.SIGKILL)
            done.update(int(line) for line in worker.stdout.read().split())
    report = verify(path)
    assert report.intact, report.finding
    recorded = set()
    for record in read_records(path):
        if record.content["kind"] == "decision":
            recorded.add(int(openings(record.payload)["params.n"].text.removeprefix('["n",').removesuffix("]")))
    assert done <= recorded
    with Guard(CAP, ledger=path) as guard:
        assert guard.evaluate("t", {"amount": 1}).allowed


def test_a_log_that_was_deleted_after_a_crash_shows(tmp_path):
    path = tmp_path / "l.db"
    args = [sys.executable, "-c", WORKER, str(path), "durable", "0"]
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as worker:
        while int(worker.stdout.readline()) < 50:
            pass
        worker.send_signal(signal.SIGKILL)
    (tmp_path / "l.db-wal").unlink()
    assert verify(path).finding.kind == "truncated tail"
    with pytest.raises(LedgerCorrupt, match="was cut short"):
        Guard(CAP, ledger=path)


def test_without_its_log_and_its_seal_a_crashed_ledger_is_refused(tmp_path):
    path = tmp_path / "l.db"
    with Guard(CAP, ledger=path) as guard:
        guard.evaluate("t", {"amount": 1})
    seal_path(path).unlink()
    with pytest.raises(LedgerCorrupt, match="has to stay beside it"):
        Guard(CAP, ledger=path)


def cut_in_half(path):
    os.truncate(path, path.stat().st_size // 2)


def emptied(path):
    os.truncate(path, 0)


def written_over(path):
    path.write_bytes(os.urandom(path.stat().st_size))


def another_one(path):
    other = path.with_name("other.db")
    with Guard(CAP, ledger=other):
        pass
    shutil.copyfile(other, path)


@pytest.mark.parametrize("harm", [cut_in_half, emptied, written_over, another_one])
def test_a_file_that_is_written_to_by_others_while_open_is_found_at_the_latest_when_it_is_opened(tmp_path, harm):
    path = tmp_path / "l.db"
    guard = Guard(CAP, ledger=path)
    for amount in range(30):
        assert guard.evaluate("t", {"amount": amount}).allowed
    guard.store._handle.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    harm(path)
    decision = guard.evaluate("t", {"amount": 1})
    assert decision.allowed is (decision.record is not None)
    guard.close()
    with pytest.raises(StoreError):
        Guard(CAP, ledger=path)
    with pytest.raises(AssertionError):
        assert intact(path)


def intact(path):
    try:
        return verify(path).intact
    except StoreError:
        return False


def test_a_ledger_that_cannot_be_written(tmp_path):
    path = tmp_path / "l.db"
    with Guard(CAP, ledger=path) as guard:
        guard.evaluate("t", {"amount": 1})
        other = sqlite3.connect(path, isolation_level=None)
        guard.store.timeout = 0.05
        guard.store._handle.database.execute("PRAGMA busy_timeout = 50")
        other.execute("BEGIN EXCLUSIVE")
        decision = guard.evaluate("t", {"amount": 1})
        assert (decision.allowed, decision.record) == (False, None)
        other.execute("ROLLBACK")
        other.close()
        assert guard.evaluate("t", {"amount": 1}).allowed


@pytest.mark.skipif(os.geteuid() != 0, reason="only a privileged user can make a disk read-only")
def test_a_disk_that_becomes_read_only(small_disk):
    guard = Guard(CAP, ledger=small_disk / "l.db")
    assert guard.evaluate("t", {"amount": 1}).allowed
    guard.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError):
        Guard(CAP, ledger=small_disk / "l.db")
    assert verify(small_disk / "l.db").intact


def test_the_ballast_is_shared_and_made_again(tmp_path):
    first, second = SqliteStore(tmp_path / "l.db"), SqliteStore(tmp_path / "l.db")
    (tmp_path / "l.db-ballast").unlink()
    assert not first.short_of_room()
    first._full = True
    assert not first.short_of_room()
    assert (tmp_path / "l.db-ballast").stat().st_size == ballast.SIZE
    first.close()
    second.close()
