"""The figures of an agent's past that the reference's policies ask for, kept by the guard: exact, its own, and out of reach."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Clock

from toolguard import Guard
from toolguard.figures import FIGURES

HOUR = 3600 * 10**9


def policy(field, value, effect="deny", operator="gt"):
    rule = {"rule_id": "r", "effect": effect, "conditions": {"field": field, "operator": operator, "value": value}}
    return {"policy_id": "p", "scope": {"tool_names": ["pay"]}, "rules": [rule]}


def words(guard, *amounts, **who):
    who = {"agent_id": "bot", "session_id": "s", **who}
    return [guard.evaluate("pay", {"amount": amount}, **who).verdict.word for amount in amounts]


VELOCITY = "context.verified.agent_velocity.monetary_sum_1h"


def test_the_velocity_has_this_call_in_it_and_slides():
    clock = Clock()
    with Guard(policy(VELOCITY, 1000), ledger=":memory:", track=True, now=clock) as guard:
        assert words(guard, 600, 400, 1, "0.5", 0) == ["allow", "allow", "deny", "deny", "allow"]
        assert words(guard, 1000, agent_id="other") == ["allow"]
        clock.now += HOUR
        assert words(guard, 1000) == ["allow"]


def test_the_race_that_the_reference_loses():
    """Sums of 100 under 1,000: there, 41 of 64 calls at once got through."""
    with Guard(policy(VELOCITY, 1000), ledger=":memory:", track=True) as guard, ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda _: words(guard, 100)[0], range(64))).count("allow") == 10


@pytest.mark.parametrize("claimed", [{"agent_velocity": {"monetary_sum_1h": 0}}, {}, {"agent_velocity": 5}])
def test_what_is_passed_counts_only_where_the_guard_keeps_nothing(claimed):
    context = {"verified": claimed}
    with Guard(policy(VELOCITY, 1000), ledger=":memory:", track=True) as guard:
        assert words(guard, 600, 600, context=context) == ["allow", "deny"]
    passed = {"verified": {"agent_velocity": {"monetary_sum_1h": 900}}}
    with Guard(policy(VELOCITY, 1000), ledger=":memory:") as guard:
        assert words(guard, 600, 600, context=passed) == ["allow", "allow"]


def test_what_else_is_passed_stays():
    both = policy(VELOCITY, 1000)
    both["rules"].append(
        {"rule_id": "s", "effect": "flag", "conditions": {"field": "context.verified.tier", "operator": "eq", "value": "gold"}}
    )
    with Guard(both, ledger=":memory:", track=True) as guard:
        decision = guard.evaluate("pay", {"amount": 5}, agent_id="bot", context={"verified": {"tier": "gold"}, "env": "x"})
        assert decision.verdict.word == "flag"
        assert decision.call.context == {
            "verified": {"tier": "gold", "agent_velocity": {"monetary_sum_1h": 5}},
            "env": "x",
        }
        assert decision.record.content["call"]["context"] == decision.call.context, "the record says what it was decided with"


@pytest.mark.parametrize("amount", ["x", -5, None, True, [1]])
def test_an_amount_that_cannot_be_read_is_no_zero(amount):
    with Guard(policy(VELOCITY, 1000), ledger=":memory:", track=True) as guard:
        decision = guard.evaluate("pay", {"amount": amount}, agent_id="bot")
        assert decision.reason == f"`{VELOCITY}` is missing, so rule `r` cannot be evaluated"
        assert words(guard, 1000) == ["allow"]


SESSION = [
    ("actions_in_session", 3, (1, 1, 1, 1, 1), ["allow", "allow", "allow", "deny", "deny"]),
    ("cumulative_amount", 9, (5, 5, 5), ["allow", "allow", "deny"]),
]


@pytest.mark.parametrize(("name", "most", "amounts", "expected"), SESSION)
def test_of_the_session(name, most, amounts, expected):
    with Guard(policy(f"context.session_state.{name}", most, operator="gte"), ledger=":memory:", track=True) as guard:
        assert words(guard, *amounts) == expected
        assert words(guard, amounts[0], session_id="t") == ["allow"]


def test_denials_of_the_session():
    given = policy("context.session_state.denied_in_session", 2, operator="gte")
    given["rules"].append(
        {"rule_id": "cap", "effect": "deny", "conditions": {"field": "amount", "operator": "gt", "value": 50}}
    )
    with Guard(given, ledger=":memory:", track=True) as guard:
        assert words(guard, 99, 1, 99, 1, 1) == ["deny", "allow", "deny", "deny", "deny"]


def test_escalations_of_the_session():
    given = policy("context.session_state.escalations_in_session", 1, operator="gte")
    ask = {"rule_id": "ask", "effect": "escalate", "conditions": {"field": "amount", "operator": "gt", "value": 50}}
    given["rules"].append(ask)
    with Guard(given, ledger=":memory:", track=True) as guard:
        assert words(guard, 1, 99, 1) == ["allow", "escalate", "deny"]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_kept_and_survives(tmp_path, name):
    kind = FIGURES[name]
    for _ in range(2):
        with Guard(policy(name, 10**9), ledger=tmp_path / "l.db", track=True) as guard:
            words(guard, 7)
    with Guard(policy(name, 10**9), ledger=tmp_path / "l.db", track=True) as guard:
        decision = guard.evaluate("pay", {"amount": 7}, agent_id="bot", session_id="s")
        value = decision.call.context
        for step in name.split(".")[1:]:
            value = value[step]
    calls = 3 if kind.own else 2
    expected = {"money": calls * 7 if kind.sums else calls, "runs": 2, "escalations": 0, "denials": 0}[kind.of]
    assert value == expected


def test_what_nobody_asks_about_is_not_kept():
    with Guard(policy("amount", 5), ledger=":memory:", track=True) as guard:
        assert words(guard, 1, 9) == ["allow", "deny"]
        assert guard.store.state() == {}
