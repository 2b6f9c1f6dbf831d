import pathlib
import sqlite3
from contextlib import contextmanager

import pytest
import yaml

from toolguard import Guard
from toolguard.engine.conditions import bindings_of, condition
from toolguard.errors import Indeterminate
from toolguard.policy.load import load_policies
from toolguard.stores.memory import MemoryStore

CASES = pathlib.Path(__file__).parent / "cases"


def cases(name):
    """The rows of one case file."""
    return yaml.safe_load((CASES / f"{name}.yaml").read_text())


def policy(rules, policy_id="p", **keys):
    """A policy object; scope defaults to the tool `t`."""
    keys.setdefault("scope", {"tool_names": ["t"]})
    (loaded,) = load_policies({"policy_id": policy_id, "rules": rules, **keys})
    return loaded


def rule(conditions, effect="deny", rule_id="r", **keys):
    return {"rule_id": rule_id, "effect": effect, "conditions": conditions, **keys}


def leaf(field, operator, value=None):
    return {"field": field, "operator": operator, "value": value}


def answer(conditions, call):
    """True, False or "unknown": what one condition says of one call."""
    parsed = policy([rule(conditions)])
    try:
        return condition(parsed.rules[0].conditions, bindings_of(parsed))(call)
    except Indeterminate:
        return "unknown"


def agrees(decision):
    """Fail unless the walk through a decision fires the very rules that the decision names, and for the reasons it gives."""
    hits = {(hit.policy_id, hit.rule_id): hit for hit in (*decision.hits, *decision.shadow_hits)}
    walked = {(each.hit.policy_id, each.hit.rule_id): each for each in decision.explain().rules}
    assert {key for key, each in walked.items() if each.fired} == set(hits)
    for key, hit in hits.items():
        assert walked[key].condition.why == hit.indeterminate


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


@contextmanager
def opened(path):
    """A ledger's database as somebody has it who owns the file; what is done there is committed."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        yield database
    finally:
        database.close()


class Clock:
    """A clock that goes where the test puts it, in nanoseconds."""

    now = 10**18

    def __call__(self):
        return self.now


@pytest.fixture(params=["memory", "file"])
def make(request, tmp_path):
    """Makes guards over one ledger, which is kept in memory or in a file."""
    store, made = MemoryStore(), []

    def guard(given, **options):
        ledger = store if request.param == "memory" else tmp_path / "l.db"
        made.append(Guard(given, ledger=ledger, **options))
        return made[-1]

    yield guard
    for each in made[::-1]:
        each.close()
