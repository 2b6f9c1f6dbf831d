"""The JSON Schema of a policy, for editors: every key with its description, every operator with what it may be compared with.

What a schema cannot say (fields that exist, patterns that compile, ids that differ) only loading or `toolguard lint` can tell.
"""

from __future__ import annotations

import ast
import inspect
from typing import Any

from toolguard.classify.registry import CLASSIFIERS
from toolguard.operators import OPERATORS
from toolguard.policy import condition, document, earlier, effects, limits, node_llm, nodes, redaction

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALAR = {"type": ["string", "number", "boolean"]}
_OPERANDS: dict[str, dict[str, Any]] = {
    "scalar": _SCALAR,
    "number_operand": {"type": ["number", "string"]},
    "scalars": {"type": "array", "items": _SCALAR, "minItems": 1},
    "text_operand": {"type": "string", "minLength": 1},
    "pattern": {"type": "string", "minLength": 1, "format": "regex"},
    "field_operand": {"type": "string", "minLength": 1},
    "flag": {"type": ["boolean", "null"]},
}


def schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of one policy document."""
    made = document.Policy.model_json_schema(by_alias=True)
    documented = descriptions()
    for name, part in [("Policy", made), *made["$defs"].items()]:
        for key, value in part.get("properties", {}).items():
            value.pop("title", None)
            if value.get("default", ...) is None:
                del value["default"]
            value["description"] = documented[name][key]
    made["properties"]["facts"]["additionalProperties"] = {"oneOf": [_binding(name) for name in CLASSIFIERS]}
    made["anyOf"] = [{"required": [key], "properties": {key: {"minItems": 1}}} for key in ("rules", "limits")]
    rule = made["$defs"]["Rule"]
    rule["required"].remove("conditions")
    rule["anyOf"] = [{"required": [key]} for key in ("conditions", "requires", "forbids_after")]
    made["$defs"]["Leaf"] |= _leaf(made["$defs"]["Leaf"])
    return {"$schema": DIALECT, "title": "A toolguard policy", **{k: v for k, v in made.items() if k != "title"}}


def descriptions() -> dict[str, dict[str, str]]:
    """For each model the text below each of its keys, read from the source: {model: {key as written in YAML: text}}."""
    found: dict[str, dict[str, str]] = {}
    for module in (condition, document, earlier, effects, limits, node_llm, nodes, redaction):
        for definition in ast.parse(inspect.getsource(module)).body:
            if isinstance(definition, ast.ClassDef):
                found[definition.name] = dict(_documented_keys(definition))
    return found


def facts_described(facts: type) -> dict[str, str]:
    """For each fact of a classifier the text below it in the source."""
    (definition,) = ast.parse(inspect.getsource(facts)).body
    return dict(_documented_keys(definition)) if isinstance(definition, ast.ClassDef) else {}


def _documented_keys(definition: ast.ClassDef) -> list[tuple[str, str]]:
    pairs = zip(definition.body, definition.body[1:], strict=False)
    return [
        (key.target.id.removesuffix("_"), text.value.value)
        for key, text in pairs
        if isinstance(key, ast.AnnAssign)
        and isinstance(key.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    ]


def _binding(name: str) -> dict[str, Any]:
    classifier = CLASSIFIERS[name]
    settings = {each.name: {"type": "string", "description": each.doc} for each in classifier.settings}
    return {
        "type": "object",
        "description": classifier.doc,
        "properties": {name: {"type": "string", "description": "The field it looks at."}, **settings},
        "required": [name],
        "additionalProperties": False,
    }


def _leaf(leaf: dict[str, Any]) -> dict[str, Any]:
    """The leaf with its operators spelled out, and for each what `value` may be."""
    by_operand: dict[str, list[str]] = {}
    for operator in OPERATORS.values():
        by_operand.setdefault(operator.operand.__name__, []).append(operator.name)
    operators = [{"const": each.name, "description": each.doc} for each in OPERATORS.values()]
    properties = leaf["properties"] | {
        "operator": {"oneOf": operators, "description": leaf["properties"]["operator"]["description"]},
        "value": {"description": leaf["properties"]["value"]["description"]},
    }
    rules = [
        {
            "if": {"properties": {"operator": {"enum": names}}},
            "then": {"properties": {"value": _OPERANDS[kind]}} | ({} if kind == "flag" else {"required": ["value"]}),
        }
        for kind, names in by_operand.items()
    ]
    return {"properties": properties, "allOf": rules}
