"""Rules over results: what comes back is judged before anybody sees it."""

import asyncio
import gc
import threading
import time

import pydantic
import pytest

from toolguard import ApprovalRefused, ApprovalUnavailable, Guard, PolicyError, ToolDenied, Verdict, guarded, verify
from toolguard.approvals import answer as answering
from toolguard.audit.sign import Signer
from toolguard.canonical import MAX_TEXT
from toolguard.errors import StoreError
from toolguard.model import Approval, Outcome
from toolguard.releasing import MAX_CHAIN
from toolguard.stores.memory import MemoryStore

KEY = "AKIAIOSFODNN7EXAMPLE"
POLICY = """
policy_id: p
facts:
  leak: {sensitive: result}
rules:
  - {rule_id: all, conditions: {field: tool_name, operator: exists}, effect: allow}
  - rule_id: judged
    phase: result
    conditions: CONDITIONS
    effect: EFFECT
"""
LEAK = "{field: leak.found, operator: eq, value: true}"


def guard_with(conditions=LEAK, effect="deny", **options):
    policy = POLICY.replace("CONDITIONS", conditions).replace("EFFECT", effect)
    return Guard(policy, **({"ledger": ":memory:"} | options))


def kinds(guard):
    return [record.content["kind"] for record in guard.store.scan()]


def unreadable():
    return object()


def give(value):
    if isinstance(value, BaseException):
        raise value
    return value


def test_the_caller_gets_a_denial_and_never_the_value():
    with guard_with() as guard:
        with pytest.raises(ToolDenied) as denied:
            guard.wrap(give)(f"the key is {KEY}")
        decision = denied.value.decision
        assert denied.value.message_for_model().startswith("What came back of `give` is withheld: rule `judged`.")
        assert decision.call.came.why_unknown == "is withheld"
        assert KEY not in repr(decision) + repr(denied.value) + str(decision.call.came)
        assert denied.value.__cause__ is denied.value.__context__ is None
        assert kinds(guard) == ["start", "decision", "outcome", "result"]
        record = list(guard.store.scan())[-1]
        assert (record.content["verdict"], record.content["decision"], record.content["hits"][0]["rule_id"]) == (
            "deny",
            2,
            "judged",
        )
        assert KEY.encode() not in record.body


def test_what_is_fine_is_the_very_value():
    with guard_with() as guard:
        value = {"a": [1, 2]}
        assert guard.wrap(lambda: value, name="give")() is value
        assert kinds(guard) == ["start", "decision", "outcome"]  # there is nothing to say about it


@pytest.mark.parametrize(
    ("conditions", "value", "denied"),
    [
        ("{field: result, operator: contains, value: secret}", "a secret", True),
        ("{field: result, operator: contains, value: secret}", "nothing", False),
        ("{field: result.status, operator: eq, value: paid}", {"status": "paid"}, True),
        ("{field: result.status, operator: eq, value: paid}", {"status": "open"}, False),
        ("{field: result.status, operator: eq, value: paid}", {}, True),  # it cannot be evaluated
        ('{field: "result.rows[*].age", operator: lt, value: 18}', {"rows": [{"age": 40}, {"age": 12}]}, True),
        ('{field: "result.rows[*].age", operator: lt, value: 18}', {"rows": [{"age": 40}]}, False),
        ('{field: "result[0]", operator: gt, value: 5}', [9], True),
        ("{and: [{field: parameters.value, operator: exists}, {field: result, operator: eq, value: 7}]}", 7, True),
        ("{not: {field: result, operator: regex, value: '^ok$'}}", "ok", False),
        ("{not: {field: result, operator: regex, value: '^ok$'}}", "no", True),
    ],
)
def test_conditions_are_the_same_as_over_calls(conditions, value, denied):
    with guard_with(conditions) as guard:
        tool = guard.wrap(give)
        if denied:
            with pytest.raises(ToolDenied):
                tool(value)
        else:
            assert tool(value) == value


def chained():
    try:
        give(KeyError(KEY))
    except KeyError as inner:
        raise RuntimeError("lookup failed") from inner


def noted():
    error = RuntimeError("failed")
    error.add_note(f"with {KEY}")
    raise error


