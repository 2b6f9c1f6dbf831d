"""Coroutines that decide: the loop goes on while their records are brought to the disk. And records that are written later."""

import asyncio
import os
import subprocess
import sys
import threading
import time

import pytest
from conftest import leaf, policy, rule

from toolguard import Guard, StoreError, ToolDenied, guarded, verify
from toolguard.audit import later
from toolguard.audit.later import Later
from toolguard.stores import handle
from toolguard.stores.file import read_records
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore

CAP = policy([rule(leaf("amount", "gt", 500))])
SLOW = 0.02  # seconds of a sync


@pytest.fixture
def slow_syncs(monkeypatch):
    quick = handle.sync

    def sync(descriptor):
        time.sleep(SLOW)
        quick(descriptor)

    monkeypatch.setattr(handle, "sync", sync)


async def ticking(done):
    """How often the loop came round while others waited."""
    ticks = 0
    while not done.is_set():
        await asyncio.sleep(0)
        ticks += 1
    return ticks


@pytest.mark.usefixtures("slow_syncs")
def test_the_loop_goes_on_and_many_share_a_sync(tmp_path, monkeypatch):
    syncs = []
    slow = handle.sync
    monkeypatch.setattr(handle, "sync", lambda descriptor: (syncs.append(descriptor), slow(descriptor)))

    async def main(guard):
        done = asyncio.Event()
        ticks = asyncio.create_task(ticking(done))
        decisions = await asyncio.gather(*(guard.evaluate_async("t", {"amount": n}) for n in range(400, 600)))
        done.set()
        return decisions, await ticks

    with Guard(CAP, ledger=tmp_path / "l.db") as guard:
        syncs.clear()
        decisions, ticks = asyncio.run(main(guard))
    assert [decision.allowed for decision in decisions] == [True] * 101 + [False] * 99
    assert len({decision.record.seq for decision in decisions}) == 200
    assert len(syncs) < 10
    assert ticks > 100
    assert verify(tmp_path / "l.db").intact


@pytest.mark.usefixtures("slow_syncs")
def test_guarded_coroutines_use_it(tmp_path, monkeypatch):
    monkeypatch.setattr(asyncio, "to_thread", None)  # a thread for each would be few at a time

    async def main(guard):
        @guarded(guard, tool="t")
        async def pay(amount):
            return amount

        done = asyncio.Event()
        ticks = asyncio.create_task(ticking(done))
        paid = await asyncio.gather(*(pay(amount=n) for n in range(490, 520)), return_exceptions=True)
        done.set()
        return paid, await ticks

    with Guard(CAP, ledger=tmp_path / "l.db") as guard:
        paid, ticks = asyncio.run(main(guard))
        kinds = [record.content["kind"] for record in guard.store.scan()]
    assert paid[:11] == list(range(490, 501))
    assert all(isinstance(each, ToolDenied) for each in paid[11:])
    assert (kinds.count("decision"), kinds.count("outcome")) == (30, 11)
    assert ticks > 100


