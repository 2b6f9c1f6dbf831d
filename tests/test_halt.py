"""The halt: a latch that every process sees in its next call and that only a person lifts."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from conftest import leaf, policy, rule

from toolguard import Approval, Guard, LedgerCorrupt, StoreError, ToolDenied, ToolHalted, guarded, verify
from toolguard.audit.archive import archive
from toolguard.audit.chain import link
from toolguard.cli import main
from toolguard.halt import Halt, check_scope, ordered
from toolguard.stores.file import read_records
from toolguard.stores.signal import SIZE
from toolguard.stores.sqlite import SqliteStore

CAP = policy([rule(leaf("amount", "gt", 500), rule_id="cap")])
CALLER = {"agent_id": "bot", "session_id": "s-1", "org_id": "acme"}


def verdict(guard, amount=1, tool="t", **caller):
    return guard.evaluate(tool, {"amount": amount}, **(CALLER | caller)).verdict.word


@pytest.fixture
def running(tmp_path):
    with Guard(CAP, ledger=tmp_path / "l.db") as guard:
        yield guard


LEVELS = {"warn": "flag", "throttle": "flag", "quarantine": "escalate", "block": "deny", "halt": "deny"}
COVERED = {
    "global": [{}],
    "org:acme": [{}],
    "agent:bot": [{}],
    "session:s-1": [{}],
    "tool:T": [{}],
    "org:other": [],
    "agent:Bot": [],
    "agent:other": [],
    "session:s-2": [],
    "tool:u": [],
}


@pytest.mark.parametrize("scope", COVERED)
@pytest.mark.parametrize(("level", "expected"), LEVELS.items())
def test_what_a_halt_covers(running, scope, level, expected):
    assert verdict(running) == "allow"
    running.halt(scope, reason="an incident", by="ops", level=level)
    assert verdict(running) == (expected if COVERED[scope] else "allow")
    assert verdict(running, 900) == "deny"
    running.resume(scope, reason="it is over", by="ops")
    assert verdict(running) == "allow"


def test_it_says_why_and_is_on_record(running):
    running.halt("agent:bot", reason="it deletes things", by="ops")
    decision = running.evaluate("t", {"amount": 1}, **CALLER)
    assert (decision.reason, decision.halted, decision.allowed) == ("agent `bot` is halted: it deletes things", True, False)
    assert "ops" not in decision.message_for_model()
    running.resume("agent:bot", reason="fixed", by="lead")
    kinds = [(record.content["kind"], record.content.get("scope")) for record in running.store.scan()]
    assert kinds == [("start", None), ("halt", "agent:bot"), ("decision", None), ("resume", "agent:bot")]
    halted = next(record.content for record in running.store.scan() if record.content["kind"] == "halt")
    assert (halted["reason"], halted["by"], halted["level"]) == ("it deletes things", "ops", "halt")


def test_the_most_restrictive_one_counts_and_each_is_lifted_by_itself(running):
    running.halt("agent:bot", reason="one", by="ops", level="warn")
    running.halt("tool:t", reason="two", by="ops", level="block")
    running.halt("org:acme", reason="three", by="ops", level="quarantine")
    assert [halt.scope for halt in running.halts()] == ["tool:t", "org:acme", "agent:bot"]
    assert verdict(running) == "deny"
    running.resume("tool:t", reason="x", by="ops")
    assert verdict(running) == "escalate"
    running.resume("org:acme", reason="x", by="ops")
    assert verdict(running) == "flag"
    with pytest.raises(StoreError, match="`org:acme` is not halted"):
        running.resume("org:acme", reason="x", by="ops")
    assert verdict(running) == "flag"


def test_a_rule_that_is_as_strict_keeps_its_word(running):
    running.halt("tool:t", reason="x", by="ops", level="warn")
    assert running.evaluate("t", {"amount": 900}).primary.rule_id == "cap"


@pytest.mark.parametrize("scope", ["", "agent", "agent:", "agent: bot", "robot:x", "global:x", "tool:x "])
def test_scopes_that_are_none(running, scope):
    with pytest.raises(ValueError, match="nothing that can be halted"):
        running.halt(scope, reason="x", by="ops")
    assert check_scope("tool:a:b") == "tool:a:b"


def test_levels_that_are_none(running):
    with pytest.raises(ValueError, match="there is no level `stop`"):
        running.halt(reason="x", by="ops", level="stop")


def test_guarded_tools_do_not_run(running):
    ran = []

    @guarded(running, tool="t")
    def pay(amount):
        ran.append(amount)

    @guarded(running, tool="t")
    async def pay_later(amount):
        ran.append(amount)

    running.halt(reason="an incident", by="ops")
    with pytest.raises(ToolHalted, match="everything is halted: an incident"):
        pay(1)
    with pytest.raises(ToolHalted):
        asyncio.run(pay_later(1))
    assert ran == []
    assert issubclass(ToolHalted, ToolDenied)


def test_an_approval_does_not_outlive_a_halt(tmp_path):
    policies = policy([rule(leaf("amount", "gt", 200), "escalate")])

    def approve(_):
        guard.halt(reason="while a person was thinking", by="ops")
        return Approval(granted=True, by="lead")

    with Guard(policies, ledger=tmp_path / "l.db", approver=approve) as guard:
        pay = guarded(guard, tool="t")(lambda amount: amount)
        with pytest.raises(ToolHalted, match="while a person was thinking"):
            pay(300)


def test_it_survives_a_restart_and_kill_9(tmp_path):
    path = tmp_path / "l.db"
    code = f"""
