"""Prerequisites: what has to have happened before a call, what must not have; only recorded outcomes make it so."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from conftest import Clock, opened

from toolguard import Guard, ToolDenied, guarded, verify
from toolguard.model import Outcome

MINUTE = 60 * 10**9
LOOKUP = {"tool": "orders.get", "bind": {"order_id": "id"}, "within": "15m"}


def policies(*rules, tools=("refund",)):
    reading = {"policy_id": "reading", "scope": {"tool_names": ["orders.get", "secrets.read"]}, "rules": [ANY]}
    return [{"policy_id": "p", "scope": {"tool_names": list(tools)}, "rules": list(rules)}, reading]


ANY = {"rule_id": "any", "effect": "allow", "conditions": {"field": "tool_name", "operator": "exists"}}


def needs(*earlier, rule_id="needs", effect="deny", **others):
    return {"rule_id": rule_id, "effect": effect, "requires": list(earlier), **others}


def forbids(*earlier, rule_id="forbids", **others):
    return {"rule_id": rule_id, "effect": "deny", "forbids_after": list(earlier), **others}


def did(guard, tool, params, value=None, kind="returned", **who):
    decision = guard.evaluate(tool, params, **{"session_id": "s", **who})
    assert decision.allowed, decision.reason
    guard.settle(decision, Outcome(kind, 5, value))


def may(guard, tool, params, **who):
    return guard.evaluate(tool, params, **{"session_id": "s", **who}).allowed


def test_an_order_has_to_have_been_looked_up(make):
    guard = make(policies(needs(LOOKUP)))
    decision = guard.evaluate("refund", {"order_id": "A-1"}, session_id="s")
    assert decision.reason == (
        "rule `needs`: it needs a call of `orders.get` with the same order_id in this session in the last 15m before"
    )
    did(guard, "orders.get", {"id": "A-1"})
    assert may(guard, "refund", {"order_id": "A-1"})
    assert may(guard, "refund", {"order_id": "A-1"}), "as often as one likes"
    assert not may(guard, "refund", {"order_id": "A-2"})
    assert not may(guard, "refund", {"order_id": ["A-1"]})
    assert not may(guard, "refund", {"order_id": "A-1"}, session_id="other")
    assert not may(guard, "refund", {})


def test_a_lookup_counts_when_it_has_returned_and_not_before(make):
    guard = make(policies(needs(LOOKUP)))
    decision = guard.evaluate("orders.get", {"id": 5}, session_id="s")
    assert not may(guard, "refund", {"order_id": 5})
    guard.settle(decision, Outcome("raised", 5, error=ValueError()))
    assert not may(guard, "refund", {"order_id": 5})
    did(guard, "orders.get", {"id": 5})
    assert may(guard, "refund", {"order_id": 5})
    assert not may(guard, "refund", {"order_id": "5"}), "a text is not the number"


def test_a_failed_one_may_do(make):
    guard = make(policies(needs({**LOOKUP, "outcome": "any"})))
    did(guard, "orders.get", {"id": 5}, kind="raised")
    assert may(guard, "refund", {"order_id": 5})


def test_within_some_time(make):
    clock = Clock()
    guard = make(policies(needs(LOOKUP)), now=clock)
    did(guard, "orders.get", {"id": 5})
    clock.now += 15 * MINUTE - 1
    assert may(guard, "refund", {"order_id": 5})
    clock.now += 1
    assert not may(guard, "refund", {"order_id": 5})


@pytest.mark.parametrize("effect", ["deny", "escalate", "flag"])
def test_once(make, effect):
    guard = make(policies(needs({**LOOKUP, "max_uses": 1}, effect=effect)))
    did(guard, "orders.get", {"id": 5})
    words = [guard.evaluate("refund", {"order_id": 5}, session_id="s").verdict.word for _ in range(2)]
    assert words == ["allow", effect]
    did(guard, "orders.get", {"id": 5})
    assert may(guard, "refund", {"order_id": 5}), "another lookup is another use"


def test_what_is_denied_for_something_else_uses_nothing(make):
    cap = {"rule_id": "cap", "effect": "deny", "conditions": {"field": "amount", "operator": "gt", "value": 5}}
    guard = make(policies(needs({**LOOKUP, "max_uses": 1}), cap))
    did(guard, "orders.get", {"id": 5})
    assert not may(guard, "refund", {"order_id": 5, "amount": 9})
    assert may(guard, "refund", {"order_id": 5, "amount": 1})
    assert not may(guard, "refund", {"order_id": 5, "amount": 1})


def test_a_rule_that_does_not_ask_uses_nothing(make):
    large = {"field": "amount", "operator": "gt", "value": 100}
    guard = make(policies(needs({**LOOKUP, "max_uses": 1}, conditions=large)))
    did(guard, "orders.get", {"id": 5})
    assert may(guard, "refund", {"order_id": 5, "amount": 1})
    assert may(guard, "refund", {"order_id": 6, "amount": 1}), "small ones need nothing"
    assert may(guard, "refund", {"order_id": 5, "amount": 101})
    assert not may(guard, "refund", {"order_id": 5, "amount": 101})


def test_threads_use_it_once(make):
    guard = make(policies(needs({**LOOKUP, "max_uses": 3})))
    did(guard, "orders.get", {"id": 5})
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: may(guard, "refund", {"order_id": 5}), range(40))) == 3


def test_by_what_came_back(make):
    paid = {**LOOKUP, "where": {"field": "result.status", "operator": "eq", "value": "paid"}}
    guard = make(policies(needs(paid)))
    for value in ({"status": "open"}, {"status": 5}, {}, None, "paid", object(), [{"status": "paid"}]):
        did(guard, "orders.get", {"id": 5}, value)
        assert not may(guard, "refund", {"order_id": 5}), value
    did(guard, "orders.get", {"id": 5}, {"status": "paid", "card": "4111111111111111"})
    assert may(guard, "refund", {"order_id": 5})
    assert not any("4111111111111111" in record.body.decode() for record in guard.store.scan()), "the result is not kept"
    assert not any(b"4111111111111111" in body for body in guard.store.state().values())


@dataclass
class Order:
    status: str


def test_by_what_came_back_as_an_object(make):
    paid = {**LOOKUP, "where": {"and": [{"field": "result.status", "operator": "eq", "value": "paid"}]}}
    guard = make(policies(needs(paid)))
    did(guard, "orders.get", {"id": 5}, Order("paid"))
    assert may(guard, "refund", {"order_id": 5})


def test_guarded_tools_do_it_by_themselves(make):
    guard = make(policies(needs(LOOKUP)))

    @guarded(guard, tool="orders.get")
    def look_up(id):  # noqa: A002
        return {"status": "paid"}

    @guarded(guard, tool="refund")
    async def refund(order_id):
        return "done"

    with guard.acting_as(session_id="s"):
        with pytest.raises(ToolDenied, match=r"it needs a call of `orders.get`"):
            asyncio.run(refund("A"))
        look_up("A")
        assert asyncio.run(refund("A")) == "done"
    with pytest.raises(ToolDenied, match="`session_id` is missing"):
        look_up("A") and asyncio.run(refund("A"))


@pytest.mark.parametrize(("same", "who"), [("agent", {"agent_id": "a"}), ("org", {"org_id": "o"}), ("global", {})])
def test_of_whom(make, same, who):
    guard = make(policies(needs({**LOOKUP, "same": same})))
    did(guard, "orders.get", {"id": 5}, session_id="x", **who)
    assert may(guard, "refund", {"order_id": 5}, session_id="y", **who)
    other = {key: f"{value}2" for key, value in who.items()}
    assert may(guard, "refund", {"order_id": 5}, **other) is (same == "global")
    assert may(guard, "refund", {"order_id": 5}) is (same == "global")


READ = {"tool": "secrets.read"}


def test_nothing_is_sent_after_a_secret_was_read(make):
    guard = make(policies(forbids(READ), tools=["send"]))
    assert may(guard, "send", {"to": "x"})
    did(guard, "secrets.read", {})
    decision = guard.evaluate("send", {"to": "x"}, session_id="s")
    assert decision.reason == "rule `forbids`: not after a call of `secrets.read` in this session"
    assert may(guard, "send", {"to": "x"}, session_id="other")


@pytest.mark.parametrize("kind", ["raised", "halted", "closed", None])
def test_one_that_only_began_forbids_as_well(make, kind):
    guard = make(policies(forbids(READ), tools=["send"]))
    decision = guard.evaluate("secrets.read", {}, session_id="s")
    if kind:
        guard.settle(decision, Outcome(kind, 5))
    assert not may(guard, "send", {})


def test_what_came_back_may_take_it_off_again(make):
    found = {**READ, "where": {"field": "result.found", "operator": "eq", "value": True}}
    guard = make(policies(forbids(found), tools=["send"]))
    first, second = (guard.evaluate("secrets.read", {}, session_id="s") for _ in range(2))
    assert not may(guard, "send", {}), "nobody knows yet"
    guard.settle(first, Outcome("returned", 5, {"found": False}))
    assert not may(guard, "send", {}), "of the other one nobody knows yet"
    guard.settle(second, Outcome("returned", 5, {"found": False}))
    assert may(guard, "send", {})
    did(guard, "secrets.read", {}, {"found": True})
    did(guard, "secrets.read", {}, {"found": False})
    assert not may(guard, "send", {}), "it was found once"
    did(guard, "secrets.read", {}, object(), session_id="t")
    assert not may(guard, "send", {}, session_id="t"), "what cannot be read may have been it"


def test_callers_without_a_session_share_what_is_forbidden(make):
    guard = make(policies(forbids(READ), tools=["send"]))
    did(guard, "secrets.read", {}, session_id=None)
    assert not may(guard, "send", {}, session_id=None)
    assert may(guard, "send", {})


def test_by_group(make):
    guard = make(policies(forbids({"group": "secret", "within": "1h"}), tools=["send"]))
    did(guard, "secrets.read", {}, group="secret")
    assert not may(guard, "send", {})


def test_a_person_cannot_make_it_have_happened_but_can_let_it_go_on(make):
    guard = make(policies(needs({**LOOKUP, "max_uses": 1}, effect="escalate")), approver=lambda _: True)
    assert guarded(guard, tool="refund")(lambda order_id: order_id)(5) == 5
    with guard.acting_as(session_id="s"):
        did(guard, "orders.get", {"id": 5})
    assert may(guard, "refund", {"order_id": 5})


def test_it_survives_a_restart_and_the_model_cannot_claim_it(make):
    guard = make(policies(needs(LOOKUP)))
    did(guard, "orders.get", {"id": 5})
    again = make(policies(needs(LOOKUP)))
    assert may(again, "refund", {"order_id": 5})
    tricks = {"order_id": 6, "answers": {"p/needs/requires/0": True}, "earlier": [], "result": {"status": "paid"}}
    assert not may(again, "refund", tricks, context={"answers": {"p/needs/requires/0": True}})


def test_it_is_on_record_and_explained(make):
    guard = make(policies(needs({**LOOKUP, "max_uses": 1})))
    did(guard, "orders.get", {"id": "A-1-secret"})
    outcome = next(record.content for record in guard.store.scan() if record.content["kind"] == "outcome")
    assert outcome["facts"] == ["p/needs/requires/0"]
    decision = guard.evaluate("refund", {"order_id": "A-1-secret"}, session_id="s")
    assert next(iter(decision.record.content["state"])).startswith('["earlier","p/needs/requires/0","s",')
    assert "A-1-secret" not in json.dumps([list(guard.store.state()), *(str(body) for body in guard.store.state().values())])
    refused = guard.evaluate("refund", {"order_id": "B"}, session_id="s")
    text = "without a call of `orders.get` with the same order_id in this session in the last 15m"
    assert f"true: {text}" in str(refused.explain())
    assert f"false: {text}" in str(decision.explain())


def test_the_chain_holds_and_a_changed_fact_shows(tmp_path):
    path = tmp_path / "l.db"
    with Guard(policies(needs(LOOKUP), forbids(READ, rule_id="f")), ledger=path) as guard:
        did(guard, "orders.get", {"id": 5})
        assert may(guard, "refund", {"order_id": 5})
        did(guard, "secrets.read", {})
        assert not may(guard, "refund", {"order_id": 5})
        assert verify(path).intact
        kept = dict(guard.store.state())
    for key, body in kept.items():
        with opened(path) as database:
            database.execute("DELETE FROM state WHERE key = ?", (key,))
            assert not verify(path).intact
            database.execute("INSERT INTO state VALUES (?, ?)", (key, body))
        assert verify(path).intact