@pytest.mark.usefixtures("slow_syncs")
def test_threads_and_coroutines_wait_for_one_another(tmp_path):
    with Guard(CAP, ledger=tmp_path / "l.db") as guard:

        async def many():
            for _ in range(10):
                await asyncio.gather(*(guard.evaluate_async("t", {"amount": n}) for n in range(5)))

        def work():
            for _ in range(10):
                assert guard.evaluate("t", {"amount": 1}).allowed

        threads = [threading.Thread(target=work) for _ in range(3)]
        threads += [threading.Thread(target=asyncio.run, args=(many(),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    report = verify(tmp_path / "l.db")
    assert report.intact
    assert report.trusted == 1 + 30 + 100 + 2


@pytest.mark.usefixtures("slow_syncs")
def test_a_coroutine_that_was_cancelled_holds_nobody_up(tmp_path):
    async def main(guard):
        task = asyncio.create_task(guard.evaluate_async("t", {"amount": 1}))
        await asyncio.sleep(SLOW / 4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await guard.evaluate_async("t", {"amount": 2})

    with Guard(CAP, ledger=tmp_path / "l.db") as guard:
        assert asyncio.run(main(guard)).allowed
    assert verify(tmp_path / "l.db").intact


@pytest.mark.usefixtures("slow_syncs")
def test_a_loop_that_was_closed_holds_nobody_up(tmp_path):
    with Guard(CAP, ledger=tmp_path / "l.db") as guard:
        loop = asyncio.new_event_loop()
        coroutine = guard.evaluate_async("t", {"amount": 1})
        task = loop.create_task(coroutine)
        loop.run_until_complete(asyncio.sleep(SLOW / 4))
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()
        assert guard.evaluate("t", {"amount": 2}).allowed


def test_a_ledger_that_cannot_be_written_denies_coroutines(tmp_path, monkeypatch):
    def broken(_):
        raise OSError(5, "Input/output error")

    with Guard(CAP, ledger=tmp_path / "l.db") as guard:
        monkeypatch.setattr(handle, "sync", broken)
        decision = asyncio.run(guard.evaluate_async("t", {"amount": 1}))
        assert (decision.allowed, decision.record) == (False, None)
        assert "could not be recorded" in decision.reason
        monkeypatch.undo()


def test_a_busy_ledger_denies_coroutines_in_time(tmp_path):
    store = SqliteStore(tmp_path / "l.db", timeout=0.1)
    with Guard(CAP, ledger=store) as guard:
        other = SqliteStore(tmp_path / "l.db")
        with other._handle.lock:
            decisions = asyncio.run(several(guard, 3))
        other.close()
        assert [decision.allowed for decision in decisions] == [False] * 3
        assert asyncio.run(guard.evaluate_async("t", {"amount": 1})).allowed


async def several(guard, count):
    return await asyncio.gather(*(guard.evaluate_async("t", {"amount": 1}) for _ in range(count)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_fork(tmp_path):
    with Guard(CAP, ledger=tmp_path / "l.db") as guard:
        asyncio.run(several(guard, 3))
        child = os.fork()
        if not child:
            status = 1
            try:
                status = 0 if all(decision.allowed for decision in asyncio.run(several(guard, 3))) else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        asyncio.run(several(guard, 3))
    report = verify(tmp_path / "l.db")
    assert (report.intact, report.trusted) == (True, 1 + 9 + 2)


def test_later_it_is_written_in_order_and_at_the_end(tmp_path):
    path = tmp_path / "l.db"
    with Guard(CAP, ledger=path, durability="async") as guard:
        pay = guarded(guard, tool="t")(lambda amount: amount)
        decisions = [guard.evaluate("t", {"amount": n}) for n in range(480, 520)]
        pay(1)
        asyncio.run(guard.evaluate_async("t", {"amount": 2}))
    assert [decision.record.seq for decision in decisions] == list(range(2, 42))
    contents = [record.content for record in read_records(path)]
    assert [content["kind"] for content in contents[41:]] == ["decision", "outcome", "decision", "stop", "checkpoint"]
    assert contents[42]["decision"] == 42
    assert contents[0]["durability"] == "async"


def test_later_a_record_that_cannot_be_written_stops_what_follows(tmp_path, monkeypatch):
    monkeypatch.setattr(later, "AGAIN", 0.01)
    store = MemoryStore()
    guard = Guard(CAP, ledger=store, durability="async")
    real, broken = store.append, threading.Event()
    broken.set()

    def append(build, *, durable=True):
        if broken.is_set():
            raise StoreError("the disk is full")
        return real(build, durable=durable)

    monkeypatch.setattr(store, "append", append)
    first = guard.evaluate("t", {"amount": 1})
    assert first.allowed, "nobody knows yet"
    wait_until(lambda: not guard.evaluate("t", {"amount": 1}).allowed)
    refused = guard.evaluate("t", {"amount": 1})
    assert "an earlier call could not be written: the disk is full" in refused.reason
    broken.clear()
    wait_until(lambda: guard.evaluate("t", {"amount": 1}).allowed)
    guard.close()
    assert first.record.seq == 2


def wait_until(holds):
    end = time.monotonic() + 10
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.005)
    assert held


def test_later_callers_wait_when_too_many_wait(monkeypatch):
    monkeypatch.setattr(later, "TIMEOUT", 0.05)
    go, store = threading.Event(), MemoryStore()
    real = store.append
    monkeypatch.setattr(store, "append", lambda build, *, durable: (go.wait(10), real(build, durable=durable))[1])
    queue, seen = Later(store, max_waiting=3), []
    build = __import__("toolguard.audit.chain", fromlist=["link"]).link
    for n in range(3):
        queue.add(lambda seq, last, n=n: build(seq, last, "note", n, {}), seen.append)
    with pytest.raises(StoreError, match="3 records wait to be written"):
        queue.add(lambda seq, last: build(seq, last, "note", 9, {}), seen.append)
    go.set()
    queue.close()
    assert [record.content["time"] for record in seen] == [0, 1, 2]
    with pytest.raises(StoreError, match="closed"):
        queue.add(lambda seq, last: build(seq, last, "note", 9, {}), seen.append)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_later_a_fork_does_not_write_what_its_parent_writes(tmp_path):
    with Guard(CAP, ledger=tmp_path / "l.db", durability="async") as guard:
        for n in range(50):
            guard.evaluate("t", {"amount": n})
        child = os.fork()
        if not child:
            guard.evaluate("t", {"amount": 1})
            guard.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    contents = [record.content for record in read_records(tmp_path / "l.db")]
    assert [content["kind"] for content in contents].count("decision") == 51
    assert verify(tmp_path / "l.db").intact


ENDS = """
import sys, os, signal
from toolguard import Guard
guard = Guard({"policy_id": "p", "scope": {"tool_names": ["t"]}, "rules": [
    {"rule_id": "r", "effect": "deny", "conditions": {"field": "amount", "operator": "gt", "value": 5}}]},
    ledger=sys.argv[1], durability=sys.argv[2])
for n in range(200):
    guard.evaluate("t", {"amount": n})
if sys.argv[3] == "interrupt":
    os.kill(os.getpid(), signal.SIGINT)
if sys.argv[3] == "exit":
    sys.exit(0)
if sys.argv[3] == "error":
    raise RuntimeError
"""


@pytest.mark.parametrize("durability", ["durable", "process", "async"])
@pytest.mark.parametrize("end", ["falls off", "exit", "error", "interrupt"])
def test_a_program_that_ends_without_closing_loses_nothing(tmp_path, durability, end):
    subprocess.run([sys.executable, "-c", ENDS, tmp_path / "l.db", durability, end], check=False, capture_output=True)
    report = verify(tmp_path / "l.db")
    assert report.intact
    contents = [record.content for record in read_records(tmp_path / "l.db")]
    assert [content["kind"] for content in contents].count("decision") == 200
    assert [content["kind"] for content in contents[-2:]] == ["stop", "checkpoint"]
