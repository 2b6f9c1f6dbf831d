"""The JSON Schema says what loading says, as far as a schema can."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from conftest import cases, leaf, rule
from hypothesis import given
from hypothesis import strategies as st
from strategies import RULES, numbered

from toolguard.operators import OPERATORS
from toolguard.policy import condition, document, earlier, effects, limits, node_llm, nodes, redaction
from toolguard.policy.schema import DIALECT, descriptions, schema
from toolguard.policy.strict import Strict

ROOT = Path(__file__).parent.parent
MODULES = (condition, document, earlier, effects, limits, node_llm, nodes, redaction)
SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SHIPPED = [*(ROOT / "toolguard" / "packs").glob("*.yaml"), *(ROOT / "examples").rglob("*.yaml")]

# What only loading can tell: names that exist, patterns that compile, numbers in text, the reader's own bounds.
BEYOND_A_SCHEMA = {
    *(
        "unknown root",
        "node for paths that asks for nothing",
        "node below not",
        "node for writes with a field deep down",
        "prefix that can match nothing",
        "allowed prefix from nowhere",
        "prefix of too many unknowns",
        "pattern in a node that is none",
        "unknown step into a list",
        "root alone",
        "field that cannot be read",
        "below an identity field",
        "number is not one",
    ),
    *("other name of the parameters", "other name of the context", "fact without its facts"),
    *("underscored number stays text", "infinite number", "look-around", "same rule id twice", "skip on an allow rule"),
    *("wildcard in a scope", "blank in a scope", "facts of an identity field", "facts named like an identity field"),
    *("facts named like an alias", "facts with a dot in the name", "fact that does not exist", "facts without a fact"),
    *("below reversibility", "setting that is no field", "setting of any item"),
    *("kind of statement that is none", "dialect that no node knows", "node that asks nothing of SQL", "below a fact"),
    *("field of a node for SQL that is none",),
    *("node that asks for nothing", "host that is a URL", "node that allows", "node with a field that is none"),
    *("citation that cites nothing", "limit that is not there", "two limits with one id", "sum of an identity field"),
    *("sum of items", "sum of an unknown root", "sum of a limit", "per a parameter", "per a bare name", "per call"),
    *("per what the agent says of itself", "unknown time zone", "time zone of an hour", "unknown part of a limit"),
    *("requires nothing in particular", "requires two things at once", "binds an identity field"),
    *("where is about something else", "result outside of where", "forbids with uses", "forbids with an outcome"),
    *("fact that is not there", "fact of a fact", "fact and tool"),
    *("allow with a prerequisite", "lease with thresholds", "lease of denials"),
    *("kind that is none", "labels that are missing", "label that is reserved", "label of a node that is there twice"),
    *("endpoint that is none", "own pattern that is none", "redaction of nothing", "redaction that allows"),
    *("redaction of a result before it is there", "prerequisite of a result"),
    *("max that is no number", "max without an end", "denials that are added up", "denials with thresholds"),
}
BAD = [case for case in cases("bad_policies") if re.match(r"policy_id: (p|5)\n", case["text"]) and case["name"] != "key twice"]


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == DIALECT


@pytest.mark.parametrize("path", SHIPPED, ids=[path.name for path in SHIPPED])
def test_shipped_policies_pass_and_tell_editors_where_it_is(path):
    text = path.read_text()
    VALIDATOR.validate(yaml.safe_load(text))
    (where,) = re.findall(r"\A# yaml-language-server: \$schema=(\S+)\n", text)
    assert (path.parent / where).resolve() == ROOT / "docs" / "policy.schema.json"


def test_the_one_in_the_docs_is_this_one():
    assert json.loads((ROOT / "docs" / "policy.schema.json").read_text()) == SCHEMA


@given(st.lists(RULES, min_size=1, max_size=3))
def test_what_loads_passes(rules):
    VALIDATOR.validate({"policy_id": "p", "rules": numbered(rules)})


@pytest.mark.parametrize("case", BAD, ids=[case["name"] for case in BAD])
def test_what_is_refused_fails_unless_no_schema_could_tell(case):
    data = next(yaml.safe_load_all(case["text"]))
    assert VALIDATOR.is_valid(data) is (case["name"] in BEYOND_A_SCHEMA)


def test_every_key_has_a_description():
    models = [each for module in MODULES for each in vars(module).values() if isinstance(each, type)]
    for model in (each for each in models if issubclass(each, Strict) and each is not Strict):
        for name in model.model_fields:
            assert len(descriptions()[model.__name__][name.removesuffix("_")]) >= 10, (model, name)


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_is_offered_and_needs_its_value(name):
    good = {"gt": 5, "in": ["a"], "exists": True}
    value = next((v for kind, v in good.items() if OPERATORS[kind].operand is OPERATORS[name].operand), "a")
    policy = {"policy_id": "p", "rules": [rule(leaf("a", name, value))]}
    VALIDATOR.validate(policy)
    policy["rules"][0]["conditions"]["value"] = {"a": 1}
    assert not VALIDATOR.is_valid(policy)
    del policy["rules"][0]["conditions"]["value"]
    assert VALIDATOR.is_valid(policy) is (name == "exists")
