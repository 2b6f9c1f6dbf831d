"""What several groups measure with: one threshold rule, and the `if` that a person would write instead."""

from toolguard.engine.compile import PolicySet
from toolguard.policy.load import load_policies

TOOL = "issue_refund"
LIMIT = 500
ALLOWED, DENIED = 100, 900


def check(tool, params):
    if tool == "issue_refund" and params["amount"] > 500:
        return "deny"
    return "allow"


def threshold(tool=TOOL, field="parameters.amount"):
    return policy(tool, [{"field": field, "operator": "gt", "value": LIMIT}])


def policy(tool, conditions):
    rules = [
        {"rule_id": f"rule-{number}", "name": "Refund limit", "conditions": condition, "effect": "deny"}
        for number, condition in enumerate(conditions)
    ]
    return {"policy_id": f"pol-{tool}", "name": tool, "version": 1, "scope": {"tool_names": [tool]}, "rules": rules}


def compiled(*policies):
    return PolicySet(load_policies(policies))
