"""Whatever an agent proposes ends in a decision or a typed error before anything runs, and in a record that verifies."""

import json
from decimal import Decimal

import pytest
from conftest import agrees, leaf, policy, rule
from hypothesis import given, settings
from hypothesis import strategies as st

from toolguard import Guard, ToolDenied, Verdict, guarded, verify
from toolguard.audit.verify import verify as verify_records
from toolguard.engine.compile import PolicySet
from toolguard.policy.document import MAX_DEPTH
from toolguard.policy.load import dump_policy, load_policies

CAP = policy([rule(leaf("amount", "gt", 500), rule_id="cap")])


def nested(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value


HOSTILE_PARAMS = {
    "not a mapping": [1, 2],
    "None": None,
    "text": "amount=1",
    "keys not text": {1: 2},
    "NaN": {"amount": float("nan")},
    "infinity": {"amount": float("inf")},
    "10,000 digits": {"amount": 10**10_000},
    "1,000 levels": nested(1_000),
    "100,000 levels": nested(100_000),
    "lone surrogate": {"amount": 1, "note": "\ud800"},
    "surrogate key": {"\udcff": 1},
    "10 MB text": {"amount": 1, "note": "x" * 10_000_000},
    "an object": {"amount": object()},
    "a million values": {"amount": 1, "list": [0] * 1_000_000},
    "Decimal NaN": {"amount": Decimal("NaN")},
}


@pytest.mark.parametrize("name", HOSTILE_PARAMS)
def test_a_malformed_call_is_a_recorded_denial(guard, name):
    strict = guard(CAP, unmatched="allow")
    for tool in ("t", "not covered"):
        decision = strict.evaluate(tool, HOSTILE_PARAMS[name])
        assert decision.verdict == Verdict.DENY
        assert decision.reason.startswith("malformed call: ")
        assert decision.record is not None
        json.dumps(decision.to_dict())
    assert verify_records(strict.store.scan()).trusted == 3


@pytest.mark.parametrize("name", [n for n, v in HOSTILE_PARAMS.items() if isinstance(v, dict) and n != "keys not text"])
def test_a_guarded_tool_never_sees_it(guard, name):
    ran = []
    strict = guard(CAP, unmatched="allow")

    @guarded(strict, tool="t")
    def tool(**params):
        ran.append(params)

    with pytest.raises(ToolDenied, match="malformed call"):
        tool(**HOSTILE_PARAMS[name])
    assert ran == []


HOSTILE_NAMES = [
    "",
    " ",
    "t ",
    " t",
    "t\u200b",
    "t\u00a0",
    "t\n",
    "t\0",
    "\u202et",
    "\ud800",
    "t" * 1000,
    None,
    5,
    b"t",
    ["t"],
]


@pytest.mark.parametrize("tool", HOSTILE_NAMES, ids=ascii)
def test_a_tool_name_that_could_be_taken_for_another_is_denied(guard, tool):
    decision = guard(CAP, unmatched="allow").evaluate(tool, {"amount": 9})
    assert decision.verdict == Verdict.DENY
    assert "the tool's name" in decision.reason
    assert decision.record is not None


HOSTILE_CALLERS = [
    {"agent_id": 5},
    {"agent_id": 0},
    {"agent_id": ""},
    {"context": []},
    {"agent_id": "a\ud800"},
    {"session_id": ["s"]},
    {"org_id": "o\n"},
    {"group": "g\u200b"},
    {"call_id": "c\ud800"},
    {"context": [1]},
    {"context": {"x": object()}},
    {"context": {"x": float("nan")}},
]


@pytest.mark.parametrize("caller", HOSTILE_CALLERS, ids=ascii)
def test_an_identity_that_cannot_be_recorded_is_denied(guard, caller):
    strict = guard(CAP)
    decision = strict.evaluate("t", {"amount": 1}, **caller)
    assert decision.verdict == Verdict.DENY
    assert verify_records(strict.store.scan()).trusted == 2


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.just(object()), st.decimals()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(), st.integers()), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(ANYTHING, ANYTHING, ANYTHING)
def test_no_proposal_crashes_the_guard_or_its_record(tool, params, context):
    guard = Guard(CAP, ledger=":memory:")
    decision = guard.evaluate(tool, params, context=context)
    assert decision.verdict == Verdict.DENY or (tool == "t" and isinstance(params, dict))
    assert decision.record is not None
    assert verify_records(guard.store.scan()).trusted == 2


def test_extra_parameters_cannot_hide_the_one_that_matters(guard):
    """The reference loses all parameters when one number is out of range."""
    params = json.loads('{"amount": 501, "x": 1e400}')
    assert guard(CAP).evaluate("t", params).verdict == Verdict.DENY


def test_a_broken_ledger_refuses_to_start_and_a_running_one_denies(guard, tmp_path):
    running = guard(CAP, ledger=tmp_path / "l.db")
    assert running.evaluate("t", {"amount": 1}).allowed
    (tmp_path / "l.db").unlink()
    decision = running.evaluate("t", {"amount": 1})
    assert not decision.allowed
    assert "could not be recorded" in decision.reason
    assert "is gone" in decision.reason


def test_a_ledger_on_a_read_only_file_denies(guard, tmp_path):
    running = guard(CAP, ledger=tmp_path / "l.db")
    running.store._handle.database.execute("PRAGMA query_only = ON")  # root writes through file permissions
    decision = running.evaluate("t", {"amount": 1})
    assert not decision.allowed
    assert "readonly" in decision.reason
    running.store._handle.database.execute("PRAGMA query_only = OFF")
    assert running.evaluate("t", {"amount": 1}).allowed
    assert verify(tmp_path / "l.db").intact


def test_a_full_disk_denies(guard, tmp_path):
    running = guard(CAP, ledger=tmp_path / "l.db")
    pages = running.store._handle.database.execute("PRAGMA page_count").fetchone()[0]
    running.store._handle.database.execute(f"PRAGMA max_page_count = {pages}")
    decisions = [running.evaluate("t", {"amount": 1}, context={"filler": "x" * 3000}) for _ in range(3)]
    assert "full" in decisions[-1].reason
    assert not decisions[-1].allowed


def joined(depth, join):
    """A condition with `depth` joins in each other."""
    inner = leaf("a", "exists")
    for _ in range(depth):
        inner = {join: inner} if join == "not" else {join: [leaf("b", "gt", 5), inner]}
    return inner


@pytest.mark.parametrize("join", ["and", "or", "not"])
def test_the_deepest_policy_there_may_be_costs_no_more_than_its_size(join):
    """Each level once doubled the time that digesting a policy took."""
    given = {"policy_id": "p", "rules": [rule(joined(MAX_DEPTH, join))]}
    with Guard(given, ledger=":memory:") as guard:
        decision = guard.evaluate("t", {"a": 1, "b": 1})
        agrees(decision)
        assert str(decision.explain())
    (made,) = load_policies(given)
    assert load_policies(dump_policy(made)) == (made,)


def test_many_nodes_of_the_reference_cost_no_more_than_their_number():
    """Each once looked at all the facts of all the others."""
    node = {"require": {"denied_hosts": ["a.b"]}}
    same = [rule({"http_classify": node}, rule_id=f"s{i}") for i in range(2000)]
    distinct = [rule({"http_classify": node | {"url_field": f"parameters.u{i}"}}, rule_id=f"d{i}") for i in range(2000)]
    (made,) = load_policies({"policy_id": "p", "rules": [*same, *distinct]})
    assert len(made.facts) == 2001
    assert PolicySet([made]).revision