def attached():
    error = RuntimeError("failed")
    error.response = {"headers": f"x-key: {KEY}"}
    raise error


def slotted():
    class Slotted(Exception):
        __slots__ = ("response",)

    error = Slotted("failed")
    error.response = KEY
    raise error


def grouped():
    raise ExceptionGroup("several", [ValueError(KEY)])


@pytest.mark.parametrize("tool", [chained, noted, attached, slotted, grouped, lambda: give(ValueError(f"bad {KEY}"))])
def test_errors_are_judged_with_all_that_they_say(tool):
    with guard_with() as guard:
        with pytest.raises(ToolDenied) as denied:
            guard.wrap(tool, name="tool")()
        assert denied.value.__cause__ is denied.value.__context__ is None
        gc.collect()


def test_a_harmless_error_is_the_tools_own():
    with guard_with() as guard:
        error = ValueError("no such order")
        with pytest.raises(ValueError, match="no such order") as raised:
            guard.wrap(lambda: give(error), name="give")()
        assert raised.value is error


def test_an_error_has_no_fields_that_a_rule_could_miss():
    with guard_with("{field: result.status, operator: eq, value: paid}") as guard, pytest.raises(ValueError, match="gone"):
        guard.wrap(lambda: give(ValueError("gone")), name="give")()


def test_what_ends_a_call_from_outside_is_no_result():
    with guard_with("{field: result, operator: exists}") as guard:
        tool = guard.wrap(lambda: give(KeyboardInterrupt()), name="give")
        with pytest.raises(KeyboardInterrupt):
            tool()

        async def slow():
            await asyncio.sleep(60)

        async def cancelled():
            task = asyncio.create_task(guard.wrap(slow)())
            await asyncio.sleep(0.01)
            task.cancel()
            await task

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancelled())


def deep(errors):
    error = ValueError(KEY)
    for _ in range(errors):
        outer = ValueError("no")
        outer.__cause__ = error
        error = outer
    return error


@pytest.mark.parametrize("error", [ValueError("x" * MAX_TEXT + KEY), deep(MAX_CHAIN)], ids=["too long", "too many"])
def test_of_an_error_nothing_is_left_out(error):
    rule = '{field: result, operator: contains, value: "AKIA"}'
    with guard_with(rule) as guard, pytest.raises(ToolDenied) as denied:
        guard.wrap(give, injected=["value"])(error)
    assert KEY not in str(denied.value)


def test_where_judging_fails_nothing_goes_on(monkeypatch):
    def broken(*_):
        raise RuntimeError(KEY)

    with guard_with() as guard:
        monkeypatch.setattr("toolguard.releasing.decide_result", broken)
        with pytest.raises(ToolDenied, match="internal error: RuntimeError") as denied:
            guard.wrap(give)(KEY)
        assert KEY not in str(denied.value)
        assert kinds(guard)[-1] == "result"


class Row(pydantic.BaseModel):
    name: str
    note: str = ""


def test_objects_with_fields_are_read_and_others_are_not():
    with guard_with() as guard:
        tool = guard.wrap(give, injected=["value"])
        row = Row(name="x")
        assert tool(row) is row
        with pytest.raises(ToolDenied):
            tool(Row(name="x", note=KEY))
        with pytest.raises(ToolDenied, match="`result` is an object of type `object`, which is not plain data"):
            tool(object())


def test_a_rule_may_say_that_it_does_not_mind():
    policy = POLICY.replace("CONDITIONS", LEAK).replace("effect: EFFECT", "effect: deny\n    on_indeterminate: skip")
    with Guard(policy, ledger=":memory:") as guard:
        thing = object()
        assert guard.wrap(lambda: thing, name="give")() is thing


def test_a_flag_is_recorded_and_changes_nothing():
    with guard_with(effect="flag") as guard:
        assert guard.wrap(give)(KEY) == KEY
        assert kinds(guard)[-1] == "result"


