"""The reference's own cases, where they are at hand: the same answer, or a stricter one that docs/compatibility.md explains."""

import json
from pathlib import Path

import pytest
import reference
from conftest import agrees, cases

from toolguard import Guard, PolicyError
from toolguard.envelope import call_of
from toolguard.policy.load import load_policies

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "compatibility.md").read_text()
DIFFERENCES = {case_id: heading for heading, ids in cases("compatibility").items() for case_id in ids}

FILES = ("conformance", "policy_compat", "evaluate", "operators", "scope", "validate", "amount", "hook")
SUITES = ("examples_postgres", "examples_bruteforce", "examples_business", "examples_finance", "examples_content_gen")
NODES = ("http_classify", "sql_classify", "path_classify", "shell_classify", "write_classify")
NOT_STRICTER = ("Tool names in any case", "A tool that only its group covers")  # argued on the page
# The reference's intermediate results, which have no counterpart here: its flattened call and its look-up in it.
INTERNAL = ("flatten", "resolve_field")
ON_ITS_DISK = ("write_classify-013",)  # asks about a link that its own test made; tests/test_write.py makes one

ROWS = [
    pytest.param(row, id=row["id"])
    for name in (*FILES, *SUITES, *NODES)
    if reference.HOME.is_dir()
    for row in reference.rows(name)
    if row["kind"] not in INTERNAL and row["id"] not in ON_ITS_DISK
]
VERDICTS = [row for row in ROWS if row.values[0]["kind"].startswith("evaluate")]


def test_every_difference_has_its_reason():
    for heading in DIFFERENCES.values():
        assert f"## {heading}\n" in PAGE


@pytest.mark.skipif(not ROWS, reason="the reference's cases are not here")
def test_every_difference_is_a_case():
    assert set(DIFFERENCES) <= {row.id for row in ROWS}


@pytest.mark.parametrize("row", ROWS)
def test_the_answer_is_the_references_or_a_stricter_one_with_its_reason(row):
    case = reference.case(row)
    if row["id"] in DIFFERENCES:
        assert case.found != case.expected, "not a difference any more"
        stricter = case.strictness(case.found) > case.strictness(case.expected)
        assert stricter or DIFFERENCES[row["id"]] in NOT_STRICTER
    else:
        assert case.found == case.expected, case.why


@pytest.mark.parametrize("row", VERDICTS)
def test_with_the_defaults_no_answer_is_looser(row):
    try:
        guard = Guard(reference.policies_of(row), ledger=":memory:", semantic=reference.Model())
    except PolicyError:
        return  # refused at load, so nothing runs
    with guard:
        decision = guard.evaluate(**call_of(row["input"]))
    looser = decision.verdict < reference.expected_verdict(row)
    assert not looser or DIFFERENCES.get(row["id"]) in NOT_STRICTER
    agrees(decision)


def adversarial(name):
    path = reference.HOME.parent / "adversarial" / f"{name}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [pytest.param(row, id=row["id"]) for row in map(json.loads, lines)]


@pytest.mark.parametrize("row", adversarial("validate_strict"))
def test_a_policy_that_does_not_say_what_it_means_is_refused(row):
    with pytest.raises(PolicyError):
        load_policies(row["policy_yaml"] + "\n")


@pytest.mark.parametrize("row", adversarial("operators_adversarial"))
def test_operators_hold_against_an_attacker(row):
    if row["expected"] == "disputed" or "input" not in row:
        return
    with Guard(row["policy_yaml"], ledger=":memory:", unmatched="allow") as guard:
        call = call_of(row["input"]) | {"params": row["input"].get("parameters", {})}
        assert guard.evaluate(**call).allowed == (row["expected"] == "allow")
