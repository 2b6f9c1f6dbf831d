import asyncio
import pickle
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import leaf, policy, rule

from toolguard import Approval, ApprovalRefused, ApprovalUnavailable, Guard, PolicyError, ToolDenied, Verdict, guarded
from toolguard.audit.capture import openings as opened
from toolguard.stores.memory import MemoryStore

CAP = policy([rule(leaf("amount", "gt", 500), rule_id="cap")])
ASK = policy([rule(leaf("amount", "gt", 200), "escalate", rule_id="ask")], "ask")


def kinds(guard):
    return [record.content["kind"] for record in guard.store.scan()]


def test_the_first_two_minutes(guard):
    decision = guard(pack="payments").evaluate("issue_refund", {"amount": 1000})
    assert decision.verdict == Verdict.DENY
    assert not decision.allowed
    assert decision.primary.rule_id == "refund-hard-cap"
    assert decision.primary.citation.section == "2.3"
    message = decision.message_for_model()
    assert message.count("supervisor") == 2
    assert message.endswith("do not repeat the same call.")


NOT_COVERED = {
    "no policy at all": ((), "no policy is loaded"),
    "only drafts": (policy([rule(leaf("a", "exists"))], status="draft"), r"no approved policy is loaded \(1 draft"),
    "another tool's policy": (policy([rule(leaf("a", "exists"))], scope={"tool_names": ["other"]}), "no policy covers `t`"),
    "only a shadow policy": (policy([rule(leaf("a", "exists"))], mode="shadow"), "no policy covers `t`"),
    "only disabled rules": (policy([rule(leaf("a", "exists"), enabled=False)]), "no policy covers `t`"),
    "another agent's policy": (
        policy([rule(leaf("a", "exists"))], scope={"tool_names": ["t"], "agent_ids": ["x"]}),
        "no policy covers",
    ),
}


@pytest.mark.parametrize("name", NOT_COVERED)
def test_what_no_policy_covers_is_denied(guard, name):
    policies, why = NOT_COVERED[name]
    decision = guard(policies).evaluate("t", {})
    assert decision.verdict == Verdict.DENY
    assert re.search(why, decision.reason)


def test_unmatched_is_an_explicit_choice(guard):
    for word in ("allow", "flag", "escalate", "deny"):
        assert guard(CAP, unmatched=word).evaluate("other", {}).verdict.word == word
    with pytest.raises(ValueError, match="`unmatched` cannot be `denied`"):
        guard(CAP, unmatched="denied")


def test_scopes(guard):
    scoped = guard(
        [
            policy([rule(leaf("a", "exists"))], "by-name", scope={"tool_names": ["Issue_Refund"]}),
            policy([rule(leaf("a", "exists"))], "by-group", scope={"tool_groups": ["money"]}),
            policy([rule(leaf("a", "exists"))], "by-agent", scope={"agent_ids": ["bot"]}),
            policy([rule(leaf("a", "exists"))], "by-org", scope={"org_ids": ["acme"]}),
        ]
    )

    def hit(tool, **caller):
        return {hit.policy_id for hit in scoped.evaluate(tool, {"a": 1}, **caller).hits}

    assert hit("issue_refund") == hit("ISSUE_REFUND") == {"by-name"}
    assert hit("x") == set()
    assert hit("x", group="money") == {"by-group"}
    assert hit("issue_refund", group="money", agent_id="bot", org_id="acme") == {"by-name", "by-group", "by-agent", "by-org"}
    assert hit("x", agent_id="other") == set()


def test_an_indeterminate_rule_fires_unless_told_to_skip(guard):
    skipping = policy([rule(leaf("amount", "gt", 500), on_indeterminate="skip")])
    assert guard(CAP).evaluate("t", {}).reason == "`amount` is missing, so rule `cap` cannot be evaluated"
    assert guard(skipping).evaluate("t", {}).verdict == Verdict.ALLOW
    assert guard(skipping).evaluate("t", {"amount": 501}).verdict == Verdict.DENY


