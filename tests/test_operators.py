import pytest
from conftest import answer, cases, leaf

from toolguard.errors import PolicyError
from toolguard.model import ToolCall
from toolguard.operators import OPERATORS, quick_of
from toolguard.policy.load import load_policies

ROWS = cases("operators")


@pytest.mark.parametrize("row", ROWS, ids=[f"{r['operator']}-{i}" for i, r in enumerate(ROWS)])
def test_operator(row):
    params = {} if row.get("absent") else {"x": row.get("given")}
    if "other" in row:
        params["other"] = row["other"]
    assert answer(leaf("parameters.x", row["operator"], row.get("value")), ToolCall("t", params)) == row["answer"]


@pytest.mark.parametrize("row", cases("fields"), ids=lambda r: r["field"])
def test_field(row):
    call = ToolCall(row.get("tool", "t"), row.get("params", {}), context=row.get("context", {}))
    for name in ("tool_group", "agent_id", "session_id", "org_id"):
        setattr(call, name, row.get(name))
    assert answer(leaf(row["field"], "eq", row["value"]), call) == row["answer"]


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_has_cases_for_all_its_answers(name):
    answers = {row["answer"] for row in ROWS if row["operator"] == name}
    assert answers == ({True, False} if name == "exists" else {True, False, "unknown"})
    assert OPERATORS[name].doc


BAD_VALUES = [
    ("eq", None),
    ("eq", [1]),
    ("eq", float("nan")),
    ("neq", {}),
    ("gt", "x"),
    ("gt", True),
    ("gt", None),
    ("lt", float("inf")),
    ("gte", "NaN"),
    ("lte", [5]),
    ("in", []),
    ("in", "gold"),
    ("in", [None]),
    ("not_in", {}),
    ("contains", ""),
    ("contains", 5),
    ("starts_with", ["x"]),
    ("regex", "("),
    ("regex", "(?=look)"),
    ("regex", r"(a)\1"),
    ("gt_field", 5),
    ("lt_field", "parameter.x"),
    ("exists", "yes"),
]


@pytest.mark.parametrize(("operator", "value"), BAD_VALUES)
def test_a_value_that_cannot_work_is_refused_at_load(operator, value):
    rule = {"rule_id": "r", "effect": "deny", "conditions": leaf("parameters.x", operator, value)}
    with pytest.raises(PolicyError, match=operator if operator != "lt_field" else "parameter"):
        load_policies({"policy_id": "p", "rules": [rule]})


@pytest.mark.parametrize("row", ROWS, ids=[f"{r['operator']}-{i}" for i, r in enumerate(ROWS)])
def test_the_quick_answer_is_the_tests_own(row):
    operator = OPERATORS[row["operator"]]
    test = operator.build(operator.operand(row.get("value")))
    kind, compare, operand = quick_of(test)
    if type(row.get("given")) is kind and "absent" not in row:
        assert compare(row["given"], operand) == test(row["given"]) == row["answer"]


@pytest.mark.parametrize("name", ["eq", "neq", "gt", "gte", "lt", "lte", "contains", "starts_with", "ends_with"])
def test_the_commonest_operators_answer_quickly(name):
    assert hasattr(OPERATORS[name].build("5"), "quick")
