"""What has to hold for every policy and every call."""

import asyncio

from conftest import policy
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import CALLS, PARAMS, RESTRICTING, RULES, numbered

from toolguard import Guard, ToolDenied, Verdict, guarded
from toolguard.engine.compile import PolicySet
from toolguard.engine.decide import decide

RULE_LISTS = st.lists(RULES, min_size=1, max_size=5)


def verdict(policies, call, unmatched=Verdict.DENY):
    return decide(PolicySet(policies, unmatched), call).verdict


@given(RULE_LISTS, CALLS, st.randoms())
def test_order_of_rules_does_not_matter(rules, call, random):
    before = decide(PolicySet([policy(numbered(rules))]), call)
    shuffled = numbered(rules)
    random.shuffle(shuffled)
    after = decide(PolicySet([policy(shuffled)]), call)
    assert after.verdict == before.verdict
    assert {hit.rule_id for hit in after.hits} == {hit.rule_id for hit in before.hits}


@given(st.lists(RULE_LISTS, min_size=1, max_size=4), CALLS, st.randoms())
def test_order_of_policies_does_not_matter(groups, call, random):
    policies = [policy(numbered(rules), f"p{i}") for i, rules in enumerate(groups)]
    before = PolicySet(policies)
    random.shuffle(policies)
    after = PolicySet(policies)
    assert decide(after, call).verdict == decide(before, call).verdict
    assert after.revision == before.revision


@given(RULE_LISTS, RULES, RESTRICTING, CALLS)
def test_adding_a_restricting_rule_never_loosens(rules, extra, effect, call):
    before = verdict([policy(numbered(rules))], call)
    assert verdict([policy(numbered([*rules, {**extra, "effect": effect}]))], call) >= before
    separate = policy(numbered([{**extra, "effect": effect}]), "other")
    assert verdict([policy(numbered(rules)), separate], call) >= before


@given(RULE_LISTS, CALLS)
def test_the_verdict_is_the_most_restrictive_hit(rules, call):
    decision = decide(PolicySet([policy(numbered(rules))]), call)
    assert decision.verdict == max((hit.effect for hit in decision.hits), default=Verdict.ALLOW)
    assert list(decision.hits) == sorted(decision.hits, key=lambda hit: -hit.effect)


@given(RULE_LISTS, RULE_LISTS, CALLS, st.sampled_from(Verdict))
def test_a_shadow_policy_never_changes_a_verdict(rules, shadow_rules, call, unmatched):
    shadow = policy(numbered(shadow_rules), "shadow", mode="shadow")
    assert verdict([policy(numbered(rules)), shadow], call) == verdict([policy(numbered(rules))], call)
    assert verdict([shadow], call, unmatched) == unmatched


@given(RULE_LISTS, CALLS, st.sampled_from(["draft", "review", "archived"]))
def test_only_approved_policies_decide(rules, call, status):
    unapproved = policy(numbered(rules), "other", status=status)
    assert verdict([unapproved], call) == Verdict.DENY
    allows = policy([{"rule_id": "r", "effect": "allow", "conditions": {"field": "tool_name", "operator": "exists"}}])
    assert verdict([allows, unapproved], call) == Verdict.ALLOW


@given(RULE_LISTS, CALLS)
def test_an_allow_rule_never_fires_on_what_it_cannot_evaluate(rules, call):
    decision = decide(PolicySet([policy(numbered([{**rule, "effect": "allow"} for rule in rules]))]), call)
    assert decision.verdict == Verdict.ALLOW
    assert not any(hit.indeterminate for hit in decision.hits)


@given(RULE_LISTS, CALLS)
def test_a_decision_is_a_function_of_its_arguments(rules, call):
    policies = PolicySet([policy(numbered(rules))])
    assert decide(policies, call) == decide(policies, call) == decide(PolicySet(policies.policies), call)


@settings(deadline=None, max_examples=50)  # an event loop starts for every example
@given(RULE_LISTS, PARAMS)
def test_sync_and_async_agree(rules, params):
    guard = Guard(policy(numbered(rules)), ledger=":memory:", approver=lambda decision: len(decision.hits) % 2 == 0)

    @guarded(guard, tool="t")
    def plain(**kwargs):
        return kwargs

    @guarded(guard, tool="t")
    async def coroutine(**kwargs):
        return kwargs

    @guarded(guard, tool="t")
    def generator(**kwargs):
        yield kwargs

    @guarded(guard, tool="t")
    async def async_generator(**kwargs):
        yield kwargs

    async def drained():
        return await anext(async_generator(**params))

    def result(run):
        try:
            return run()
        except ToolDenied as denied:
            return type(denied), str(denied)

    expected = result(lambda: plain(**params))
    assert result(lambda: asyncio.run(coroutine(**params))) == expected
    assert result(lambda: next(generator(**params))) == expected
    assert result(lambda: asyncio.run(drained())) == expected
