"""Validation errors in the words of the policy's author: where, what is wrong, and the nearest name that would be right."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from toolguard.canonical import kind_name
from toolguard.errors import nearest
from toolguard.policy.condition import FORMS, Leaf
from toolguard.policy.document import DeepEvaluation, Policy, Rule, Scope, SourceDocument
from toolguard.policy.earlier import Earlier
from toolguard.policy.effects import Citation, EffectConfig, Standing
from toolguard.policy.limits import Limit, Threshold, Trip
from toolguard.policy.nodes import NODES, node_models
from toolguard.policy.redaction import Redaction
from toolguard.policy.strict import STRUCTURE, Strict

Path = tuple[str | int, ...]

# The model behind the mapping under a key, to suggest its keys.
_MODELS: dict[str, type[Strict]] = {
    "": Policy,
    "scope": Scope,
    "rules": Rule,
    "limits": Limit,
    "requires": Earlier,
    "forbids_after": Earlier,
    "thresholds": Threshold,
    "halt": Trip,
    "redact": Redaction,
    "effect_config": EffectConfig,
    "standing": Standing,
    "citation": Citation,
    "source_documents": SourceDocument,
    "deep_evaluation": DeepEvaluation,
    **{f"{node}{key}": model for node in NODES for key, model in node_models(node).items()},
    **dict.fromkeys(("conditions", "where", "and", "or", "not"), Leaf),
}
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def message_of(error: Any, data: Any) -> tuple[Path, str, str] | None:
    """(path in the document, message, code) of one pydantic error; None where it only repeats another one."""
    cause = error.get("ctx", {}).get("error")
    path = _path_in(data, (*error["loc"], *getattr(cause, "below", ())))
    message = _message(error, path)
    return (path, message, getattr(cause, "code", STRUCTURE)) if message else None


def _message(error: Any, path: Path) -> str | None:
    key = error["loc"][-1] if error["loc"] else ""
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        known = _keys_around(path[:-1])
        known_keys = ", ".join(known)
        return f"unknown key `{key}`{nearest(str(key), known) or f' (known: {known_keys})'}"
    if kind == "missing":
        return f"the key `{key}` is missing"
    if kind in _EXPECTED:
        hint = f'; write "{given}" in quotes' if kind == "string_type" and isinstance(given, (int, float)) else ""
        return f"`{_name(path)}` has to be {_EXPECTED[kind]}, not {kind_name(given)}{hint}"
    if kind == "literal_error":
        known = tuple(part.strip(" '") for part in error["ctx"]["expected"].replace(" or ", ",").split(","))
        return f"`{_name(path)}` cannot be `{given}` (only {', '.join(known)}){nearest(str(given), known)}"
    if kind in ("too_short", "string_too_short"):
        return None if given else f"`{_name(path)}` cannot be empty"
    if kind == "condition_form":
        return _no_condition(given, _name(path))
    cause = error.get("ctx", {}).get("error")
    if cause is not None:  # said by our own validators
        return str(cause)
    return f"`{_name(path)}`: {error['msg'][:1].lower()}{error['msg'][1:]}"


_JOINS = {"any": "or", "any_of": "or", "some": "or", "all": "and", "all_of": "and", "none": "not", "none_of": "not"}


def _no_condition(given: Any, name: str) -> str:
    """What is wrong with a condition of which nobody can say what kind it is."""
    if isinstance(given, (list, tuple)):
        return f"`{name}` is a list: say with `and:` above it that all have to hold, or with `or:` that one has to"
    if not isinstance(given, dict):
        return f"`{name}` has to be a condition (a mapping with `field`, `and`, `or` or `not`), not {kind_name(given)}"
    forms = [f"`{form}`" for form in FORMS if form in given]
    if len(forms) > 1:
        return f"a condition is one thing: {' and '.join(forms)} stand side by side, put one of them inside of the other"
    if "operator" in given or "value" in given:
        unknown = next((key for key in given if key not in ("operator", "value") and nearest(key, ("field",))), None)
        return f"unknown key `{unknown}`; did you mean `field`?" if unknown else "the key `field` is missing"
    join = next((f"; did you mean `{_JOINS[key]}`?" for key in given if key in _JOINS), "")
    near = join or next(filter(None, (nearest(key, FORMS) for key in given)), "")
    return f"a condition has to have exactly one of {', '.join(f'`{form}`' for form in FORMS)}{near}"


def _path_in(data: Any, loc: tuple[Any, ...]) -> Path:
    """The part of pydantic's location that exists in the document; the tags of its unions do not."""
    path: list[str | int] = []
    for part, after in pairwise((*loc, None)):
        is_tag = isinstance(data, dict) and (part not in data or (part in FORMS and after in data))
        if isinstance(data, (dict, list)) and not is_tag:
            path.append(part)
            data = data[part]
    return tuple(path)


def _name(path: Path) -> str:
    """The last key of a path, with an index for list items: `tool_names[0]`."""
    names = [i for i, part in enumerate(path) if isinstance(part, str)]
    if not names:
        return "the policy"
    return str(path[names[-1]]) + "".join(f"[{part}]" for part in path[names[-1] + 1 :])


def _keys_around(path: Path) -> tuple[str, ...]:
    names = [part for part in path if isinstance(part, str)]
    model = _MODELS.get(".".join(names[-2:])) or _MODELS.get(names[-1] if names else "", Leaf)
    keys = tuple(field.alias or name for name, field in model.model_fields.items())
    return (*keys, *FORMS) if model is Leaf else keys