def test_identity_is_inherited_added_to_and_given_back(guard):
    who = guard(policy([rule(leaf("agent_id", "eq", "bot"), "flag"), rule(leaf("context.a", "eq", 1), "flag", "s")]))
    who_is = lambda: [hit.rule_id for hit in who.evaluate("t", {}).hits if not hit.indeterminate]  # noqa: E731
    with who.acting_as(agent_id="bot", session_id="s1", context={"a": 1}):
        assert who_is() == ["r", "s"]
        with who.acting_as(agent_id="other", context={"b": 2}):
            call = who.evaluate("t", {}).call
            assert (call.agent_id, call.session_id, call.context) == ("other", "s1", {"a": 1, "b": 2})
        assert who.evaluate("t", {}, agent_id="third").call.agent_id == "third"
        assert who_is() == ["r", "s"]
    assert who_is() == []


def test_identity_is_each_threads_and_tasks_own(guard):
    who = guard(CAP)

    def in_thread(name):
        before = who.evaluate("t", {"amount": 1}).call.agent_id
        with who.acting_as(agent_id=name):
            barrier.wait(5)
            return before, who.evaluate("t", {"amount": 1}).call.agent_id

    async def in_task(name):
        with who.acting_as(agent_id=name):
            await asyncio.sleep(0.001)
            return await tool(amount=1)

    @guarded(who, tool="t")
    async def tool(amount):
        return who.evaluate("t", {"amount": amount}).call.agent_id

    async def tasks():
        return await asyncio.gather(*(in_task(f"a{i}") for i in range(20)))

    barrier = threading.Barrier(4)
    with who.acting_as(agent_id="main"), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(in_thread, "abcd")) == [(None, name) for name in "abcd"]
    assert asyncio.run(tasks()) == [f"a{i}" for i in range(20)]


def test_the_record_is_there_before_the_tool_runs(guard):
    with_record = guard(CAP)
    seen = []

    @guarded(with_record)
    def t(amount):
        seen.extend(kinds(with_record))
        return amount

    assert t(5) == 5
    assert seen == ["start", "decision"]
    assert kinds(with_record) == ["start", "decision", "outcome"]
    decision, outcome = [record.content for record in with_record.store.scan(1)]
    assert decision["verdict"] == "allow"
    assert decision["call"]["tool"] == "t"
    assert decision["placement"] == "L0 in-process"
    assert decision["revision"] == with_record.revision
    assert (outcome["decision"], outcome["outcome"], outcome["error"]) == (2, "returned", None)
    assert outcome["duration"] > 0


TEXTS = {"amount": '["amount",1000]', "card": '["card","4111"]'}


def test_the_record_of_a_denial_holds_all_that_led_to_it(guard):
    denying = guard(pack="payments")
    denying.evaluate("issue_refund", {"amount": 1000, "card": "4111"}, agent_id="bot", context={"ip": "10.0.0.1"}, call_id="c1")
    content = list(denying.store.scan())[-1].content
    openings = opened(list(denying.store.scan())[-1].payload).values()
    assert content["verdict"] == "deny"
    assert content["call"] == {
        "call_id": "c1",
        "tool": "issue_refund",
        "tool_group": None,
        "agent_id": "bot",
        "session_id": None,
        "org_id": None,
        "context": {"ip": "10.0.0.1"},
        "capture": "digest",
        "params": {name: opening.commitment(text) for (name, text), opening in zip(TEXTS.items(), openings, strict=True)},
    }
    assert [hit["rule_id"] for hit in content["hits"]] == ["refund-hard-cap", "refund-needs-approval"]
    assert content["hits"][0]["citation"]["excerpt"].startswith("A single refund above")
    assert content["hits"][0]["mode"] == "enforcement"
    assert b"4111" not in list(denying.store.scan())[-1].body


def test_shadow_hits_are_recorded_and_change_nothing(guard):
    shadowed = guard([policy([rule(leaf("amount", "gt", 1))], "shadow", mode="shadow"), CAP])
    decision = shadowed.evaluate("t", {"amount": 100})
    assert (decision.verdict, decision.hits) == (Verdict.ALLOW, ())
    assert [hit.policy_id for hit in decision.shadow_hits] == ["shadow"]
    assert list(shadowed.store.scan())[-1].content["shadow_hits"][0]["mode"] == "shadow"


class Asks:
    """An approver that is an object whose call is a coroutine."""

    async def __call__(self, _):
        return True


async def agrees_later(_):
    await asyncio.sleep(0)
    return True


async def refuses_later(_):
    return Approval(granted=False, by="dana")


async def fails_later(_):
    raise ValueError(SECRET_WORDS)