from toolguard import Guard
import os
guard = Guard(pack="payments", ledger={str(path)!r})
guard.halt("agent:bot", reason="x", by="ops")
os.kill(os.getpid(), {int(signal.SIGKILL)})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    for _ in range(2):
        with Guard(CAP, ledger=path) as guard:
            assert verdict(guard) == "deny"
            assert verdict(guard, agent_id="other") == "allow"
    assert verify(path).intact


def test_another_process_sees_it_in_its_next_call(tmp_path):
    path = tmp_path / "l.db"
    code = """
import sys, time
from toolguard import Guard
guard = Guard({"policy_id": "p", "scope": {"tool_names": ["t"]}, "rules": [
    {"rule_id": "r", "effect": "deny", "conditions": {"field": "amount", "operator": "gt", "value": 5}}]}, ledger=sys.argv[1])
while guard.evaluate("t", {"amount": 1}).allowed:
    print(time.monotonic(), flush=True)
print("halted", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        with Guard(CAP, ledger=path) as guard:
            guard.halt(reason="x", by="ops")
            halted = time.monotonic()
        said = other.stdout.read().split()
    assert said[-1] == "halted"
    begun_later = [float(each) for each in said[:-1] if float(each) > halted]
    assert len(begun_later) <= 1, "only a call that was being recorded while it was halted"


def test_a_process_that_dies_while_it_halts_leaves_nobody_behind(tmp_path, monkeypatch):
    path = tmp_path / "l.db"
    with Guard(CAP, ledger=path) as guard:
        assert verdict(guard) == "allow"
        guard.store._signal.changing()  # and here it died
        assert guard.store.signal() % 2 == 1
        assert verdict(guard) == "allow"
        other = SqliteStore(path)
        assert guard.store.signal() % 2 == 0
        other.set_halt(halted_by_hand, "global", Halt("global", "x", "ops", 1).to_bytes())
        assert verdict(guard) == "deny"
        other.close()


def halted_by_hand(seq, last):
    return link(seq, last, "halt", 2**62, {})


def test_a_halt_that_cannot_be_recorded_is_none_and_says_so(running, monkeypatch):
    monkeypatch.setattr("toolguard.stores.handle.sync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(StoreError, match="Input/output error"):
        running.halt(reason="x", by="ops")
    monkeypatch.undo()


def removed(path):
    path.unlink()


def replaced(path):
    path.rename(path.with_name("old"))
    path.write_bytes(bytes(SIZE))


def cut(path):
    os.truncate(path, 100)


@pytest.mark.parametrize("harm", [removed, replaced])
def test_a_file_that_is_not_there_any_more_denies(running, tmp_path, harm):
    assert verdict(running) == "allow"
    harm(tmp_path / "l.db-halt")
    decision = running.evaluate("t", {"amount": 1})
    assert (decision.allowed, decision.record) == (False, None)
    assert "is gone, replaced or cut short" in decision.reason


def test_a_file_that_was_cut_short_never_allows(tmp_path):
    """The map of a file that was cut short cannot be looked at: the process ends, or its calls are denied."""
    code = """
import os, sys
from toolguard import Guard
guard = Guard(pack="payments", ledger=sys.argv[1])
os.truncate(sys.argv[1] + "-halt", 100)
sys.exit(0 if guard.evaluate("issue_refund", {"amount": 1}).allowed else 3)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "l.db")], check=False, capture_output=True)
    assert done.returncode in (3, -signal.SIGBUS)


def test_another_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "l.db-halt").write_bytes(b"x" * SIZE)
    with pytest.raises(StoreError, match="does not say whether anything is halted"):
        Guard(CAP, ledger=tmp_path / "l.db")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"reason":"x","by":"y","time":1,"level":"z"}'])
def test_a_halt_that_cannot_be_read_denies(running, body):
    with pytest.raises(LedgerCorrupt, match="cannot be read"):
        ordered({"global": body})
    running.store.set_halt(halted_by_hand, "global", body)
    assert verdict(running) == "deny"


def test_from_the_command_line(tmp_path, capsys):
    path = str(tmp_path / "l.db")
    with Guard(CAP, ledger=path) as guard:
        assert main(["status", path]) == 0
        assert "nothing is halted" in capsys.readouterr().out
        words = ["--by", "ops", "--reason", "an incident"]
        assert main(["halt", path, "--scope", "agent:bot", *words]) == 0
        assert "halt: agent:bot; that is record 2" in capsys.readouterr().out
        assert verdict(guard) == "deny"
        assert main(["status", path]) == 3
        assert "by ops: an incident" in capsys.readouterr().out
        assert main(["status", path, "--json"]) == 3
        assert json.loads(capsys.readouterr().out)["halts"][0]["scope"] == "agent:bot"
        assert main(["resume", path, *words]) == 1
        assert "`global` is not halted" in capsys.readouterr().err
        assert main(["resume", path, "--scope", "agent:bot", *words]) == 0
        assert verdict(guard) == "allow"
        assert main(["halt", path, "--scope", "robot:x", *words]) == 2
        assert main(["halt", path + "x", *words]) == 2
    kinds = [record.content["kind"] for record in read_records(tmp_path / "l.db")]
    assert kinds == ["start", "halt", "decision", "resume", "decision", "stop", "checkpoint"]


