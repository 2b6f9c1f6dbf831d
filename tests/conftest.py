import pathlib

import pytest
import yaml

from toolguard import Guard
from toolguard.engine.conditions import condition
from toolguard.errors import Indeterminate
from toolguard.policy.document import Policy

CASES = pathlib.Path(__file__).parent / "cases"


def cases(name):
    """The rows of one case file."""
    return yaml.safe_load((CASES / f"{name}.yaml").read_text())


def policy(rules, policy_id="p", **keys):
    """A policy object; scope defaults to the tool `t`."""
    keys.setdefault("scope", {"tool_names": ["t"]})
    return Policy.model_validate({"policy_id": policy_id, "rules": rules, **keys})


def rule(conditions, effect="deny", rule_id="r", **keys):
    return {"rule_id": rule_id, "effect": effect, "conditions": conditions, **keys}


def leaf(field, operator, value=None):
    return {"field": field, "operator": operator, "value": value}


def answer(conditions, call):
    """True, False or "unknown": what one condition says of one call."""
    parsed = policy([rule(conditions)]).rules[0].conditions
    try:
        return condition(parsed)(call)
    except Indeterminate:
        return "unknown"


@pytest.fixture
def guard(tmp_path):
    """Makes guards whose ledgers lie in this test's folder."""
    made = []

    def make(policies=(), **options):
        options.setdefault("ledger", tmp_path / f"ledger-{len(made)}.db")
        made.append(Guard(policies, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
