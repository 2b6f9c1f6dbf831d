"""An escalated call runs once, with a live, signed answer to exactly that call by somebody who may give it, and never else."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest
from conftest import Clock, opened
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from toolguard import ApprovalRefused, ApprovalUnavailable, Guard, StoreError, ToolDenied, ToolHalted, Verdict, guarded, verify
from toolguard.approvals.answer import Answer, Reply, answer
from toolguard.approvals.escalation import ANSWERS, Escalation, exact_call, id_of, key_of, last_answers
from toolguard.approvals.people import CLIENT, People, PeopleFile, Principal
from toolguard.approvals.waiting import LINGER, STEP, Seen, Waiting
from toolguard.audit.log import Log
from toolguard.audit.sign import Signer
from toolguard.cli import main
from toolguard.model import Decision, ToolCall
from toolguard.stores.memory import MemoryStore

DANA, EVE, SAM = (Signer(name, bytes([number]) * 32) for number, name in enumerate(("dana", "eve", "sam"), 1))
APPROVERS = {str(DANA.verifier): ["supervisor"], str(SAM.verifier): ["intern"]}
MINUTE = 60 * 10**9
HALF_AN_HOUR = 30 * MINUTE


def policy(*rules, **others):
    ask = {
        "rule_id": "ask",
        "effect": "escalate",
        "conditions": {"field": "amount", "operator": "gt", "value": 200},
        "effect_config": {"escalate_to": "supervisor", "timeout_minutes": 30},
    }
    return {"policy_id": "p", "scope": {"tool_names": ["pay"]}, "rules": [ask, *rules], **others}


CAP = {"rule_id": "cap", "effect": "deny", "conditions": {"field": "amount", "operator": "gt", "value": 500}}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "file"])
def desk(request, tmp_path, clock):
    """Makes guards over one ledger whose approvers are Dana, a supervisor, and Sam, an intern."""
    store, made = MemoryStore(), []

    def guard(given=None, **options):
        ledger = store if request.param == "memory" else tmp_path / "l.db"
        given_or_not = {"approvers": APPROVERS, **options}
        made.append(Guard(given or policy(CAP), ledger=ledger, now=clock, **given_or_not))
        return made[-1]

    yield guard
    for each in made[::-1]:
        each.close()


def asked(guard, amount=300, **who):
    return guard.evaluate("pay", {"amount": amount}, **{"agent_id": "bot", "session_id": "s", **who})


def answers(guard, decision, signer=DANA, *, by=None, granted=True, note="", **standing):
    return answer(guard._log, decision.escalation.key, signer, Reply(granted, by or signer.name, note, "here", **standing))


def put(guard, kept):
    """Somebody who can write the file changes the row, and the chain with it."""
    guard._log.changed("answer", lambda _, state: state.put(kept.key, kept.to_bytes()) or {})


def test_an_approved_call_runs_once(desk):
    guard = desk()
    first = asked(guard)
    assert (first.verdict, first.escalation.round, first.escalation.role) == (Verdict.ESCALATE, 1, "supervisor")
    assert asked(guard).escalation == first.escalation, "asking again is not another question"
    assert [each.id for each in guard.pending()] == [first.escalation.id]
    answers(guard, first)
    assert guard.pending() == []
    used = asked(guard)
    assert (used.verdict, used.reason) == (Verdict.ALLOW, "rule `ask`: approved by dana")
    assert used.record.content["escalation"] == first.escalation.id
    again = asked(guard)
    assert (again.verdict, again.escalation.round) == (Verdict.ESCALATE, 2)


@pytest.mark.parametrize(
    ("amount", "who"),
    [(301, {}), ("300", {}), (300.0001, {}), (300, {"agent_id": "other"}), (300, {"session_id": "t"}), (300, {"org_id": "o"})],
)
def test_the_answer_fits_that_call_only(desk, amount, who):
    guard = desk()
    answers(guard, asked(guard))
    assert asked(guard, amount, **who).verdict == Verdict.ESCALATE
    assert asked(guard, context={"environment": "production"}).verdict == Verdict.ESCALATE
    assert guard.evaluate("pay", {"amount": 300, "to": "me"}, agent_id="bot", session_id="s").verdict == Verdict.ESCALATE
    assert asked(guard).verdict == Verdict.ALLOW


def test_a_refusal_holds_until_it_expires(desk, clock):
    guard = desk()
    record = answers(guard, asked(guard), granted=False, note="not this customer")
    assert (record.content["granted"], record.content["status"]) == (False, "refused")
    decision = asked(guard)
    assert (decision.verdict, decision.reason) == (Verdict.DENY, "rule `ask`: refused by dana: not this customer")
    clock.now += HALF_AN_HOUR
    assert asked(guard).verdict == Verdict.ESCALATE


def test_nobody_answers_after_it_expired(desk, clock):
    guard = desk()
    decision = asked(guard)
    clock.now += HALF_AN_HOUR
    with pytest.raises(StoreError, match="has expired"):
        answers(guard, decision)
    assert asked(guard).escalation.round == 2


def test_an_approval_is_not_used_after_it_expired(desk, clock):
    guard = desk()
    answers(guard, asked(guard))
    clock.now += HALF_AN_HOUR - 1
    assert asked(guard).verdict == Verdict.ALLOW
    answers(guard, asked(guard))
    clock.now += HALF_AN_HOUR
    assert asked(guard).verdict == Verdict.ESCALATE


def test_it_is_answered_once(desk):
    guard = desk()
    decision = asked(guard)
    answers(guard, decision, granted=False)
    with pytest.raises(StoreError, match="does not wait any more"):
        answers(guard, decision)
    with pytest.raises(StoreError, match="no call waits there"):
        answer(guard._log, key_of("0" * 32), DANA, Reply(granted=True, by="dana"))


def test_a_person_cannot_overrule_a_rule_that_denies_by_now(desk):
    guard = desk()
    answers(guard, asked(guard))
    stricter = desk(policy({**CAP, "conditions": {"field": "amount", "operator": "gt", "value": 250}}))
    assert asked(stricter).verdict == Verdict.DENY


def test_an_approval_does_not_outlive_its_policies(desk):
    guard = desk()
    answers(guard, asked(guard))
    other = desk(policy(CAP, description="changed"))
    assert asked(other).verdict == Verdict.ESCALATE


def test_limits_and_halts_are_asked_again(desk):
    limit = {"limit_id": "day", "sum": "parameters.amount", "max": 500, "window": "day"}
    guard = desk(policy(CAP, limits=[limit]))
    answers(guard, asked(guard))
    assert asked(guard, 200, agent_id="other").verdict == Verdict.ALLOW
    assert asked(guard, 1, agent_id="other").verdict == Verdict.ALLOW
    decision = asked(guard)
    assert (decision.verdict, decision.primary.rule_id) == (Verdict.DENY, "day")
    guard.halt("agent:bot", reason="x", by="ops")
    assert asked(guard).halted


def test_an_approved_call_counts_in_its_limits(desk):
    limit = {"limit_id": "day", "sum": "parameters.amount", "max": 500, "window": "day"}
    guard = desk(policy(CAP, limits=[limit]))
    answers(guard, asked(guard))
    used = asked(guard)
    assert (used.verdict, used.limits[0].after, used.limits[0].counted) == (Verdict.ALLOW, "300", True)


def test_figures_of_the_guards_own_do_not_make_it_another_call(desk):
    velocity = {"field": "context.verified.agent_velocity.monetary_sum_1h", "operator": "gt", "value": 10**6}
    guard = desk(policy({"rule_id": "fast", "effect": "deny", "conditions": velocity}), track=True)
    answers(guard, asked(guard))
    assert asked(guard, 100).verdict == Verdict.ALLOW
    assert asked(guard).verdict == Verdict.ALLOW, "though the velocity is another by now"


@pytest.mark.parametrize("name", ["dana", "Dana"])
def test_nobody_answers_for_itself(desk, name):
    guard = desk()
    decision = asked(guard, agent_id=name)
    with pytest.raises(StoreError, match="dana may not answer for itself"):
        answers(guard, decision)
    put(guard, signed(guard, decision.escalation))
    assert "dana may not answer for itself" in asked(guard, agent_id=name).reason


# -- forgery -----------------------------------------------------------------------------------------------------------


def signed(guard, kept, signer=DANA, **changes):
    given = Answer(guard.store.ledger_id, kept.id, kept.round, granted=True, time=kept.asked, by=signer.name)
    return replace(kept, status="approved", answers=(str(signer.sign(replace(given, **changes).text)),))


FORGERIES = {
    "no answer": lambda guard, kept: replace(kept, status="approved"),
    "no note": lambda guard, kept: replace(kept, status="approved", answers=("approved by dana",)),
    "somebody else's key": lambda guard, kept: signed(guard, kept, EVE),
    "somebody else's key in her name": lambda guard, kept: signed(guard, kept, Signer("dana", bytes([9]) * 32)),
    "another role": lambda guard, kept: signed(guard, kept, SAM),
    "of another call": lambda guard, kept: signed(guard, kept, id="f" * 32),
    "of another round": lambda guard, kept: signed(guard, kept, round=kept.round + 1),
    "of another ledger": lambda guard, kept: signed(guard, kept, ledger="0" * 64),
    "before it was asked": lambda guard, kept: signed(guard, kept, time=kept.asked - 1),
    "after it expired": lambda guard, kept: signed(guard, kept, time=kept.expires),
    "another text": lambda guard, kept: replace(kept, status="approved", answers=(str(DANA.sign("toolguard answer\n")),)),
    "a text changed": lambda guard, kept: replace(
        signed(guard, kept), answers=(signed(guard, kept, granted=False).answers[0].replace("false", "true"),)
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_answer_lets_nothing_run(desk, name):
    guard = desk()
    kept = asked(guard).escalation
    put(guard, FORGERIES[name](guard, kept))
    decision = asked(guard)
    assert decision.verdict == Verdict.DENY, decision.reason
    assert "its answer" in decision.reason or "may not answer" in decision.reason


def test_a_refusal_in_the_guise_of_an_approval_is_one(desk):
    guard = desk()
    put(guard, signed(guard, asked(guard).escalation, granted=False))
    assert asked(guard).reason == "rule `ask`: refused by dana"


BOTH = {**APPROVERS, str(EVE.verifier): ["supervisor"]}


def two(**others):
    ask = policy()["rules"][0]
    return {**policy(), "rules": [{**ask, "effect_config": {**ask["effect_config"], "quorum": 2, **others}}]}


def test_a_quorum_is_of_different_people(desk):
    guard = desk(two(), approvers=BOTH)
    decision = asked(guard)
    answers(guard, decision)
    assert asked(guard).verdict == Verdict.ESCALATE
    with pytest.raises(StoreError, match="dana has answered"):
        answers(guard, decision)
    assert len(guard.pending()[0].answers) == 1
    answers(guard, decision, EVE)
    assert asked(guard).reason == "rule `ask`: approved by dana and eve"
    assert asked(guard).verdict == Verdict.ESCALATE


def test_one_refusal_refuses(desk):
    guard = desk(two(), approvers=BOTH)
    decision = asked(guard)
    answers(guard, decision)
    answers(guard, decision, EVE, granted=False)
    assert asked(guard).reason == "rule `ask`: refused by eve"


def test_a_quorum_cannot_be_forged(desk):
    guard = desk(two(), approvers=BOTH)
    decision = asked(guard)
    kept = decision.escalation
    one = signed(guard, kept).answers
    for forged in (one, one * 2, (*one, *signed(guard, kept, SAM).answers)):
        put(guard, replace(kept, status="approved", answers=forged))
        assert asked(guard).verdict == Verdict.DENY
    put(guard, replace(kept, status="approved", answers=one, quorum=1))
    assert asked(guard).verdict == Verdict.DENY, "how many have to approve is the rule's to say"


def test_a_longer_expiry_in_the_file_does_not_make_an_old_answer_good(desk, clock):
    guard = desk()
    kept = asked(guard).escalation
    answers(guard, asked(guard))
    clock.now += HALF_AN_HOUR
    put(guard, replace(Escalation.from_bytes(guard.store.state_of(kept.key)), round=2, expires=clock.now + HALF_AN_HOUR))
    assert asked(guard).verdict == Verdict.ESCALATE


def test_the_file_does_not_say_how_long_an_answer_is_good_or_who_gives_it(desk, clock):
    guard = desk()
    decision = asked(guard)
    answers(guard, decision)
    clock.now += HALF_AN_HOUR
    kept = Escalation.from_bytes(guard.store.state_of(decision.escalation.key))
    put(guard, replace(kept, expires=clock.now + HALF_AN_HOUR))
    assert asked(guard).verdict == Verdict.ESCALATE
    other = asked(guard, 301)
    answers(guard, other, SAM)
    kept = Escalation.from_bytes(guard.store.state_of(other.escalation.key))
    put(guard, replace(kept, role="intern"))
    assert "sam may not answer for `supervisor`" in asked(guard, 301).reason


def test_nobody_signs_what_he_was_not_shown(desk):
    """Whoever can write the file shows the approver a smaller amount under the id of the larger one."""
    guard = desk()
    kept = asked(guard, 450).escalation
    put(guard, replace(kept, call={**kept.call, "params": {"amount": 5}}))
    assert guard.pending() == []
    with pytest.raises(StoreError, match=r"what is shown of .* is another call"):
        answer(guard._log, kept.key, DANA, Reply(granted=True, by="dana"))


ALIKE = [5, 5.0, "5", Decimal(5), b"5", [5], {"a": 5}, {"$decimal": "5"}, {"$$decimal": "5"}, {"$bytes": "35"}, None, True, ""]


def test_values_that_look_alike_are_told_apart():
    ids = {id_of(exact_call(Decision(ToolCall("pay", {"a": value}), Verdict.ESCALATE))) for value in ALIKE}
    assert len(ids) == len(ALIKE)
    kept = Escalation(
        "x",
        1,
        "pending",
        0,
        1,
        "",
        "",
        None,
        exact_call(Decision(ToolCall("pay", {"a": [b"5", Decimal("1.0")]}), Verdict.ESCALATE)),
    )
    kept = replace(kept, id=id_of(kept.call))
    assert Escalation.from_bytes(kept.to_bytes()).is_true


def test_a_used_approval_that_is_put_back_is_found(tmp_path):
    path = tmp_path / "l.db"
    with Guard(policy(CAP), ledger=path, approvers=APPROVERS) as guard:
        decision = asked(guard)
        answers(guard, decision)
        before = guard.store.state_of(decision.escalation.key)
        assert asked(guard).verdict == Verdict.ALLOW
    assert verify(path).intact
    with opened(path) as database:
        database.execute("UPDATE state SET body = ? WHERE key = ?", (before, decision.escalation.key))
    assert not verify(path).intact


# -- standing approvals, withdrawals, and changed policies ---------------------------------------------------------------


def with_config(**config):
    ask = policy()["rules"][0]
    return {**policy(), "rules": [{**ask, "effect_config": {**ask["effect_config"], **config}}]}


STANDING = with_config(standing={"calls": 3, "minutes": 60})


def test_a_standing_approval_is_for_so_many_calls_of_one_session(desk):
    guard = desk(STANDING)
    answers(guard, asked(guard), calls=3, minutes=60)
    assert asked(guard, session_id="another").verdict == Verdict.ESCALATE
    assert asked(guard, 301).verdict == Verdict.ESCALATE
    used = [asked(guard).verdict.word for _ in range(5)]
    assert used == ["allow", "allow", "allow", "escalate", "escalate"]


def test_a_standing_approval_ends(desk, clock):
    guard = desk(STANDING)
    answers(guard, asked(guard), calls=3, minutes=45)
    clock.now += 45 * MINUTE - 1
    assert asked(guard).verdict == Verdict.ALLOW, "though the question has expired long ago"
    clock.now += 1
    assert asked(guard).verdict == Verdict.ESCALATE


@pytest.mark.parametrize(
    ("given", "how", "who"),
    [
        (policy(CAP), {"calls": 2, "minutes": 5}, {}),
        (STANDING, {"calls": 4, "minutes": 5}, {}),
        (STANDING, {"calls": 2, "minutes": 61}, {}),
        (STANDING, {"calls": 2}, {}),
        (STANDING, {"minutes": 2}, {}),
        (STANDING, {"calls": 0, "minutes": 5}, {}),
        (STANDING, {"calls": 2, "minutes": 5, "granted": False}, {}),
        (STANDING, {"calls": 2, "minutes": 5}, {"session_id": None}),
    ],
)
def test_nobody_approves_more_than_the_rule_lets_him(desk, given, how, who):
    guard = desk(given)
    decision = asked(guard, **who)
    with pytest.raises(StoreError, match="the rule lets"):
        answers(guard, decision, **how)
    assert guard.pending() == [decision.escalation]


def test_more_calls_than_the_rule_lets_cannot_be_signed_for(desk, clock):
    guard = desk(STANDING)
    put(guard, replace(signed(guard, asked(guard).escalation, calls=9, minutes=10**6), standing=(9, 10**6)))
    assert [asked(guard).verdict.word for _ in range(4)] == ["allow", "allow", "allow", "escalate"]
    put(guard, signed(guard, asked(guard).escalation, calls=9, minutes=10**6))
    clock.now += 60 * MINUTE
    assert asked(guard).verdict == Verdict.ESCALATE


def test_of_several_answers_the_narrowest_counts(desk):
    given = with_config(standing={"calls": 3, "minutes": 60}, quorum=2)
    guard = desk(given, approvers=BOTH)
    decision = asked(guard)
    answers(guard, decision, calls=3, minutes=60)
    answers(guard, decision, EVE)
    assert [asked(guard).verdict.word for _ in range(2)] == ["allow", "escalate"]


def test_a_withdrawn_question_is_not_answered_and_may_be_asked_again(desk):
    guard = desk()
    decision = asked(guard)
    record = guard.withdraw(decision.escalation.id, by="ops", reason="a mistake")
    assert record.content["status"] == "cancelled"
    assert guard.pending() == []
    with pytest.raises(StoreError, match="is cancelled"):
        answers(guard, decision)
    assert asked(guard).escalation.round == 2


def test_an_approval_can_be_taken_back(desk):
    guard = desk(STANDING)
    decision = asked(guard)
    answers(guard, decision, calls=3, minutes=60)
    assert asked(guard).verdict == Verdict.ALLOW
    guard.withdraw(decision.escalation.id, by="dana", reason="enough")
    assert asked(guard).verdict == Verdict.ESCALATE
    with pytest.raises(StoreError, match="no call waits there"):
        guard.withdraw("0" * 32, by="ops", reason="x")
    used = asked(guard, 400)
    answers(guard, used)
    asked(guard, 400)
    with pytest.raises(StoreError, match="is used"):
        guard.withdraw(used.escalation.id, by="ops", reason="too late")


def test_an_approval_outlives_policies_that_say_so(desk):
    keeps = with_config(outlives_policies=True)
    guard = desk(keeps)
    answers(guard, asked(guard))
    changed = desk({**keeps, "description": "changed"})
    assert asked(changed).verdict == Verdict.ALLOW
    answers(changed, asked(changed, 400))
    assert asked(desk(policy(CAP)), 400).verdict == Verdict.ESCALATE, "it is the rule in force that says so"


def test_what_an_answer_says_is_on_record(desk):
    guard = desk(STANDING)
    record = answers(guard, asked(guard), note="called", calls=2, minutes=9)
    said = {name: record.content[name] for name in ("by", "note", "where", "calls", "minutes", "tool", "status", "granted")}
    assert said == {
        "by": "dana",
        "note": "called",
        "where": "here",
        "calls": 2,
        "minutes": 9,
        "tool": "pay",
        "status": "approved",
        "granted": True,
    }


# -- people and services -------------------------------------------------------------------------------------------------

SERVICE = Signer("approvals.example", bytes([7]) * 32)


@pytest.fixture
def people(tmp_path):
    """A file with Dana, who has a key, Kim, who is known to a service, and Sam, an intern there."""
    known = {
        "dana": Principal("dana", roles=frozenset({"supervisor"}), keys=(DANA.verifier,)),
        "kim": Principal("kim", roles=frozenset({"supervisor"})),
        "sam": Principal("sam", roles=frozenset({"intern"})),
        "app": Principal("app", CLIENT),
    }
    file = PeopleFile(tmp_path / "people.json")
    file.write(People(known, (SERVICE.verifier,)))
    return file


def test_a_service_answers_for_people_it_knows(desk, people, tmp_path):
    guard = desk(approvers=tmp_path / "people.json")
    answers(guard, asked(guard), SERVICE, by="kim")
    assert asked(guard).reason == "rule `ask`: approved by kim"
    answers(guard, asked(guard))
    assert asked(guard).reason == "rule `ask`: approved by dana"


@pytest.mark.parametrize(
    ("signer", "by", "why"),
    [
        (SERVICE, "sam", "sam may not answer for `supervisor`"),
        (SERVICE, "nobody", "not signed by anybody"),
        (SERVICE, "approvals.example", "not signed by anybody"),
        (SERVICE, "app", "not signed by anybody"),
        (DANA, "kim", "not signed by anybody"),
        (EVE, "kim", "not signed by anybody"),
    ],
)
def test_nobody_answers_in_another_name(desk, people, signer, by, why):
    guard = desk(approvers=people.path)
    answers(guard, asked(guard), signer, by=by)
    decision = asked(guard)
    assert decision.verdict == Verdict.DENY
    assert why in decision.reason


def test_two_people_behind_one_service_are_two(desk, people, tmp_path):
    guard = desk(two(), approvers=tmp_path / "people.json")
    decision = asked(guard)
    answers(guard, decision, SERVICE, by="kim")
    with pytest.raises(StoreError, match="kim has answered"):
        answers(guard, decision, SERVICE, by="kim")
    answers(guard, decision, DANA)
    assert asked(guard).reason == "rule `ask`: approved by kim and dana"


def test_who_is_revoked_is_revoked_at_once(desk, people, tmp_path):
    guard = desk(approvers=tmp_path / "people.json")
    answers(guard, asked(guard), SERVICE, by="kim")
    known = people()
    people.write(replace(known, known={**known.known, "kim": replace(known.known["kim"], revoked=1)}))
    assert asked(guard).verdict == Verdict.DENY


def file_of(**changes):
    one = {"name": "x", "kind": "person", "roles": [], "keys": []}
    return json.dumps({"toolguard_people": 1, "people": [one], "services": [], **changes})


BROKEN = {
    "empty": "",
    "a list": "[]",
    "nothing": "{}",
    "deep": "[" * 10**5,
    "too long": " " * 2**22 + file_of(),
    "another version": file_of(toolguard_people=2),
    "nobody": file_of(people=[{}]),
    "another kind": file_of(people=[{"name": "x", "kind": "god", "roles": [], "keys": []}]),
    "no key": file_of(services=["x"]),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_people_that_cannot_be_read_approve_nothing(desk, people, tmp_path, text):
    guard = desk(approvers=tmp_path / "people.json")
    answers(guard, asked(guard))
    (tmp_path / "people.json").write_text(text)
    decision = asked(guard)
    assert decision.verdict == Verdict.DENY
    assert "approvers" in decision.reason
    with pytest.raises(StoreError, match="the approvers in"):
        desk(approvers=tmp_path / "people.json")


# -- waiting -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def waits(tmp_path):
    """A guard on a file, by the real clock, and what answers its next pending call, as another process would."""
    guard = Guard(policy(CAP), ledger=tmp_path / "l.db", approvers=APPROVERS)

    def someone(*, granted=True, count=1, act=None):
        def answering():
            done = set()
            while len(done) < count:
                for call in guard.pending():
                    if call.id not in done:
                        done.add(call.id)
                        if act:
                            act(guard)
                        else:
                            main(["approvals", "approve" if granted else "refuse", str(tmp_path / "l.db"), call.id, *key])
                time.sleep(0.01)

        thread = threading.Thread(target=answering)
        thread.start()
        return thread

    key_file = tmp_path / "dana.key"
    key_file.write_text(str(DANA))
    key_file.chmod(0o600)
    key = ["--key", str(key_file), "--note", "called the customer"]
    yield guard, someone
    guard.close()


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("granted", [False, True])
def test_a_guarded_tool_waits_for_the_answer(waits, granted, awaited):
    guard, someone = waits
    ran = []

    @guarded(guard)
    def pay(amount):
        ran.append(amount)
        return "paid"

    @guarded(guard, tool="pay")
    async def pay_async(amount):
        ran.append(amount)
        return "paid"

    def call():
        return asyncio.run(pay_async(300)) if awaited else pay(300)

    thread = someone(granted=granted)
    with guard.acting_as(agent_id="bot", session_id="s"):
        if granted:
            assert call() == "paid"
        else:
            with pytest.raises(ApprovalRefused, match="refused by dana: called the customer"):
                call()
    thread.join()
    assert ran == ([300] if granted else [])
    assert verify(guard.store.path).intact


def test_many_coroutines_wait_and_others_go_on(waits):
    guard, someone = waits

    @guarded(guard)
    async def pay(amount):
        return amount

    async def many():
        ticks = 0

        async def ticking():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        clock = asyncio.create_task(ticking())
        paid = await asyncio.gather(*(pay(201 + number) for number in range(20)))
        clock.cancel()
        return paid, ticks

    thread = someone(count=20)
    paid, ticks = asyncio.run(many())
    thread.join()
    assert paid == [201 + number for number in range(20)]
    assert ticks > 5


def test_a_halt_ends_the_wait(waits):
    guard, someone = waits
    thread = someone(act=lambda guard: guard.halt("tool:pay", reason="an incident", by="ops"))
    with pytest.raises(ToolHalted, match="an incident"):
        guarded(guard, tool="pay")(lambda amount: amount)(300)
    thread.join()


def test_nobody_answers(desk, clock):
    guard = desk()
    decision = asked(guard)
    clock.now = decision.escalation.expires - 50_000_000
    with pytest.raises(ApprovalUnavailable, match="nobody has answered in time"):
        guard.approve(decision)


def test_after_a_restart_the_answer_is_still_there_and_is_used_once(desk):
    answers(guard := desk(), asked(guard))
    again = desk()
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda _: asked(again).verdict, range(16)))
    assert verdicts.count(Verdict.ALLOW) == 1
    assert verdicts.count(Verdict.ESCALATE) == 15


def test_nobody_looks_when_nobody_waits(desk, clock):
    guard = desk()
    decision = asked(guard)
    clock.now = decision.escalation.expires - 1_000_000
    for _ in range(3):
        with pytest.raises(ApprovalUnavailable):
            guard.approve(decision)
    with pytest.raises(ApprovalUnavailable):
        asyncio.run(guard.approve_async(decision))
    end = time.monotonic() + 5
    while any(thread.name == "toolguard-answers" for thread in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(thread.name == "toolguard-answers" for thread in threading.enumerate())


@pytest.mark.parametrize("touched", [True, False], ids=["visible long after it was written", "written without a sign"])
def test_an_answer_is_found_whenever_it_becomes_visible(touched):
    looks = []

    def look():
        looks.append(1)
        return Seen(1, ("one",), 0) if len(looks) > LINGER + 3 else Seen(0, (), 0)

    def sign():
        return touched and len(looks) > LINGER

    assert Waiting(look, sign).until("one", lambda: len(looks) > LINGER + 3, 10)


def test_a_ledger_that_is_not_touched_is_rarely_read(waits):
    looks, (guard, _) = [], waits
    touched = guard.store.touched()

    def look():
        looks.append(guard.store.touched())
        return Seen(0, (), 0)

    assert not Waiting(look, guard.store.touched).until("one", lambda: False, 1.0)
    assert set(looks) == {touched}
    assert len(looks) < 1.0 / STEP / 2


# -- the command line --------------------------------------------------------------------------------------------------


def test_from_the_command_line(tmp_path, capsys):
    path, key = tmp_path / "l.db", tmp_path / "dana.key"
    key.write_text(str(DANA))
    key.chmod(0o600)
    with Guard(policy(CAP), ledger=path, approvers=APPROVERS) as guard:
        assert main(["approvals", "list", str(path)]) == 0
        assert capsys.readouterr().out == "nothing waits\n"
        decision = guard.evaluate("pay", {"amount": 300, "note": "for \x1b[31mboots"}, agent_id="bot")
        short = decision.escalation.id[:8]
        main(["approvals", "list", str(path)])
        assert f"{short}    29 min left for supervisor  pay: rule `ask`" in capsys.readouterr().out
        main(["approvals", "show", str(path), short])
        out = capsys.readouterr().out
        assert "  amount = 300\n" in out
        assert "for \\u001b[31mboots" in out, "what the model wrote does not speak to the terminal"
        assert main(["approvals", "approve", str(path), short]) == 2
        assert main(["approvals", "approve", str(path), "--key", str(key)]) == 2
        assert main(["approvals", "approve", str(path), "ffff", "--key", str(key)]) == 2
        capsys.readouterr()
        assert main(["approvals", "approve", str(path), short, "--key", str(key), "--note", "x" * 10**6]) == 0
        assert "approved by dana; that is record 3" in capsys.readouterr().out
        assert main(["approvals", "approve", str(path), short, "--key", str(key)]) == 2, "it does not wait any more"
        assert guard.evaluate("pay", {"amount": 300, "note": "for \x1b[31mboots"}, agent_id="bot").allowed
    assert verify(path).intact


@pytest.mark.parametrize("approvers", [{"x": ["a"]}, {str(DANA.verifier): "supervisor"}, {str(DANA): ["a"]}])
def test_approvers_that_are_none(approvers):
    with pytest.raises(ValueError, match=r"no key|as a list"):
        Guard(policy(), ledger=":memory:", approvers=approvers)


def test_watching_and_taking_back_from_the_command_line(tmp_path, capsys, monkeypatch):
    path, key = str(tmp_path / "l.db"), tmp_path / "dana.key"
    key.write_text(str(DANA))
    key.chmod(0o600)
    with Guard(STANDING, ledger=path, approvers=APPROVERS) as guard:
        asked(guard)
        words = iter(["a", "fine", "l"])
        monkeypatch.setattr("builtins.input", lambda _: next(words))

        def again(_):
            if not guard.pending():
                asked(guard, 400)
            else:
                raise KeyboardInterrupt

        monkeypatch.setattr("toolguard.cli.approvals.time", SimpleNamespace(sleep=again, time_ns=time.time_ns))
        assert main(["approvals", "watch", path, "--key", str(key), "--calls", "2", "--minutes", "9"]) == 0
        said = capsys.readouterr().out
        assert "approved by dana" in said
        assert "is answered, or over" in said
        assert main(["approvals", "list", path]) == 0
        listed = capsys.readouterr().out
        assert "approved  pay" in listed
        standing = next(line for line in listed.splitlines() if "approved" in line).split()[0]
        assert main(["approvals", "withdraw", path, standing, "--note", "enough"]) == 0
        assert asked(guard).verdict == Verdict.ESCALATE


@pytest.mark.parametrize("granted", [False, True])
def test_what_was_shown_is_forgotten_when_it_is_answered(desk, granted):
    guard = desk()
    decision = guard.evaluate("pay", {"amount": 300, "note": "confidential"}, agent_id="bot")
    assert "confidential" in str(guard.store.state())
    answers(guard, decision, granted=granted)
    assert "confidential" not in str(guard.store.state())
    assert guard.evaluate("pay", {"amount": 300, "note": "confidential"}, agent_id="bot").allowed is granted


def test_without_approvers_nothing_waits():
    with Guard(policy(), ledger=":memory:") as guard:
        decision = asked(guard)
        assert (decision.verdict, decision.escalation, guard.store.state()) == (Verdict.ESCALATE, None, {})
        with pytest.raises(ApprovalUnavailable, match="no approver is set"):
            guarded(guard, tool="pay")(lambda amount: amount)(300)
        assert issubclass(ApprovalUnavailable, ToolDenied)


# -- the whole of it ---------------------------------------------------------------------------------------------------


class Calls(RuleBasedStateMachine):
    """Two guards on one ledger, a clock that jumps, restarts; a model that only knows which answers live and are unused."""

    @initialize()
    def begin(self):
        self.clock, self.store, self.live = Clock(), MemoryStore(), {}
        self.guards = [self.opened() for _ in range(2)]
        self.waiting = {}

    def opened(self):
        return Guard(policy(CAP), ledger=self.store, approvers=APPROVERS, now=self.clock)

    @rule(which=st.integers(0, 1), amount=st.sampled_from([100, 300, 400, 600]), agent=st.sampled_from("ab"))
    def call(self, which, amount, agent):
        decision = asked(self.guards[which], amount, agent_id=agent)
        key = (amount, agent)
        granted, expires = self.live.get(key, (None, 0))
        if expires <= self.clock.now:
            granted = None
        expected = {100: Verdict.ALLOW, 600: Verdict.DENY}.get(
            amount, {True: Verdict.ALLOW, False: Verdict.DENY, None: Verdict.ESCALATE}[granted]
        )
        assert decision.verdict == expected
        if amount in (300, 400) and granted:
            del self.live[key]  # it is used
        if decision.verdict == Verdict.ESCALATE:
            self.waiting[key] = decision.escalation

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), granted=st.booleans(), signer=st.sampled_from([DANA, SAM, EVE]))
    def answer(self, data, granted, signer):
        key = data.draw(st.sampled_from(sorted(self.waiting)))
        kept = self.waiting[key]
        try:
            answer(Log(self.store, self.clock, {}), kept.key, signer, Reply(granted, signer.name))
        except StoreError:
            assert kept.expires <= self.clock.now or key in self.live or kept.round
            return
        assert self.clock.now < kept.expires
        self.live[key] = (granted and signer is DANA, kept.expires)  # another's answer counts as a refusal
        del self.waiting[key]

    @rule(minutes=st.integers(0, 40))
    def later(self, minutes):
        self.clock.now += minutes * MINUTE

    @rule(which=st.integers(0, 1))
    def restart(self, which):
        self.guards[which] = self.opened()

    @invariant()
    def every_answer_is_in_the_chain(self):
        if hasattr(self, "store"):
            said = sum(record.content["kind"] == "answer" for record in self.store.scan())
            assert said == last_answers(self.store.state().get(ANSWERS))[0]


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


def test_the_answer_is_a_text_that_says_all_it_answers():
    given = Answer("l" * 64, "i" * 32, 3, granted=True, time=5, by="dana", note='line\nand "quotes"')
    assert Answer.parse(given.text) == given
    for wrong in (
        "",
        "x",
        given.text + "more\n",
        given.text.replace("toolguard", "another"),
        given.text.replace("true", "1"),
        given.text.replace('"round": 3', '"round": 03'),
        given.text.replace('"calls": 1', '"calls": 0'),
        given.text.replace('"minutes": 0', '"minutes": -1'),
        given.text.replace('"by"', '"who"'),
        given.text.replace("{", "["),
        "toolguard answer\n" + "[" * 10**5,
    ):
        with pytest.raises(ValueError, match=r".*"):
            Answer.parse(wrong)