def test_a_halt_that_was_lifted_without_a_record_shows(tmp_path):
    path = tmp_path / "l.db"
    with Guard(CAP, ledger=path) as guard:
        guard.halt("agent:bot", reason="x", by="ops")
        guard.halt("tool:t", reason="x", by="ops")
        guard.resume("tool:t", reason="x", by="ops")
        assert verify(path).halted == ("agent:bot",)
    assert verify(path).intact
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("DELETE FROM halt")
    database.close()
    report = verify(path)
    assert (report.intact, report.finding.kind) == (False, "altered")
    assert "not what its records say: `agent:bot`" in report.finding.message


def test_a_halt_outlives_an_archive_of_its_record(tmp_path):
    path = tmp_path / "l.db"
    with Guard(CAP, ledger=path) as guard:
        guard.halt("agent:bot", reason="x", by="ops")
    store = SqliteStore(path)
    archive(store, tmp_path / "a.jsonl", time.time_ns, "ops", "x")
    store.close()
    assert verify(path).halted == ("agent:bot",)
    assert verify(path, archives=[tmp_path / "a.jsonl"]).intact
    with Guard(CAP, ledger=path) as guard:
        assert verdict(guard) == "deny"
        guard.resume("agent:bot", reason="x", by="ops")
    assert verify(path).halted == ()
    assert verify(path).intact


def test_a_halt_that_comes_while_the_decision_is_recorded_counts(tmp_path, monkeypatch):
    with Guard(CAP, ledger=tmp_path / "l.db") as guard:
        real, ran = guard._log.decision, []

        def slow(decision):
            real(decision)
            if decision.allowed:
                monkeypatch.undo()
                guard.halt(reason="just now", by="ops")

        monkeypatch.setattr(guard._log, "decision", slow)
        decision = guard.evaluate("t", {"amount": 1})
        assert (decision.allowed, decision.halted, decision.reason) == (False, True, "everything is halted: just now")
        guard.resume(reason="x", by="ops")
        verdicts = [record.content.get("verdict") for record in guard.store.scan() if record.content["kind"] == "decision"]
        assert verdicts == ["allow", "deny"]
        assert guard.store.scan(decision.record.seq - 1).__next__().content["verdict"] == "deny"
        monkeypatch.setattr(guard._log, "decision", slow)
        with pytest.raises(ToolHalted, match="just now"):
            guarded(guard, tool="t")(plain(ran))(1)
        assert ran == []


def test_the_same_for_coroutines(tmp_path, monkeypatch):
    with Guard(CAP, ledger=tmp_path / "l.db") as guard:
        real, ran = guard._log.decision_async, []

        async def slow(decision):
            await real(decision)
            if decision.allowed:
                monkeypatch.undo()
                guard.halt(reason="just now", by="ops")

        @guarded(guard, tool="t")
        async def pay(amount):
            ran.append(amount)

        monkeypatch.setattr(guard._log, "decision_async", slow)
        with pytest.raises(ToolHalted, match="just now"):
            asyncio.run(pay(1))
        assert ran == []


def test_a_halt_between_the_decision_and_the_tool_stops_the_tool(tmp_path, monkeypatch):
    with Guard(CAP, ledger=tmp_path / "l.db") as guard:
        real, ran = guard.running, []

        def late(decision):
            guard.halt(reason="at the last moment", by="ops")
            return real(decision)

        monkeypatch.setattr(guard, "running", late)
        for function in (plain(ran), generator(ran), coroutine(ran), stream(ran)):
            with pytest.raises(ToolHalted, match="at the last moment"):
                run(guarded(guard, tool="t")(function)(1))
            guard.resume(reason="x", by="ops")
        assert ran == []
        outcomes = [record.content["outcome"] for record in guard.store.scan() if record.content["kind"] == "outcome"]
        assert outcomes == ["halted"] * 4


def plain(ran):
    def number(amount):
        ran.append(amount)

    return number


def generator(ran):
    def numbers(amount):
        ran.append(amount)
        yield amount

    return numbers


def coroutine(ran):
    async def number(amount):
        ran.append(amount)

    return number


def stream(ran):
    async def numbers(amount):
        ran.append(amount)
        yield amount

    return numbers


def run(made):
    if hasattr(made, "__anext__"):

        async def first():
            await anext(made)

        asyncio.run(first())
    elif hasattr(made, "__await__"):

        async def waited():
            await made

        asyncio.run(waited())
    elif made is not None:
        next(made)