def test_a_shadow_policy_is_recorded_and_changes_nothing():
    shadow = POLICY.replace("CONDITIONS", LEAK).replace("EFFECT", "deny").replace("policy_id: p", "policy_id: s\nmode: shadow")
    covers = "policy_id: c\nrules:\n- {rule_id: all, conditions: {field: tool_name, operator: exists}, effect: allow}"
    with Guard([shadow, covers], ledger=":memory:") as guard:
        assert guard.wrap(give)(KEY) == KEY
        record = list(guard.store.scan())[-1].content
        assert (record["kind"], record["verdict"], record["shadow_hits"][0]["rule_id"]) == ("result", "allow", "judged")


def test_a_rule_over_results_covers_no_tool():
    policy = POLICY.replace("CONDITIONS", LEAK).replace("EFFECT", "deny").replace("field: tool_name, operator: exists", "TOOL")
    policy = "\n".join(line for line in policy.splitlines() if "TOOL" not in line)
    with Guard(policy, ledger=":memory:") as guard, pytest.raises(ToolDenied, match="no policy covers `give`"):
        guard.wrap(give)(1)


def test_coroutines_are_judged_too():
    async def fetch(value):
        await asyncio.sleep(0)
        return give(value)

    with guard_with() as guard:
        tool = guard.wrap(fetch)
        assert asyncio.run(tool("fine")) == "fine"
        with pytest.raises(ToolDenied):
            asyncio.run(tool(KEY))
        tool = guard.wrap(fetch, injected=["value"])
        with pytest.raises(ToolDenied):
            asyncio.run(tool(ValueError(KEY)))


def test_a_loop_of_its_own_asks_what_it_may_hand_on():
    with guard_with() as guard:
        decision = guard.evaluate("give", {"value": 1})
        assert guard.judges_results(decision)
        outcome = Outcome("returned", 0, KEY)
        seen = guard.release(decision, outcome)
        assert (seen.value, type(seen.error)) == (None, ToolDenied)
        assert guard.release(decision, Outcome("returned", 0, "fine")).value == "fine"


def test_logs_hear_of_it_and_get_nothing_of_the_result():
    heard = []
    with guard_with(effect="flag", on_decision=heard.append) as guard:
        guard.wrap(give)(KEY)
        call, result = heard
        assert (call.call.came, result.verdict, result.hits[0].rule_id) == (None, Verdict.FLAG, "judged")
        assert (result.call.came.result, result.record.content["kind"]) == (None, "result")


# -- people ------------------------------------------------------------------------------------------------------------


def test_a_person_sees_what_came_back_and_decides():
    seen, answers = [], [True, False, Approval(False, "mia", "not this")]

    def approver(decision):
        seen.append((decision.verdict, decision.call.came.result))
        return answers.pop(0)

    with guard_with(effect="escalate", approver=approver) as guard:
        tool = guard.wrap(give)
        assert tool(KEY) == KEY
        with pytest.raises(ApprovalRefused):
            tool(KEY)
        with pytest.raises(ApprovalRefused, match="refused by mia: not this") as refused:
            tool(KEY)
        assert refused.value.decision.call.came.result is None
        assert seen == [(Verdict.ESCALATE, KEY)] * 3
        assert kinds(guard)[1:5] == ["decision", "outcome", "result", "approval"]


def test_without_anybody_to_ask_it_is_withheld():
    with guard_with(effect="escalate") as guard, pytest.raises(ApprovalUnavailable):
        guard.wrap(give)(KEY)


def test_what_nobody_can_be_shown_is_not_put_before_a_person():
    with (
        guard_with("{field: result, operator: exists}", "escalate", approver=lambda _: True) as guard,
        pytest.raises(ToolDenied, match="and nobody can be shown it"),
    ):
        guard.wrap(unreadable, name="give")()


def waited_for(guard, tool, *answers):
    """What a tool comes to whose results wait for signed answers."""
    dana = Signer("dana", bytes(32))
    came = []

    def run():
        try:
            came.append(tool())
        except ToolDenied as denied:
            came.append(denied)

    for granted in answers:
        thread = threading.Thread(target=run)
        thread.start()
        while not (pending := guard.pending()):
            time.sleep(0.005)
        (asked,) = pending
        assert (asked.call["result"], asked.call["raised"]) == (KEY, False)
        answering.answer(guard._log, asked.key, dana, answering.Reply(granted=granted, by="dana", where="here"))
        thread.join(10)
    return came