SECRET_WORDS = "postgres://ops:hunter2@db"
AWAITED = "the approver is a coroutine"
NO_ANSWER = "only True, False and an Approval are answers"
APPROVERS = {  # name: (approver, how a tool that is a function is refused, how one that is a coroutine is, what is said of it)
    "yes": (lambda _: True, None, None, ""),
    "a person": (lambda _: Approval(granted=True, by="dana"), None, None, ""),
    "no": (lambda _: False, ApprovalRefused, ApprovalRefused, "refused by approver"),
    "a person who refuses": (lambda _: Approval(False, "dana", "later"), ApprovalRefused, ApprovalRefused, "by dana: later"),
    "nobody": (None, ApprovalUnavailable, ApprovalUnavailable, "no approver is set"),
    "None": (lambda _: None, ApprovalUnavailable, ApprovalUnavailable, f"answered with NoneType, and {NO_ANSWER}"),
    "truthy": (lambda _: "yes", ApprovalUnavailable, ApprovalUnavailable, f"answered with str, and {NO_ANSWER}"),
    "one": (lambda _: 1, ApprovalUnavailable, ApprovalUnavailable, f"answered with int, and {NO_ANSWER}"),
    "truthy grant": (lambda _: Approval(granted="yes", by="dana"), ApprovalRefused, ApprovalRefused, "refused by dana"),
    "fails": (lambda _: int(SECRET_WORDS), ApprovalUnavailable, ApprovalUnavailable, "(ValueError)"),
    "a coroutine": (agrees_later, ApprovalUnavailable, None, ""),
    "an object that is one": (Asks(), ApprovalUnavailable, None, ""),
    "makes one": (lambda decision: [agrees_later(decision)].pop(), ApprovalUnavailable, None, ""),
    "a coroutine that refuses": (refuses_later, ApprovalUnavailable, ApprovalRefused, "refused by dana"),
    "a coroutine that fails": (fails_later, ApprovalUnavailable, ApprovalUnavailable, "(ValueError)"),
    "anything that can be awaited": (lambda _: Later(), ApprovalUnavailable, None, ""),
}
AWAITABLE = list(APPROVERS)[-6:]


class Later:
    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return True


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("awaited", [False, True], ids=["function", "coroutine"])
@pytest.mark.parametrize("name", APPROVERS)
def test_an_escalated_call_runs_only_when_a_person_said_yes(guard, name, awaited, caplog):
    approver, *refused, said = APPROVERS[name]
    asking = guard(ASK, approver=approver)
    ran = []

    @guarded(asking, tool="t")
    def tool(amount):
        ran.append(amount)

    @guarded(asking, tool="t")
    async def tool_async(amount):
        ran.append(amount)

    def call():
        return asyncio.run(tool_async(300)) if awaited else tool(300)

    if refused[awaited] is None:
        call()
        assert ran == [300]
        assert kinds(asking) == ["start", "decision", "approval", "outcome"]
        return
    with pytest.raises(refused[awaited]) as raised:
        call()
    assert ran == []
    assert raised.value.decision.verdict == Verdict.ESCALATE
    told = raised.value.message_for_model()
    assert "not carried out" in told
    assert (AWAITED if name in AWAITABLE and not awaited else said) in told
    assert SECRET_WORDS not in told
    unavailable = refused[awaited] is ApprovalUnavailable and approver is not None
    assert ("no approval for call" in caplog.text) is unavailable  # the program's own log says why
    assert (SECRET_WORDS in caplog.text) is ("fail" in name and "ValueError" in told)


def test_what_the_model_is_told_of_each_verdict(guard):
    some = guard([CAP, ASK])
    told = {amount: some.evaluate("t", {"amount": amount}).message_for_model() for amount in (1, 300, 501)}
    assert told[1] == "The call to `t` is allowed."
    assert told[300].startswith("The call to `t` waits for the approval of a person: rule `")
    assert told[501].startswith("The call to `t` was not carried out: rule `cap`")


def test_the_repr_of_a_decision_holds_no_parameters(guard):
    decision = guard(CAP, capture="full").evaluate("t", {"amount": 1, "note": SECRET_WORDS})
    assert SECRET_WORDS not in repr(decision)
    assert len(repr(decision)) < 500


def test_a_person_cannot_overrule_a_denial(guard):
    asked = []
    both = guard([CAP, ASK], approver=lambda decision: asked.append(decision) or True)
    with pytest.raises(ToolDenied, match="`cap`"):
        guarded(both, tool="t")(lambda amount: amount)(501)
    assert asked == []


