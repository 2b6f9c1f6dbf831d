"""The caller chooses tool names and groups; the index of plans must not grow with them."""

from toolguard.engine.compile import PolicySet
from toolguard.engine.decide import decide
from toolguard.model import ToolCall
from toolguard.policy.load import load_policies

POLICY = """\
policy_id: p
scope: {tool_names: [pay], tool_groups: [money]}
rules:
  - {rule_id: cap, effect: deny, conditions: {field: amount, operator: gt, value: 500}}
"""


def test_plans_are_kept_for_known_names_only():
    policies = PolicySet(load_policies(POLICY))
    spellings = ["pay", "PAY", "pAy", "Pay"]
    for i in range(1000):
        decide(policies, ToolCall(f"tool-{i}", {}, f"group-{i}"))
        decide(policies, ToolCall(spellings[i % 4], {"amount": 501}, ["money", None, "x"][i % 3]))
    assert sum(map(len, policies.plans.values())) <= 4
    assert decide(policies, ToolCall("pAY", {"amount": 501})).hits
