"""The gate that every adapter shares, and the tickets between it and guarded functions."""

import asyncio
import logging

import pytest
from contract import POLICY, Broken, records

from toolguard import ApprovalRefused, ApprovalUnavailable, Guard, MalformedCall, ToolDenied, guarded
from toolguard.adapters.gate import ASK, GO, NO, Gate, plain_values
from toolguard.adapters.loop import Tools
from toolguard.arguments import arguments_of
from toolguard.model import Approval

YES, NAY = Approval(granted=True, by="bob"), Approval(granted=False, by="bob")
WHO = {"session_id": "s", "call_id": "c"}


@pytest.fixture
def guard(tmp_path):
    with Guard(POLICY, ledger=tmp_path / "l.db") as made:
        yield made


def tool_of(guard, ran, **keys):
    @guarded(guard, tool="issue_refund", **keys)
    def issue_refund(amount, note=None):
        ran.append(amount)
        return amount

    return issue_refund


def test_a_ticket_is_for_one_call_of_exactly_these_arguments(guard):
    ran = []
    tool = tool_of(guard, ran)
    ruling = Gate(guard).ruling("issue_refund", {"amount": 1, "note": None})

    def twice():
        return tool(1) + tool(1)

    assert Gate(guard).run(ruling, twice) == 2
    assert len(records(guard, "decision")) == 2  # the ticket's, and that of the second call
    assert len(records(guard, "outcome")) == 2


@pytest.mark.parametrize(
    ("ruled", "called", "decisions"),
    [
        ({"amount": 1, "note": None}, {"amount": 1}, 1),
        ({"amount": 1}, {"amount": 1}, 2),
        ({"amount": 1.0, "note": None}, {"amount": 1}, 2),
        ({"amount": 1, "note": None}, {"amount": 2}, 2),
    ],
)
def test_for_other_arguments_a_decision_of_its_own_is_made(guard, ruled, called, decisions):
    gate, tool = Gate(guard), tool_of(guard, [])
    gate.run(gate.ruling("issue_refund", ruled), lambda: tool(**called))
    assert len(records(guard, "decision")) == decisions


def test_a_ticket_is_for_one_guard_tool_and_group(guard, tmp_path):
    gate = Gate(guard)
    ruling = gate.ruling("issue_refund", {"amount": 1, "note": None})
    gate.run(ruling, lambda: tool_of(guard, [], group="money")(1))
    assert len(records(guard, "decision")) == 2
    with Guard(POLICY, ledger=tmp_path / "other.db") as other:
        gate.run(ruling, lambda: tool_of(other, [])(1))
        assert len(records(other, "decision")) == 1


def test_what_the_function_inside_denies_is_denied(guard):
    gate, ran = Gate(guard), []
    with pytest.raises(ToolDenied, match="hard-cap"):
        gate.run(gate.ruling("issue_refund", {"amount": 1}), lambda: tool_of(guard, ran)(1000))
    assert ran == []


def test_a_call_that_waits_is_judged_once_and_answered_once(guard):
    gate = Gate(guard)
    asked = gate.ruling("issue_refund", {"amount": 300}, **WHO)
    assert asked.kind == ASK
    assert gate.ruling("issue_refund", {"amount": 300}, **WHO) is asked
    assert gate.ruling("issue_refund", {"amount": 301}, **WHO) is not asked
    assert gate.ruling("issue_refund", {"amount": 300}, session_id="s", call_id="other") is not asked
    assert gate.answered(asked, YES).kind == GO
    assert gate.ruling("issue_refund", {"amount": 300}, **WHO) is not asked
    assert len(records(guard, "approval")) == 1


@pytest.mark.parametrize(
    "other", [{"session_id": "t"}, {"agent_id": "b"}, {"org_id": "o"}, {"context": {"subject": "eve"}}, {"group": "g"}]
)
def test_a_call_of_the_same_id_by_somebody_else_is_judged(guard, other):
    gate = Gate(guard)
    asked = gate.ruling("issue_refund", {"amount": 300}, **WHO)
    elses = gate.ruling("issue_refund", {"amount": 300}, **{**WHO, **other})
    assert elses is not asked
    assert elses.question["id"] != asked.question["id"]
    with guard.acting_as(org_id="another"):
        assert gate.ruling("issue_refund", {"amount": 300}, **WHO) is not asked


