"""The walk through a condition: what each part saw and how it came out."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from toolguard.engine.conditions import condition, leaf_fields
from toolguard.engine.facts import getter
from toolguard.errors import Indeterminate
from toolguard.policy.condition import All, AnyOf, Leaf, Not
from toolguard.policy.fields import Field, parse_field
from toolguard.walk import ConditionTrace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.engine.conditions import Bindings
    from toolguard.model import ToolCall
    from toolguard.policy.condition import Condition


MAX_ITEMS = 1000  # of a list that are looked at to find the one that settled a condition
_ITEMS = re.compile(r"\[(\*|all)\]")


def trace(node: Condition, facts: Bindings, call: ToolCall) -> ConditionTrace:
    """Every part of a condition, each asked by the very test that decides, even where a join would not have come to it."""
    truth, why = None, None
    try:
        truth = condition(node, facts)(call)
    except Indeterminate as unknown:
        why = str(unknown)
    if isinstance(node, Leaf):
        seen = dict(_values(node, facts, call))
        return ConditionTrace(_text(node), truth, why, seen | dict(_settling_item(node, facts, call)))
    word, members = _members(node)
    return ConditionTrace(word, truth, why, parts=tuple(trace(member, facts, call) for member in members))


def _members(node: Condition) -> tuple[str, tuple[Condition, ...]]:
    if isinstance(node, All):
        return "and", node.and_
    if isinstance(node, AnyOf):
        return "or", node.or_
    assert isinstance(node, Not), "loading rewrites every other form"  # noqa: S101 - a contract between our own modules
    return "not", (node.not_,)


def _text(leaf: Leaf) -> str:
    value = "" if leaf.value is None else f" {json.dumps(leaf.value, ensure_ascii=False)}"
    return f"{leaf.field} {leaf.operator}{value}"


def _values(leaf: Leaf, facts: Bindings, call: ToolCall) -> Iterator[tuple[str, Any]]:
    """What the leaf looked at: its fields and, behind a fact, the text it was read from. What is not there is left out."""
    for field in leaf_fields(leaf, facts):
        subject = [facts[field.root].subject] if field.root in facts else []
        for each in (field, *subject):
            try:
                yield each.text, _value(each, facts, call)
            except Indeterminate:
                continue  # the part itself says why


def _settling_item(leaf: Leaf, facts: Bindings, call: ToolCall) -> Iterator[tuple[str, Any]]:
    """The item of a list that made the leaf come out as it did, where it is one: `parameters.to[1]` and its value."""
    found, truth = _ITEMS.search(leaf.field), _truth(leaf, facts, call)
    if found is None or truth is (found[1] == "all"):
        return  # none of them did, or all
    for index in range(_count(leaf, facts, call)):
        one = leaf.model_copy(update={"field": f"{leaf.field[: found.start()]}[{index}]{leaf.field[found.end() :]}"})
        if _truth(one, facts, call) is truth:
            yield from list(_settling_item(one, facts, call)) or _values(one, facts, call)
            return


def _count(leaf: Leaf, facts: Bindings, call: ToolCall) -> int:
    """How many items the list has that a leaf asks of."""
    if '"' in leaf.field:
        return 0  # a key in quotes may look like the items of a list
    try:
        items = _value(parse_field(leaf.field, dict.fromkeys(facts)), facts, call)
    except Indeterminate:
        return 0
    return min(len(items), MAX_ITEMS) if isinstance(items, list) else 0


def _truth(node: Condition, facts: Bindings, call: ToolCall) -> bool | None:
    try:
        return condition(node, facts)(call)
    except Indeterminate:
        return None


def _value(field: Field, facts: Bindings, call: ToolCall) -> Any:
    """A field's value; of the items of a list, the list."""
    return getter(Field(field.text, field.root, field.steps[: field.many]), facts)(call)
