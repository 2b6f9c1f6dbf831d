"""What every adapter has to keep, whatever the framework: one table of tests, run against the real one.

A file for a framework derives from `Contract` and says in `talk` how a conversation goes there.
"""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from toolguard import Guard, guarded
from toolguard.cli import main

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "frameworks"

POLICY = """
policy_id: refunds
scope: {tool_names: [issue_refund]}
limits:
  - {limit_id: per-day, max: 100, window: 1d, effect: deny}
rules:
  - rule_id: hard-cap
    name: Refund above the cap
    conditions: {field: amount, operator: gt, value: 500}
    effect: deny
    effect_config: {suggested_response: Offer a voucher.}
    citation: {document_id: sop, document_title: Refund SOP, section: "2.3", excerpt: No refund above 500.}
  - rule_id: manager
    conditions: {field: amount, operator: gt, value: 200}
    effect: escalate
    effect_config: {escalate_to: manager}
"""


CONTENT = """
policy_id: content
scope: {tool_names: [issue_refund]}
patterns:
  masked: 'refunded 42(\\.0)?'
  forbidden: 'refunded 43'
facts:
  named: {sensitive: result, kinds: masked}
  secret: {sensitive: result, kinds: forbidden}
rules:
  - {rule_id: withheld, phase: result, conditions: {field: secret.found, operator: eq, value: true}, effect: deny}
  - rule_id: masked
    phase: result
    conditions: {field: named.found, operator: eq, value: true}
    effect: flag
    redact: [{facts: named}]
  - rule_id: not-44
    conditions: {field: amount, operator: eq, value: 44}
    effect: flag
    redact: [{field: parameters.amount}]
"""


@dataclass
class Talk:
    """What came of a conversation: the amounts that were refunded, and what the model read of each call by its id."""

    ran: list = field(default_factory=list)
    told: dict = field(default_factory=dict)
    failed: set = field(default_factory=set)
    questions: list = field(default_factory=list)
    ran_before_the_answer: list = field(default_factory=list)
    final: str = ""


def call(number, amount, tool="issue_refund"):
    return {"id": f"c{number}", "name": tool, "args": {"amount": amount}}


def records(guard, kind):
    return [each for each in guard.store.scan() if each.content["kind"] == kind]


class Broken:
    """A guard that fails whatever it is asked."""

    def __getattr__(self, name):
        raise RuntimeError("the guard is broken")