def test_what_is_changed_while_it_is_judged_is_not_what_runs(guard):
    ran, given = [], {"amount": 1, "lines": [1]}

    class Slow:
        def __getattr__(self, name):
            return getattr(guard, name)

        def evaluate(self, *args, **who):
            decision = guard.evaluate(*args, **who)
            given["amount"] = 1000
            given["lines"].append(2)
            return decision

    Tools(Gate(Slow()), {"issue_refund": lambda **params: ran.append(params)}).call("issue_refund", given)
    assert ran == [{"amount": 1, "lines": [1]}]


def test_a_refusal_is_told_with_what_is_final(guard):
    gate = Gate(guard)
    refused = gate.answered(gate.ruling("issue_refund", {"amount": 300}, **WHO), NAY)
    assert refused.kind == NO
    assert "final" in refused.text


def test_where_answers_have_to_be_signed_another_one_counts_for_nothing(tmp_path):
    dana = pytest.importorskip("toolguard.audit.sign").Signer("dana", bytes(32))
    with Guard(POLICY, ledger=tmp_path / "l.db", approvers={str(dana.verifier): ["*"]}) as guard:
        gate = Gate(guard)
        asked = gate.ruling("issue_refund", {"amount": 300}, **WHO)
        assert asked.question["escalation_id"]
        assert gate.answered(asked, YES) is asked
        with pytest.raises(ApprovalUnavailable, match="signed"):
            guard.answer(asked.decision, YES)
        guard.withdraw(asked.question["escalation_id"], by="ops", reason="no")
        assert gate.answered(asked, YES).kind == NO


def test_the_guard_takes_an_answer_that_the_program_vouches_for(guard):
    decision = guard.evaluate("issue_refund", {"amount": 300})
    assert guard.answer(decision, YES) is decision or guard.answer(decision, YES).call is decision.call
    with pytest.raises(ApprovalRefused):
        guard.answer(guard.evaluate("issue_refund", {"amount": 301}), NAY)


def test_a_call_without_a_session_is_counted_and_puts_nobody_under_quarantine(guard):
    gate = Gate(guard, quarantine_after=2)
    texts = [gate.ruling("issue_refund", {"amount": 1000}).text for _ in range(3)]
    assert "denied" not in texts[0]
    assert "denied 3 times" in texts[2]
    assert guard.halts() == ()


@pytest.mark.parametrize(
    ("given", "made"),
    [(None, {}), ("", {}), ('{"a": 1}', {"a": 1}), ({"a": 1}, {"a": 1}), ("{}", {})],
)
def test_arguments(given, made):
    assert arguments_of(given) == made


@pytest.mark.parametrize(
    "given", ["[1]", "1", '{"a": 1, "a": 2}', '{"a": NaN}', '{"a": -Infinity}', "{", "[" * 100_000, 5, [1]]
)
def test_what_is_no_object_that_all_readers_agree_on_is_malformed(guard, given):
    with pytest.raises(MalformedCall):
        arguments_of(given)
    ruling = Gate(guard).ruling("issue_refund", given, session_id="s")
    assert ruling.kind == NO
    assert "malformed call" in ruling.text
    assert records(guard, "decision")[0].content["call"]["session_id"] == "s"


def test_a_guard_that_fails_denies(caplog):
    gate = Gate(Broken())
    with caplog.at_level(logging.CRITICAL, logger="toolguard"):
        assert gate.ruling("t", {}).kind == asyncio.run(gate.ruling_async("t", {})).kind == NO


def test_the_group_of_a_tool_is_known_by_its_name(guard):
    Gate(guard, {"issue_refund": "money"}).ruling("issue_refund", {"amount": 1})
    assert records(guard, "decision")[0].content["call"]["tool_group"] == "money"


def test_plain_values_of_a_context():
    class Deps:
        def __init__(self):
            self.user, self.client, self.age = "u", object(), 7

    assert plain_values(Deps()) == {"user": "u", "age": 7}
    assert plain_values({"a": [1], "b": True}) == {"b": True}
    assert plain_values(None) is plain_values(5) is None


def test_a_generator_has_no_result_to_put_a_denial_in(guard):
    def numbers():
        yield 1

    with pytest.raises(TypeError, match="generator"):
        guard.wrap(numbers, on_deny=str)


def test_a_denied_coroutine_returns_the_reason(guard):
    async def issue_refund(amount):
        return amount

    tool = guard.wrap(issue_refund, on_deny=ToolDenied.message_for_model)
    assert asyncio.run(tool(1)) == 1
    assert "hard-cap" in asyncio.run(tool(1000))
