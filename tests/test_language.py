"""The examples of docs/policies.md are run, and there is one for everything in the language."""

import pytest
from conftest import agrees, answer, cases

from toolguard import Guard
from toolguard.classify.registry import CLASSIFIERS
from toolguard.classify.semantic import Answer
from toolguard.model import Outcome, ToolCall
from toolguard.operators import OPERATORS
from toolguard.policy.fields import IDENTITY, ROOTS
from toolguard.policy.nodes import NODES
from toolguard.policy.schema import descriptions

EXAMPLES = cases("language")
CALLS = [(example, call) for example in EXAMPLES for call in example["calls"] if not example.get("in_order")]
IN_ORDER = [example for example in EXAMPLES if example.get("in_order")]
WANTED = [
    *(f"operator {name}" for name in OPERATORS),
    *(f"root {name}" for name in ROOTS),
    *(f"identity {name}" for name in IDENTITY),
    *(f"classifier {name}" for name in CLASSIFIERS),
    *(f"node {name}" for name in NODES),
    *(f"key {model}.{key}" for model, keys in descriptions().items() for key in keys),
]


NOT_GIVEN = ("verdict", "note", "primary", "returns", "gets", "seen", "withheld")


class Model:
    """Stands for a language model: it knows some texts, and of others it says that they are safe."""

    def __init__(self, knows):
        self.knows = knows

    def classify(self, question):
        said = self.knows.get(question.text, "safe")
        return Answer(said, 0.9) if said != "unsure" else Answer("safe", 0.3)


def model_of(example):
    return Model(example.get("model", {}))


@pytest.mark.parametrize(("example", "call"), CALLS, ids=[example["about"][0] for example, _ in CALLS])
def test_an_example(example, call):
    if "condition" in example:
        given = {
            key: call[key] for key in ("tool_group", "agent_id", "session_id", "org_id", "context", "call_id") if key in call
        }
        if "group" in call:
            given["tool_group"] = call["group"]
        assert answer(example["condition"], ToolCall(call.get("tool", "t"), call.get("params", {}), **given)) == call["truth"]
        return
    given = {key: value for key, value in call.items() if key not in ("verdict", "note", "primary")}
    with Guard(example["policy"], ledger=":memory:", **example.get("options", {}), semantic=model_of(example)) as guard:
        decision = guard.evaluate(**{"tool": "t", "params": {}, **given})
    assert decision.verdict.word == call["verdict"], decision.reason
    assert "primary" not in call or decision.primary.rule_id == call["primary"]
    agrees(decision)


@pytest.mark.parametrize("example", IN_ORDER, ids=[example["about"][0] for example in IN_ORDER])
def test_an_example_of_calls_one_after_the_other(example):
    with Guard(example["policy"], ledger=":memory:") as guard:
        for call in example["calls"]:
            given = {key: value for key, value in call.items() if key not in NOT_GIVEN}
            decision = guard.evaluate(**{"tool": "t", "params": {}, **given})
            assert decision.verdict.word == call["verdict"], decision.reason
            if decision.allowed:
                outcome = Outcome("returned", 5, call.get("returns"))
                guard.settle(decision, outcome)
                seen = guard.release(decision, outcome)
                assert "gets" not in call or decision.params == call["gets"]
                assert "seen" not in call or (seen.value, seen.error) == (call["seen"], None)
                assert (seen.error is not None) == call.get("withheld", False)
            assert "primary" not in call or decision.primary.rule_id == call["primary"]


@pytest.mark.parametrize("wanted", WANTED)
def test_everything_has_an_example(wanted):
    assert any(wanted in example["about"] for example in EXAMPLES)


def test_every_operator_is_shown_in_all_its_answers():
    for name in OPERATORS:
        truths = {call["truth"] for example in EXAMPLES if f"operator {name}" in example["about"] for call in example["calls"]}
        assert truths == ({True, False} if name == "exists" else {True, False, "unknown"}), name
