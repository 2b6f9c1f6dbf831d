"""Two processes on one ledger, a clock that jumps, kill -9 in the middle of calls; then a judge of its own reads the chain.

The judge knows the rules of approvals and nothing of the code: an allowed call above 200 has to have an approval behind it that
is on record, of somebody who may give it, for exactly that call, alive at that time, and not used up.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from toolguard import StoreError, verify
from toolguard.approvals.answer import Reply, answer, expire, withdraw
from toolguard.approvals.escalation import PREFIX, key_of, waiting
from toolguard.approvals.people import People, PeopleFile, Principal
from toolguard.audit.log import Log
from toolguard.audit.sign import Signer
from toolguard.stores.sqlite import SqliteStore

WORKER = Path(__file__).with_name("approvals_worker.py")
LEAD, KIM, SAM, EVE = (Signer(name, bytes([number]) * 32) for number, name in enumerate(("lead", "kim", "sam", "eve"), 1))
MINUTE = 60 * 10**9
TIMEOUT, CALLS, MINUTES = 30, 2, 60
POLICY = {
    "policy_id": "p",
    "scope": {"tool_names": ["pay"]},
    "rules": [
        {
            "rule_id": "ask",
            "effect": "escalate",
            "conditions": {"field": "amount", "operator": "gt", "value": 200},
            "effect_config": {
                "escalate_to": "supervisor",
                "timeout_minutes": TIMEOUT,
                "standing": {"calls": CALLS, "minutes": MINUTES},
            },
        },
        {"rule_id": "cap", "effect": "deny", "conditions": {"field": "amount", "operator": "gt", "value": 500}},
    ],
}
MAY = {"lead", "kim"}


class Processes(RuleBasedStateMachine):
    """What is done to them; the judge looks at the end."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.ledger, self.people = self.folder / "l.db", self.folder / "people.json"
        keys = {"lead": ["supervisor"], "kim": ["supervisor"], "sam": ["intern"]}
        signers = {"lead": LEAD, "kim": KIM, "sam": SAM}
        known = {name: Principal(name, roles=frozenset(roles), keys=(signers[name].verifier,)) for name, roles in keys.items()}
        PeopleFile(self.people).write(People(known))
        self.now = 1_700_000_000 * 10**9
        self.workers = [self.started(), self.started()]
        self.ran = []
        self.call(0, 1, "a")

    def started(self):
        words = [sys.executable, str(WORKER), str(self.ledger), str(self.people), json.dumps(POLICY)]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ended(self, which):
        one = self.workers[which]
        one.kill()
        one.wait()
        one.stdin.close()
        one.stdout.close()

    def ask(self, which, amount, agent):
        one = self.workers[which]
        one.stdin.write(json.dumps({"now": self.now, "amount": amount, "agent": agent}) + "\n")
        one.stdin.flush()
        self.now += 1

    @rule(which=st.integers(0, 1), amount=st.sampled_from([100, 300, 300, 400, 600]), agent=st.sampled_from("ab"))
    def call(self, which, amount, agent):
        self.ask(which, amount, agent)
        self.answer_of(which, amount)

    def answer_of(self, which, amount):
        said = json.loads(self.workers[which].stdout.readline())
        assert said["verdict"] in {100: ["allow"], 600: ["deny"], 1: ["allow"]}.get(amount, ["allow", "deny", "escalate"])
        if said["verdict"] == "allow" and amount > 200:
            self.ran.append(said["escalation"])

    @rule(which=st.integers(0, 1), agent=st.sampled_from("ab"), after=st.sampled_from([0, 0, 0.0005, 0.001, 0.003]))
    def killed_in_the_middle(self, which, agent, after):
        self.ask(which, 300, agent)
        time.sleep(after)
        self.ended(which)
        self.workers[which] = self.started()

    @rule(
        which=st.integers(0, 1),
        who=st.sampled_from([LEAD, KIM, SAM]),
        several=st.booleans(),
        minutes=st.sampled_from([0, 29, 45]),
    )
    def asked_approved_and_called(self, which, who, several, minutes):
        self.call(which, 300, "a")
        for pick in range(4):
            self.answered(pick, who, "own", True, several)
        self.later(minutes)
        self.both_at_once(1 - which)

    @rule(which=st.integers(0, 1))
    def both_at_once(self, which):
        for each in (which, 1 - which):
            self.ask(each, 300, "a")
        for each in (which, 1 - which):
            self.answer_of(each, 300)

    def with_log(self, act):
        store = SqliteStore(self.ledger)
        try:
            found = waiting(store.state(PREFIX), 0)
            return act(Log(store, lambda: self.now, {}), found) if found else None
        except StoreError:
            return None
        finally:
            store.close()

    @rule(
        pick=st.integers(0, 5),
        who=st.sampled_from([LEAD, LEAD, KIM, SAM, EVE]),
        by=st.sampled_from(["own", "own", "own", "lead"]),
        granted=st.sampled_from([True, True, False]),
        several=st.booleans(),
    )
    def answered(self, pick, who, by, granted, several):
        how = {"calls": CALLS, "minutes": MINUTES} if several and granted else {}
        reply = Reply(granted, who.name if by == "own" else by, **how)
        self.with_log(lambda log, found: answer(log, found[pick % len(found)].key, who, reply))
        self.now += 1

    @rule(pick=st.integers(0, 5), late=st.booleans())
    def over(self, pick, late):
        key = lambda found: key_of(found[pick % len(found)].id)  # noqa: E731
        self.with_log(lambda log, found: expire(log, key(found)) if late else withdraw(log, key(found), "ops", "x"))
        self.now += 1

    @rule(minutes=st.sampled_from([1, 10, 29, 30, 31, 61]))
    def later(self, minutes):
        self.now += minutes * MINUTE

    def teardown(self):
        if not hasattr(self, "workers"):
            return
        for which in (0, 1):
            self.ended(which)
        try:
            store = SqliteStore(self.ledger)
            allowed = judge([record.content for record in store.scan()])
            store.close()
            assert not [one for one in set(self.ran) if self.ran.count(one) > allowed.count(one)], "more ran than is on record"
            assert verify(self.ledger).intact
        finally:
            shutil.rmtree(self.folder)


