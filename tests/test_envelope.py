"""The reference's envelope, taken apart."""

import json

import pytest

from toolguard import Guard
from toolguard.cli import main
from toolguard.cli.terminal import DENIED, USAGE
from toolguard.envelope import call_of

POLICY = """policy_id: p
scope: {tool_names: [issue_refund]}
rules:
  - {rule_id: cap, effect: deny, conditions: {field: amount, operator: gt, value: 500}}
  - {rule_id: team, effect: escalate, conditions: {field: department, operator: neq, value: support}}
"""
ENVELOPE = {
    "envelope_id": "env-1",
    "timestamp": "2026-01-01T00:00:00Z",
    "agent_id": "bot",
    "session_id": "",
    "org_id": "acme",
    "agent_version": "1.2",
    "framework": "mcp",
    "turn_number": 3,
    "department": "support",
    "tool_name": "issue_refund",
    "tool_group": "monetary_outflow",
    "parameters": {"amount": 900, "department": "support"},
    "context": {"verified": {"customer_tier": "gold"}, "session_state": {"actions_in_session": 1}},
    "integrity": {"hash": "x"},
}


def test_every_part_has_its_place():
    with Guard(POLICY, ledger=":memory:") as guard:
        call = guard.evaluate(**call_of(ENVELOPE)).call
    assert (call.tool, call.tool_group, call.call_id) == ("issue_refund", "monetary_outflow", "env-1")
    assert (call.agent_id, call.session_id, call.org_id) == ("bot", None, "acme")
    assert call.params == ENVELOPE["parameters"]
    assert call.context["verified"] == {"customer_tier": "gold"}
    assert call.context["turn_number"] == 3


@pytest.mark.parametrize("parameters", [[], [{"amount": 1}], "amount", 5, False])
def test_parameters_that_are_no_mapping_are_a_denial(parameters):
    with Guard(POLICY, ledger=":memory:") as guard:
        decision = guard.evaluate(**call_of(ENVELOPE | {"parameters": parameters}))
    assert "malformed call" in decision.reason
    assert not decision.allowed


def test_the_parameters_cannot_speak_for_the_envelope():
    with Guard(POLICY, ledger=":memory:") as guard:
        envelope = {key: value for key, value in ENVELOPE.items() if key != "department"} | {"parameters": {"amount": 1}}
        envelope["parameters"]["department"] = "support"
        assert guard.evaluate(**call_of(envelope)).verdict.word == "escalate"


@pytest.mark.parametrize("change", [{"bogus": "x"}, {"context": "x"}, {"tool": "x"}])
def test_what_is_no_envelope_is_refused(change):
    with pytest.raises(ValueError, match=r"unknown key|has to be a mapping"):
        call_of(ENVELOPE | change)
    with pytest.raises(ValueError, match="is missing"):
        call_of({"parameters": {}})


def test_the_commands_read_envelopes(tmp_path, capsys):
    (tmp_path / "p.yaml").write_text(POLICY)
    (tmp_path / "c.json").write_text(json.dumps(ENVELOPE))
    arguments = ["--policy", str(tmp_path / "p.yaml"), "--call", str(tmp_path / "c.json")]
    assert main(["evaluate", *arguments]) == DENIED
    assert main(["explain", *arguments]) == DENIED
    assert "amount is 900" in capsys.readouterr().out
    (tmp_path / "c.json").write_text(json.dumps(ENVELOPE | {"bogus": 1}))
    assert main(["explain", *arguments]) == USAGE
    assert "unknown key `bogus`" in capsys.readouterr().err