def test_signed_answers_are_about_exactly_this_result_and_used_once(tmp_path):
    keys = {str(Signer("dana", bytes(32)).verifier): ["*"]}
    with guard_with(effect="escalate", ledger=tmp_path / "l.db", approvers=keys) as guard:
        tool = guard.wrap(lambda: KEY, name="give")
        seen, again, refused = waited_for(guard, tool, True, True, False)
        assert seen == again == KEY
        assert isinstance(refused, ApprovalRefused)
        assert refused.decision.call.came.result is None
        assert guard.wrap(lambda: "fine", name="give")() == "fine"
    assert verify(tmp_path / "l.db").intact


# -- when something fails ----------------------------------------------------------------------------------------------


class Full(MemoryStore):
    """A store that takes no record of a result."""

    def transact(self, change, *, durable=True):
        def checked(*given):
            record = change(*given)
            if record.content["kind"] == "result":
                raise StoreError("no room")
            return record

        return super().transact(checked, durable=durable)


@pytest.mark.parametrize("effect", ["flag", "escalate"])
def test_what_cannot_be_recorded_is_withheld(effect):
    with (
        guard_with(effect=effect, ledger=Full(), approver=lambda _: True) as guard,
        pytest.raises(ToolDenied, match="could not be recorded: no room"),
    ):
        guard.wrap(give)(KEY)


def test_redacted_results_are_private_copies():
    policy = POLICY.replace("CONDITIONS", LEAK).replace("effect: EFFECT", "effect: flag\n    redact: [{facts: leak}]")
    with Guard(policy, ledger=":memory:") as guard:
        value = {"key": KEY, "rest": [1]}
        seen = guard.wrap(lambda: value, name="give")()
        assert seen == {"key": "[redacted aws-key]", "rest": [1]}
        assert value == {"key": KEY, "rest": [1]}
        assert seen["rest"] is not value["rest"]
        with pytest.raises(ToolDenied, match="`ValueError` was raised, and errors are not changed"):
            guard.wrap(lambda: give(ValueError(KEY)), name="give")()


def test_the_ledger_verifies_with_records_of_results(tmp_path):
    ledger = tmp_path / "l.db"
    with guard_with(ledger=ledger) as guard, pytest.raises(ToolDenied):
        guard.wrap(give)(KEY)
    assert verify(ledger).intact


def test_how_it_came_about_can_be_explained_until_it_is_withheld():
    with guard_with(approver=lambda _: True, effect="escalate") as guard:
        explained = []
        guard._asking._approver = lambda decision: explained.append(str(decision.explain())) or True
        guard.wrap(give)("AKIAIOSFODNN7EXAMPLE")
        assert "rule `judged` of policy `p`: escalate, fired" in explained[0]
        assert "leak.found is true" in explained[0]


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("field: result, operator: exists", "what came back is known only to rules of `phase: result`"),
        ("field: result.x, operator: exists", "a parameter of that name is `parameters.result`"),
        ("field: leak.found, operator: eq, value: true", "what came back is known only to rules of `phase: result`"),
    ],
)
def test_a_call_knows_no_result(text, why):
    policy = POLICY.replace("    phase: result\n", "").replace("CONDITIONS", f"{{{text}}}").replace("EFFECT", "deny")
    with pytest.raises(PolicyError, match=why):
        Guard(policy)


def test_earlier_calls_are_asked_about_before_a_call():
    with pytest.raises(PolicyError, match="leave `phase: result` out"):
        guard_with(f"{LEAK}\n    requires: [{{tool: x}}]")


def test_a_parameter_called_result_is_a_parameter():
    policy = (
        "policy_id: p\nrules:\n- {rule_id: r, conditions: {field: parameters.result, operator: eq, value: bad}, effect: deny}"
    )
    with Guard(policy, ledger=":memory:") as guard:
        assert guard.evaluate("t", {"result": "bad"}).verdict.word == "deny"
        assert guarded(guard, tool="t")(lambda result: result)("good") == "good"