def judge(records):
    """The ids of the allowed calls above 200 in these records, in order, each of which has a right to it."""
    asked, approvals, allowed = {}, {}, []
    for one in records:
        name, time_ = one.get("escalation"), one["time"]
        is_allow = one["kind"] == "decision" and one["verdict"] == "allow"
        if one["kind"] == "decision" and one["verdict"] == "escalate":
            question = asked.get(name)
            if question is None or question["over"] or time_ >= question["since"] + TIMEOUT * MINUTE:
                asked[name] = {"since": time_, "over": False, "about": about(one)}
                approvals.pop(name, None)
        elif one["kind"] == "answer" and one["granted"]:
            assert not asked[name]["over"]
            assert time_ < asked[name]["since"] + TIMEOUT * MINUTE, "answered too late"
            approvals[name] = {**one, "left": one.get("calls", 1)}
        elif one["kind"] == "withdrawal":
            approvals.pop(name, None)
            asked[name]["over"] = True
        elif is_allow and name is not None:
            approval, question = approvals[name], asked[name]
            assert approval["by"] in MAY, "nobody who may answer has approved"
            several = approval.get("calls", 1) > 1
            end = approval["time"] + MINUTES * MINUTE if several else question["since"] + TIMEOUT * MINUTE
            assert time_ < end, "the approval was over"
            assert approval["left"] > 0, "it was used up"
            approval["left"] -= 1
            question["over"] = approval["left"] == 0
            assert about(one) == question["about"]
            allowed.append(name)
    return allowed


def about(one):
    return [one["call"][key] for key in ("agent_id", "session_id", "tool")]


@pytest.mark.parametrize("examples", [20, pytest.param(150, marks=pytest.mark.deep)])
def test_no_call_runs_without_an_approval_that_is_alive_and_unused(examples):
    run_state_machine_as_test(
        Processes, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None, database=None)
    )
