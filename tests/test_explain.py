"""`decision.explain()` says what happened, and nothing that did not."""

import json

import pytest
from conftest import agrees, leaf, policy, rule
from hypothesis import given
from hypothesis import strategies as st
from strategies import CALLS, RULES, numbered

from toolguard import Guard
from toolguard.engine.compile import PolicySet
from toolguard.engine.decide import decide


@given(st.lists(RULES, min_size=1, max_size=4), CALLS)
def test_it_agrees_with_the_decision(rules, call):
    decision = decide(PolicySet([policy(numbered(rules))]), call)
    agrees(decision)
    json.dumps(decision.explain().to_dict())


@given(st.lists(RULES, min_size=1, max_size=4), CALLS)
def test_every_join_follows_from_its_parts(rules, call):
    def check(part):
        truths = [each.truth for each in part.parts]
        if part.text == "and":
            assert part.truth == (False if False in truths else None if None in truths else True)
        elif part.text == "or":
            assert part.truth == (True if True in truths else None if None in truths else False)
        elif part.text == "not":
            assert part.truth == (None if truths == [None] else not truths[0])
        assert (part.truth is None) == (part.why is not None)
        for each in part.parts:
            check(each)

    for each in decide(PolicySet([policy(numbered(rules))]), call).explain().rules:
        check(each.condition)


def explained(rules, params, **keys):
    with Guard([policy(rules, **keys)], ledger=":memory:") as guard:
        return guard.evaluate("t", params).explain()


def test_the_tree_shows_what_each_leaf_saw_and_why_one_could_not_tell():
    conditions = {"and": [leaf("amount", "gt", 500), {"not": leaf("parameters.tier", "eq", "gold")}]}
    explanation = explained([rule(conditions, name="Cap", rule_id="cap")], {"amount": 600})
    assert str(explanation).splitlines() == [
        "DENY t: `parameters.tier` is missing, so rule `cap` (Cap) cannot be evaluated",
        "- rule `cap` (Cap) of policy `p`: deny, fired",
        "  unknown: and",
        "  ├ true: amount gt 500; amount is 600",
        "  └ unknown: not",
        '    └ unknown: parameters.tier eq "gold"; `parameters.tier` is missing',
    ]


def test_rules_that_did_not_fire_are_in_it_and_shadow_is_named():
    explanation = explained([rule(leaf("a", "eq", 1), "flag")], {"a": 2}, mode="shadow")
    assert "flag, did not fire (shadow: changes nothing)" in str(explanation)


def test_behind_a_fact_the_text_it_was_read_from_is_shown():
    explanation = explained(
        [rule(leaf("target.is_private", "eq", True))],
        {"url": "http://10.0.0.1/"},
        facts={"target": {"url": "parameters.url"}},
    )
    (part,) = [each.condition for each in explanation.rules]
    assert part.values == {"target.is_private": True, "parameters.url": "http://10.0.0.1/"}


def test_both_fields_of_a_comparison_are_shown():
    explanation = explained([rule(leaf("parameters.a", "gt_field", "parameters.b"))], {"a": 2, "b": 1})
    assert explanation.rules[0].condition.values == {"parameters.a": 2, "parameters.b": 1}


def test_below_any_item_the_whole_list_is_shown():
    explanation = explained([rule(leaf("parameters.items[*].n", "gt", 5))], {"items": [{"n": 1}, {"n": "x"}]})
    assert explanation.rules[0].condition.values == {
        "parameters.items[*].n": [{"n": 1}, {"n": "x"}],
        "parameters.items[1].n": "x",
    }


ITEMS = [
    ("a[*]", "gt", 5, [1, 9, 8], {"parameters.a[1]": 9}),
    ("a[*]", "gt", 5, [1, 2], {}),
    ("a[*]", "gt", 5, [1, "x"], {"parameters.a[1]": "x"}),
    ("a[*]", "gt", 5, "no list", {}),
    ("a[all]", "gt", 5, [9, 1, 0], {"parameters.a[1]": 1}),
    ("a[all]", "gt", 5, [9, 8], {}),
    ("a[all]", "gt", 5, [], {}),
    ("a[*].b[all]", "gt", 5, [{"b": [9, 1]}, {"b": [7]}], {"parameters.a[1].b[all]": [7]}),
    ("a[all].b[all]", "gt", 5, [{"b": [9]}, {"b": [7, 1]}], {"parameters.a[1].b[1]": 1}),
]


@pytest.mark.parametrize(("field", "operator", "value", "given", "named"), ITEMS)
def test_the_item_that_settled_it_is_named(field, operator, value, given, named):
    explanation = explained([rule(leaf(f"parameters.{field}", operator, value))], {"a": given})
    values = dict(explanation.rules[0].condition.values)
    values.pop(f"parameters.{field}", None)
    assert values == named


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\u202eevil", "a\nDENY t: fine", "\x00"])
def test_hostile_values_cannot_draw_on_the_terminal(hostile):
    drawn = str(explained([rule(leaf("a", "eq", hostile))], {"a": hostile, "b": 1}))
    assert all(line.isprintable() for line in drawn.splitlines())
    assert len(drawn.splitlines()) == 3


def test_long_values_are_cut():
    drawn = str(explained([rule(leaf("a", "contains", "x"))], {"a": "y" * 5000}))
    assert len(drawn) < 500
    assert "(5002 characters)" in drawn


def test_what_no_rule_decided_is_explained_by_its_cause():
    with Guard([policy([rule(leaf("a", "eq", 1))])], ledger=":memory:") as guard:
        assert str(guard.evaluate("other", {}).explain()) == "DENY other: no policy covers `other`"
        assert str(guard.evaluate("t", {1: 2}).explain()).startswith("DENY t: malformed call")
        assert str(guard.refuse("t", "because").explain()) == "DENY t: because"


def test_it_walks_through_the_policies_the_decision_was_made_with(tmp_path):
    path = tmp_path / "p.yaml"
    text = "policy_id: p\nrules: [{rule_id: r, effect: deny, conditions: {field: a, operator: gt, value: 5}}]\n"
    path.write_text(text)
    with Guard(path, ledger=":memory:") as guard:
        decision = guard.evaluate("t", {"a": 9})
        path.write_text(text.replace("rule_id: r", "rule_id: other"))
        guard.reload()
        assert [each.hit.rule_id for each in decision.explain().rules] == ["r"]
        assert [each.hit.rule_id for each in guard.evaluate("t", {"a": 9}).explain().rules] == ["other"]


def test_the_same_call_is_explained_twice_alike():
    with Guard([policy([rule(leaf("a", "gt", 1))])], ledger=":memory:") as guard:
        decision = guard.evaluate("t", {"a": 5})
        first = decision.explain().to_dict()
        assert decision.explain().to_dict() == first
        assert first["rules"][0]["conditions"] == {
            "condition": "a gt 1",
            "truth": True,
            "why": None,
            "values": {"a": 5},
        }