class FailingStore(MemoryStore):
    def __init__(self, fail_on):
        super().__init__()
        self.fail_on = fail_on

    def append(self, build, *, durable=True):
        def checked(seq, last):
            record = build(seq, last)
            if record.content["kind"] == self.fail_on:
                raise OSError(28, "No space left on device")
            return record

        return super().append(checked, durable=durable)


def test_no_record_no_run(guard):
    ran = []
    for kind, error in (("decision", ToolDenied), ("approval", ApprovalUnavailable)):
        failing = guard(ASK, ledger=FailingStore(kind), approver=lambda _: True)
        with pytest.raises(error):
            guarded(failing, tool="t")(lambda amount: ran.append([amount]))(300)
    decision = guard(CAP, ledger=FailingStore("decision")).evaluate("t", {"amount": 1})
    assert (decision.verdict, decision.record) == (Verdict.DENY, None)
    assert "could not be recorded: [Errno 28]" in decision.reason
    assert ran == []


def test_an_outcome_that_cannot_be_recorded_does_not_make_the_tool_fail(guard, caplog):
    failing = guard(CAP, ledger=FailingStore("outcome"))
    assert guarded(failing, tool="t")(lambda amount: amount)(5) == 5
    assert "could not be recorded" in caplog.text


def test_a_bug_in_a_rule_is_a_denial(guard, caplog):
    broken = guard(policy([rule(leaf("amount", "gt", 5), "allow")]))
    call = broken.evaluate("t", {"amount": 1}).call
    object.__setattr__(broken.policies.plan_for(call).rules[0], "test", lambda _: 1 / 0)
    decision = broken.evaluate("t", {"amount": 1})
    assert decision.verdict == Verdict.DENY
    assert "internal error: ZeroDivisionError" in decision.reason
    assert "failed" in caplog.text


def test_observers_are_told_and_cannot_interfere(guard, caplog):
    told = []
    observed = guard(CAP, on_decision=lambda decision: told.append(decision) or 1 / 0)
    assert observed.evaluate("t", {"amount": 5}).verdict == Verdict.ALLOW
    assert [d.record.seq for d in told] == [2]
    assert "`on_decision` failed" in caplog.text


def test_a_closed_guard_denies(guard):
    closed = guard(CAP)
    closed.close()
    decision = closed.evaluate("t", {"amount": 1})
    assert decision.verdict == Verdict.DENY
    assert "is closed" in decision.reason


def test_the_ledger_is_a_file_beside_the_program_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Guard(CAP) as default:
        default.evaluate("t", {"amount": 1})
    assert Path("toolguard.db").is_file()
    with Guard(CAP) as again:
        assert kinds(again) == ["start", "decision", "stop", "checkpoint", "start"]


def test_decisions_as_json(guard):
    data = guard(pack="payments").evaluate("issue_refund", {"amount": 1000}).to_dict()
    assert data["verdict"] == "deny"
    assert data["record"] == 2
    assert data["hits"][0]["effect"] == "deny"
    assert "amount" not in data


def test_decisions_and_errors_cross_between_processes(guard):
    made = guard(policy([rule(leaf("amount", "gt", 500))]))
    decision = made.evaluate("t", {"amount": 900})
    copy = pickle.loads(pickle.dumps(decision))
    assert copy == decision
    assert copy.explain().rules == ()
    denied = pickle.loads(pickle.dumps(ApprovalRefused(decision, "refused by a")))
    assert (type(denied), str(denied), denied.decision) == (ApprovalRefused, "refused by a", decision)
    with pytest.raises(PolicyError) as refused:
        guard("policy_id: p\nbogus: 1\n")
    assert pickle.loads(pickle.dumps(refused.value)).problems == refused.value.problems


def test_how_durable_a_record_is_can_be_chosen_and_is_on_record(guard, monkeypatch):
    syncs = []
    monkeypatch.setattr("toolguard.stores.handle.sync", syncs.append)
    for durability, expected in (("durable", [1, 1]), ("process", [0, 0])):
        made = guard(CAP, durability=durability)
        counted = []
        for amount in (1, 900):
            before = len(syncs)
            made.evaluate("t", {"amount": amount})
            counted.append(len(syncs) - before)
        assert counted == expected
        assert next(made.store.scan()).content["durability"] == durability
    with pytest.raises(ValueError, match="only durable, process, async"):
        guard(CAP, durability="sometime")