class Contract:
    modes = ("sync", "async", "stream")
    denies_as_error = True
    pauses = True
    tells_who_answered = True
    is_adapter = True
    runs_the_tool = True  # the adapter, so that a ticket can be in force
    example = ""  # of examples/frameworks
    rewrites = True  # whether there is a layer that can change the arguments behind the adapter

    def talk(self, guard, turns, *, answers=(), mode="sync", rewrite=None, decorate=None, **options):
        """Run a conversation: `turns` are lists of calls, then the model says `done`. `answers`: to what is asked."""
        raise NotImplementedError

    @pytest.fixture
    def guard(self, tmp_path):
        with Guard(POLICY, ledger=tmp_path / "ledger.db") as made:
            yield made

    @pytest.fixture(params=("sync", "async", "stream"))
    def mode(self, request):
        if request.param not in self.modes:
            pytest.skip(f"there is no {request.param} here")
        return request.param

    def test_an_allowed_call_runs_and_is_recorded_once(self, guard, mode):
        talk = self.talk(guard, [[call(1, 100.0)]], mode=mode)
        assert talk.ran == [100.0]
        assert talk.told == {"c1": "refunded 100.0"}
        assert talk.final == "done"
        assert len(records(guard, "decision")) == len(records(guard, "outcome")) == 1

    def test_a_denied_call_is_told_so_and_the_conversation_goes_on(self, guard, mode):
        talk = self.talk(guard, [[call(1, 1000.0)], [call(2, 100.0)]], mode=mode)
        assert talk.ran == [100.0]
        for part in ("was not carried out", "hard-cap", "Refund SOP §2.3", "No refund above 500.", "Offer a voucher.", "final"):
            assert part in talk.told["c1"]
        assert ("c1" in talk.failed) == self.denies_as_error
        assert talk.final == "done"

    def test_calls_side_by_side_are_judged_one_by_one(self, guard, mode):
        talk = self.talk(guard, [[call(1, 1000.0), call(2, 50.0), call(3, 60.0)]], mode=mode)
        assert sorted(talk.ran) == [50.0, 60.0]
        assert "hard-cap" in talk.told["c1"]
        assert len(records(guard, "decision")) == 3

    def test_an_approved_call_runs_once_and_is_judged_once(self, guard, mode):
        if not self.pauses:
            pytest.skip("the framework has no pause")
        talk = self.talk(guard, [[call(1, 300.0), call(2, 10.0)]], answers=[(True, "bob")], mode=mode)
        assert 300.0 not in talk.ran_before_the_answer
        assert sorted(talk.ran) == [10.0, 300.0]
        (question,) = talk.questions
        assert question["params"] == {"amount": 300.0}
        assert "manager" in question["reason"]
        assert len(records(guard, "decision")) == 2
        (approval,) = records(guard, "approval")
        assert (b'"bob"' in approval.body) == self.tells_who_answered

    def test_a_refused_call_does_not_run(self, guard, mode):
        if not self.pauses:
            pytest.skip("the framework has no pause")
        talk = self.talk(guard, [[call(1, 300.0)]], answers=[(False, "bob")], mode=mode)
        assert talk.ran == []
        assert "was not carried out" in talk.told["c1"]
        assert talk.final == "done"

    def test_an_approver_is_asked_where_the_call_waits(self, tmp_path):
        asked = []

        def approver(decision):
            asked.append(decision.call.params["amount"])
            return True

        with Guard(POLICY, ledger=tmp_path / "l.db", approver=approver) as guard:
            talk = self.talk(guard, [[call(1, 300.0)]], wait=True)
        assert (talk.ran, asked) == ([300.0], [300.0])

    def test_what_another_layer_makes_of_the_arguments_is_judged(self, guard, mode):
        if not self.rewrites:
            pytest.skip("nothing can change the arguments here")
        talk = self.talk(guard, [[call(1, 10.0)]], mode=mode, rewrite={"amount": 1000.0})
        assert talk.ran == []
        assert "hard-cap" in talk.told["c1"]

    def test_a_guard_that_fails_denies_and_the_conversation_goes_on(self, mode):
        talk = self.talk(Broken(), [[call(1, 100.0)]], mode=mode)
        assert talk.ran == []
        assert "the guard failed" in talk.told["c1"]
        assert talk.final == "done"

    def test_an_unknown_tool_is_denied(self, guard, mode):
        talk = self.talk(guard, [[call(1, 1.0, tool="drop_everything")]], mode=mode)
        assert talk.ran == []
        assert talk.final == "done"

    def test_a_guarded_function_inside_goes_on_with_the_decision(self, guard, mode):
        if not (self.is_adapter and self.runs_the_tool):
            pytest.skip("no adapter stands around the function")
        talk = self.talk(guard, [[call(1, 100.0)]], mode=mode, decorate=guarded(guard, tool="issue_refund"))
        assert talk.ran == [100.0]
        assert len(records(guard, "decision")) == len(records(guard, "outcome")) == 1

    def test_the_same_denied_call_again_and_again_puts_the_session_under_quarantine(self, guard):
        if not self.is_adapter:
            pytest.skip("no adapter stands around the function")
        turns = [[call(number, 1000.0)] for number in range(3)] + [[call(9, 10.0)]]
        talk = self.talk(guard, turns, quarantine_after=3, wait=True)
        assert "denied 3 times" in talk.told["c2"]
        assert talk.ran == []
        assert "quarantine" in guard.halts()[0].level

    def test_a_halted_session_runs_nothing(self, guard, mode):
        guard.halt("tool:issue_refund", reason="stop", by="ops")
        talk = self.talk(guard, [[call(1, 10.0)]], mode=mode)
        assert talk.ran == []
        assert "stop" in talk.told["c1"]

    def test_a_failing_tool_is_recorded_as_failed(self, guard):
        self.talk(guard, [[call(1, 13.0)]])
        (outcome,) = records(guard, "outcome")
        assert b'"raised"' in outcome.body

    def test_a_result_reaches_the_model_as_it_may_be_seen(self, tmp_path, mode):
        with Guard([POLICY, CONTENT], ledger=tmp_path / "l.db") as guard:
            talk = self.talk(guard, [[call(1, 42.0)], [call(2, 43.0)], [call(3, 10.0)]], mode=mode)
            assert talk.ran == [42.0, 43.0, 10.0]
            assert "refunded 42" not in talk.told["c1"]
            assert "[redacted masked]" in talk.told["c1"]
            assert "refunded 43" not in talk.told["c2"]
            assert "What came back of `issue_refund` is withheld" in talk.told["c2"]
            assert "refunded 10" in talk.told["c3"]
            assert talk.final == "done"
            assert len(records(guard, "result")) == 2

    def test_a_tool_never_gets_what_has_to_be_removed(self, tmp_path, mode):
        """It runs without it or, where the framework does not let that happen, not at all."""
        with Guard([POLICY, CONTENT], ledger=tmp_path / "l.db") as guard:
            talk = self.talk(guard, [[call(1, 44.0)], [call(2, 10.0)]], mode=mode)
        assert 44.0 not in talk.ran
        assert 10.0 in talk.ran
        assert talk.final == "done"

    def test_the_example_runs(self, tmp_path):
        """Without network or key; what the model reads is printed."""
        command = [sys.executable, str(EXAMPLES / self.example)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        first, second = done.stdout.splitlines()
        assert first == "issue_refund(120.0): refunded 120.0"
        assert "Refund SOP §2.3" in second
        assert main(["verify", str(tmp_path / "refunds.db")]) == 0
