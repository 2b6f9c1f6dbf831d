"""A policy's conditions as closures over a call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from toolguard.engine.facts import NO_FACTS, getter, test_of
from toolguard.errors import Missing
from toolguard.logic import Test, all_of, any_of, negate
from toolguard.operators import OPERATORS, field_operand
from toolguard.policy.bindings import parse_binding
from toolguard.policy.condition import All, AnyOf, Leaf, Not
from toolguard.policy.fields import Field, parse_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolguard.model import ToolCall
    from toolguard.policy.bindings import Binding
    from toolguard.policy.condition import Condition
    from toolguard.policy.document import Policy

    Bindings = Mapping[str, Binding]


def bindings_of(policy: Policy) -> Bindings:
    """The policy's `facts:`, ready to be asked; those of `sensitive` know the policy's own patterns, too."""
    found = {name: parse_binding(given) for name, given in policy.facts.items()}
    own = tuple(policy.patterns.items())
    return {
        name: replace(each, settings={**each.settings, "own": own}) if own and each.classifier.name == "sensitive" else each
        for name, each in found.items()
    }


def condition(node: Condition, facts: Bindings = NO_FACTS) -> Test:
    """A condition as one closure `call -> bool` that raises Indeterminate where it cannot tell."""
    if isinstance(node, All):
        return all_of([condition(each, facts) for each in node.and_])
    if isinstance(node, AnyOf):
        return any_of([condition(each, facts) for each in node.or_])
    if isinstance(node, Not):
        return negate(condition(node.not_, facts))
    assert isinstance(node, Leaf), "loading rewrites every other form"  # noqa: S101 - a contract between our own modules
    return _leaf(node, facts)


def leaf_fields(leaf: Leaf, facts: Bindings) -> list[Field]:
    """The field a leaf asks about and, where its operator compares two, the other one."""
    other = [leaf.value] if OPERATORS[leaf.operator].operand is field_operand else []
    return [_field(text, facts) for text in (leaf.field, *other)]


def _field(text: str, facts: Bindings) -> Field:
    root = text.partition(".")[0]
    return parse_field(text, {root: facts[root].classifier.fact_names} if root in facts else {})


def _leaf(leaf: Leaf, facts: Bindings) -> Test:
    operator = OPERATORS[leaf.operator]
    field, *other = leaf_fields(leaf, facts)
    operand = operator.operand(_folded(leaf) if field.root == "tool_name" else leaf.value)
    ask = operator.build(operand)
    if other:
        return _compare_fields(field, other[0], ask, facts)
    test = test_of(field, ask, facts)
    if operator.if_missing is None:
        return test
    answer = operator.if_missing(operand)

    def or_missing(call: ToolCall) -> bool:
        try:
            return test(call)
        except Missing:
            return answer

    return or_missing


def _folded(leaf: Leaf) -> Any:
    """What is compared with a tool's name: names match in any case, here as in a scope."""
    if leaf.operator == "regex":
        return f"(?i){leaf.value}"
    items = leaf.value if isinstance(leaf.value, list) else [leaf.value]
    folded = [item.casefold() if isinstance(item, str) else item for item in items]
    return folded if isinstance(leaf.value, list) else folded[0]


def _compare_fields(field: Field, other: Field, ask: Test, facts: Bindings) -> Test:
    get_other = getter(other, facts)
    return lambda call: test_of(field, lambda value: ask((value, get_other(call))), facts)(call)
