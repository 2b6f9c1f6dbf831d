"""Whether a call can be undone, by what it is given and by its name."""

import pytest
from conftest import cases
from hypothesis import given
from hypothesis import strategies as st

from toolguard import Guard, Verdict
from toolguard.classify.reversibility import GRADES, of_call, of_name, words_of

CASES = cases("reversibility")
CONTEXT = {"dialect": "postgres", "workspace": "/work/repo", "home": "/home/dev"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['tool']} {case.get('params', '')}"[:60])
def test_a_call(case):
    context = CONTEXT | {"annotations": case.get("annotations")}
    assert of_call(case["tool"], case.get("group"), case.get("params", {}), context) == case["grade"]


@given(
    st.text(max_size=40),
    st.dictionaries(
        st.sampled_from(["sql", "query", "command", "method", "x"]), st.one_of(st.text(max_size=40), st.none(), st.integers())
    ),
)
def test_it_is_one_of_four_and_never_raises(tool, params):
    assert of_call(tool, None, params, {}) in GRADES


@given(
    st.sampled_from(["get", "list", "search", "read", "select"]),
    st.sampled_from(["and", "then", "or"]),
    st.sampled_from(["delete", "purge", "send", "pay", "wipe"]),
)
def test_a_verb_behind_a_verb_counts(first, join, second):
    assert of_name(f"{first}_{join}_{second}") == "irreversible"
    assert of_name(f"{first}{join.title()}{second.title()}") == "irreversible"


def test_a_name_is_taken_apart():
    assert words_of("mcp__github__getIssueHTTP2-now") == ("mcp", "github", "get", "issue", "http2", "now")
    assert words_of("") == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["tool"])
def test_the_floor(case):
    with Guard(pack="irreversibility-floor", ledger=":memory:") as guard:
        decision = guard.evaluate(
            case["tool"],
            case.get("params", {}),
            group=case.get("group"),
            context=CONTEXT | {"annotations": case.get("annotations")},
        )
    assert decision.verdict == (Verdict.ALLOW if case["grade"] in ("reversible", "recoverable") else Verdict.ESCALATE)
