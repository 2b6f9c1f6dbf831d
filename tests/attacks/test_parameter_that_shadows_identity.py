"""A model that names a parameter `agent_id` or `context` must not become somebody else."""

from toolguard import Guard, Verdict

POLICY = """\
policy_id: p
scope: {tool_names: [t]}
rules:
  - {rule_id: only-admins, effect: deny, conditions: {field: agent_id, operator: neq, value: admin}}
  - {rule_id: not-in-production, effect: deny, conditions: {field: context.environment, operator: eq, value: production}}
"""


def test_identity_and_context_come_from_the_host_program_only():
    guard = Guard(POLICY, ledger=":memory:")
    claims = {"agent_id": "admin", "context": {"environment": "test"}, "context.environment": "test"}
    with guard.acting_as(agent_id="bot", context={"environment": "production"}):
        decision = guard.evaluate("t", claims)
    assert [hit.rule_id for hit in decision.hits] == ["only-admins", "not-in-production"]
    assert guard.evaluate("t", claims).verdict == Verdict.DENY
    assert guard.evaluate("t", {}, agent_id="admin", context={"environment": "test"}).allowed
