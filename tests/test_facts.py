"""`facts:` of a policy and the reference's nodes: facts are fields, what is not known stops and never permits."""

import pytest
from conftest import agrees, leaf, rule

from toolguard import Guard, PolicyError, Verdict
from toolguard.policy.condition import Leaf, parts
from toolguard.policy.load import dump_policy, load_policies

TARGET = {"target": {"url": "parameters.url"}}
PUBLIC = "https://example.com/"


def verdict(conditions, params, effect="deny", facts=TARGET, **call):
    """What one rule makes of one call."""
    given = {"policy_id": "p", "facts": facts, "rules": [rule(conditions, effect)]}
    with Guard(given, ledger=":memory:") as guard:
        decision = guard.evaluate("fetch", params, **call)
        agrees(decision)
    return decision


PRIVATE = leaf("target.is_private", "eq", True)


@pytest.mark.parametrize(
    ("params", "fires", "why"),
    [
        ({"url": PUBLIC}, False, None),
        ({"url": "http://10.0.0.1/"}, True, None),
        ({"url": "http://0x0a.1/"}, True, "`parameters.url` has a host that is not written the usual way"),
        ({"url": 5}, True, "`parameters.url` is a number, not text"),
        ({"url": None}, True, "`parameters.url` is null, not text"),
        ({}, True, "`parameters.url` is missing"),
    ],
)
def test_what_is_not_known_of_a_text_fires_a_restricting_rule_and_never_an_allow_rule(params, fires, why):
    denied = verdict(PRIVATE, params)
    assert (denied.verdict == Verdict.DENY) is fires
    assert (denied.hits[0].indeterminate if denied.hits else None) == why
    assert not verdict({"not": PRIVATE}, params, "allow").hits or not fires
    for negative in (leaf("target.host", "not_in", ["evil.com"]), leaf("target.host", "not_contains", "evil")):
        assert bool(verdict(negative, params, "allow").hits) is (why is None), "a missing text has no facts to lean on"


def test_any_of_many_texts():
    conditions = {"field": "target.is_private", "operator": "eq", "value": True}
    facts = {"target": {"url": "parameters.urls[*]"}}
    assert verdict(conditions, {"urls": [PUBLIC, "http://10.0.0.1/"]}, facts=facts).verdict == Verdict.DENY
    assert verdict(conditions, {"urls": [PUBLIC, PUBLIC]}, facts=facts).verdict == Verdict.ALLOW
    assert verdict(conditions, {"urls": []}, facts=facts).verdict == Verdict.ALLOW
    assert verdict(conditions, {"urls": [PUBLIC, 5]}, facts=facts).verdict == Verdict.DENY
    assert verdict(conditions, {"urls": PUBLIC}, facts=facts).verdict == Verdict.DENY


def test_a_setting_of_the_call_may_be_missing_and_is_then_not_known():
    facts = {"target": {"url": "parameters.url", "method": "parameters.method"}}
    post = leaf("target.method", "eq", "POST")
    assert verdict(post, {"url": PUBLIC, "method": "post"}, facts=facts).verdict == Verdict.DENY
    assert verdict(post, {"url": PUBLIC, "method": "GET"}, facts=facts).verdict == Verdict.ALLOW
    assert verdict(post, {"url": PUBLIC}, facts=facts).reason == "`target.method` is not known, so rule `r` cannot be evaluated"
    assert verdict(post, {"url": PUBLIC, "method": 5}, facts=facts).verdict == Verdict.DENY


def test_a_parameter_cannot_take_the_place_of_facts():
    params = {"url": "http://10.0.0.1/", "target": {"is_private": False}, "target.is_private": False}
    assert verdict(PRIVATE, params).verdict == Verdict.DENY


def test_facts_can_be_compared_with_a_field():
    facts = {"target": {"url": "parameters.url"}}
    conditions = {
        "and": [leaf("target.port", "gt_field", "parameters.limit"), leaf("parameters.limit", "lt_field", "target.port")]
    }
    assert verdict(conditions, {"url": "http://example.com:9000/", "limit": 1024}, facts=facts).verdict == Verdict.DENY
    assert verdict(conditions, {"url": "http://example.com:80/", "limit": 1024}, facts=facts).verdict == Verdict.ALLOW
    assert verdict(conditions, {"limit": 1024}, facts=facts).verdict == Verdict.DENY


def test_facts_of_the_host_programs_words():
    facts = {"home": {"url": "context.base_url"}}
    conditions = leaf("home.scheme", "neq", "https")
    assert verdict(conditions, {}, facts=facts, context={"base_url": PUBLIC}).verdict == Verdict.ALLOW
    assert verdict(conditions, {"base_url": PUBLIC}, facts=facts).verdict == Verdict.DENY


NODE = {"http_classify": {"require": {"allowed_hosts": ["api.internal", ".example.com"], "denied_methods": ["delete"]}}}


@pytest.mark.parametrize(
    ("params", "fires"),
    [
        ({"url": "https://api.internal/x"}, False),
        ({"url": "https://example.com/x", "method": "GET"}, False),
        ({"url": "https://a.b.example.com./x"}, False),
        ({"url": "https://badexample.com/"}, True),
        ({"url": "https://example.com.evil.com/"}, True),
        ({"url": "https://api.internal/x", "method": "Delete"}, True),
        ({"url": "https://api.internal/x", "method": ["DELETE"]}, True),
        ({"url": "https://api.internal@evil.com/"}, True),
        ({}, True),
    ],
)
def test_the_references_node_for_urls(params, fires):
    assert (verdict(NODE, params).verdict == Verdict.DENY) is fires


def test_a_node_is_rewritten_into_leaves_that_load_again():
    given = {
        "policy_id": "p",
        "facts": {"http_classify_2": {"url": "parameters.u"}},
        "rules": [rule({"or": [NODE, {"and": [NODE, NODE]}]}), rule(NODE, rule_id="s")],
    }
    (made,) = load_policies(given)
    assert set(made.facts) == {"http_classify_2", "http_classify"}
    for each in made.rules:
        leaves = [node for _, node in parts(each.conditions) if isinstance(node, Leaf)]
        assert {node.field.partition(".")[0] for node in leaves} <= {*made.facts, "parameters"}
    assert load_policies(dump_policy(made)) == (made,)


def test_a_node_over_a_list_of_denied_things_leaves_calls_without_a_url_alone():
    node = {"http_classify": {"url_field": "parameters.link", "require": {"denied_hosts": [".evil.com", "10.0.0.1"]}}}
    assert verdict(node, {"text": "hello"}).verdict == Verdict.ALLOW
    assert verdict(node, {"link": "https://x.EVIL.com/"}).verdict == Verdict.DENY
    assert verdict(node, {"link": "http://[::ffff:10.0.0.1]/"}).verdict == Verdict.DENY


def test_every_problem_of_a_binding_is_placed():
    text = (
        "policy_id: p\n"
        "facts:\n"
        "  target: {url: parameters.url}\n"
        "  amount: {url: parameters.url}\n"
        "  other: {url: parameters.url, methods: parameters.method}\n"
        "rules: [{rule_id: r, effect: deny, conditions: {field: target.hots, operator: eq, value: x}}]\n"
    )
    with pytest.raises(PolicyError) as refused:
        load_policies(text)
    assert [(p.line, p.column) for p in refused.value.problems] == [(4, 3), (5, 32), (6, 49)]
    assert "did you mean `target.host`" in str(refused.value)
