"""What `toolguard lint` says about conditions: rules that change nothing, and questions that can have only one answer."""

from __future__ import annotations

from itertools import islice, permutations
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from toolguard.canonical import kind_name
from toolguard.model import Verdict
from toolguard.operators import OPERATORS, field_operand, flag, number_operand, pattern, text_operand
from toolguard.policy.advice import Severity, check
from toolguard.policy.bindings import parse_binding
from toolguard.policy.reasoning import MAX_PAIRS, Group, Literal, contradiction, implies, never_true, node_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.policy.advice import Advice, Path, Written
    from toolguard.policy.condition import Leaf
    from toolguard.policy.document import Policy, Rule
    from toolguard.policy.reasoning import Node


# -- rules that change nothing -----------------------------------------------------------------------------------------


@check(
    "unreachable-rule",
    Severity.WARNING,
    remedy="take the rule out, narrow the other one, or give this one the stricter effect",
)
def unreachable_rule(written: Written) -> Advice:
    """Whenever the rule fires, another rule of the policy fires too and is at least as strict: it changes no verdict."""
    rules = [(path, rule, node_of(rule.conditions, written.policy)) for path, rule in written.rules()]
    told: set[Path] = set()
    restricting = [each for each in rules if each[1].verdict > Verdict.ALLOW]
    for (path, rule, node), (other_path, other, wide) in islice(permutations(restricting, 2), MAX_PAIRS):
        if path in told or other_path in told:  # of two that cover each other, one stays
            continue
        if other.verdict >= rule.verdict and _fires_where(other, rule) and not _asks_more(other) and implies(node, wide):
            if node.shape == wide.shape and other.verdict == rule.verdict and other_path > path:
                continue  # the later one of twins is told
            told.add(path)
            yield path, f"the rule `{rule.rule_id}` changes nothing: whenever it fires, `{other.rule_id}` ({other.effect}) does"


def _asks_more(rule: Rule) -> bool:
    """Whether a rule does not fire by its conditions alone."""
    return bool(rule.requires or rule.forbids_after)


def _fires_where(other: Rule, rule: Rule) -> bool:
    """Whether a rule that is not false where another one is unknown fires there, too, if that one does."""
    return other.on_indeterminate != "skip" or rule.on_indeterminate == "skip" or rule.effect == "allow"


@check(
    "allow-shadowed-by-deny",
    Severity.NOTE,
    remedy="take the allow rule out, or put what it allows as `not:` into the condition of the other one",
)
def allow_shadowed_by_deny(written: Written) -> Advice:
    """Whenever the allow rule fires, a deny or escalate rule over the same tools fires too, and the stricter one counts."""
    allowing = [(path, rule) for path, rule in written.rules() if rule.effect == "allow"]
    stricter = list(islice(_stricter(written), MAX_PAIRS // len(allowing))) if allowing else []
    for path, rule in allowing:
        node = node_of(rule.conditions, written.policy)
        cover = next(((policy, other) for policy, other, wide in stricter if implies(node, wide)), None)
        if cover:
            of = "" if cover[0] is written.policy else f" of the policy `{cover[0].policy_id}`"
            yield path, f"what `{rule.rule_id}` allows, `{cover[1].rule_id}`{of} always refuses or escalates"


def _stricter(written: Written) -> Iterator[tuple[Policy, Rule, Node]]:
    """The deny and escalate rules that are asked about every call of the policy, its own first."""
    others = (each for each in written.together if each is not written.policy and _enforced_over(each, written.policy))
    for policy in (written.policy, *others):
        for rule in policy.rules:
            if rule.enabled and rule.verdict >= Verdict.ESCALATE and not _asks_more(rule):
                yield policy, rule, node_of(rule.conditions, policy)


def _enforced_over(policy: Policy, other: Policy) -> bool:
    """Whether a policy decides every call that the other one covers."""
    if policy.status != "approved" or policy.mode != "enforcement":
        return False
    wide, narrow = policy.scope, other.scope
    tools = {name.casefold() for name in narrow.tool_names} <= {name.casefold() for name in wide.tool_names}
    groups = set(narrow.tool_groups) <= set(wide.tool_groups)
    every = not wide.tool_names and not wide.tool_groups
    same_tools = every or (tools and groups and bool(narrow.tool_names or narrow.tool_groups))
    return same_tools and _no_narrower(wide.agent_ids, narrow.agent_ids) and _no_narrower(wide.org_ids, narrow.org_ids)


def _no_narrower(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    return not wide or (bool(narrow) and set(narrow) <= set(wide))


# -- questions with one answer -----------------------------------------------------------------------------------------


@check("never-fires", Severity.WARNING, remedy="correct one of the two, or join them with `or`")
def never_fires(written: Written) -> Advice:
    """No call can make the condition true. A restricting rule then only fires where a value is missing or cannot be read."""
    for path, rule in written.rules():
        found = never_true(node_of(rule.conditions, written.policy))
        if found and not found.bounds:
            first, second = _words(found.first), _words(found.second)
            yield (
                (*path, "conditions", *found.second.path),
                f"the condition is never true: {first} and {second} exclude each other",
            )


@check("always-fires", Severity.WARNING, remedy="join the two with `and`, or take the conditions out of the policy")
def always_fires(written: Written) -> Advice:
    """Every call makes the condition true. An allow rule then allows everything, and any other one stops everything."""
    for path, rule in written.rules():
        found = never_true(node_of(rule.conditions, written.policy, holds=False))
        if found and not _asks_more(rule):
            first, second = _words(found.first, holds=False), _words(found.second, holds=False)
            yield (
                (*path, "conditions", *found.second.path),
                f"the condition is always true: where {first} is not, {second} is",
            )


@check("contradictory-bounds", Severity.WARNING, remedy="correct one of the bounds, or join the two with `or`")
def contradictory_bounds(written: Written) -> Advice:
    """Two bounds of one number under the same `and` leave no number between them."""
    for path, group in _groups(written):
        found = contradiction(group)
        if found and found.bounds:
            first, second = _words(found.first), _words(found.second)
            yield (*path, *found.second.path), f"no number can be both: {first} and {second}"


@check(
    "duplicate-condition", Severity.WARNING, remedy="take one of the two out, or correct the one that was to ask something else"
)
def duplicate_condition(written: Written) -> Advice:
    """The same condition stands twice under one `and` or `or`; the second was most likely meant to be another one."""
    for path, group in _groups(written):
        seen = set()
        for member in group.members:
            if member.shape in seen:
                yield (*path, *member.path), f"the same condition stands twice under one {'and' if group.every else 'or'}"
            seen.add(member.shape)


def _groups(written: Written) -> Iterator[tuple[Path, Group]]:
    for path, rule in written.rules():
        stack: list[Node] = [node_of(rule.conditions, written.policy)]
        while stack:
            node = stack.pop()
            if isinstance(node, Group):
                yield (*path, "conditions"), node
                stack += node.members


def _words(literal: Literal, *, holds: bool = True) -> str:
    """A literal, or its opposite, as a person would say it: `amount gt 5`."""
    if literal.leaf is None:
        return "the classifier's node"
    leaf = literal.leaf
    plain = (literal.holds == holds) == (leaf.operator == literal.operator)
    return f"{'' if plain else 'not '}`{leaf.field} {leaf.operator} {leaf.value}`"


@check(
    "not-over-any-item",
    Severity.WARNING,
    remedy="write `[all]` in the place of `[*]`: `not` over it means that some item is not such",
)
def not_over_any_item(written: Written) -> Advice:
    """`[*]` asks for any item, so `not` over it means that no item is such. One good item keeps a deny rule quiet."""
    for path, rule in written.rules():
        if rule.verdict < Verdict.ESCALATE:
            continue
        stack: list[Node] = [node_of(rule.conditions, written.policy)]
        while stack:
            node = stack.pop()
            if isinstance(node, Group):
                stack += node.members
            elif _asks_for_no_item(node):
                field = node.leaf.field if node.leaf else ""
                yield (
                    (*path, "conditions", *node.path),
                    f"`not` over `{field}` means that no item is such, not that some item is not",
                )


def _asks_for_no_item(node: Literal) -> bool:
    return (
        node.leaf is not None
        and "[*]" in node.leaf.field
        and not node.holds
        and node.operator in ("eq", "in", "contains", "starts_with", "ends_with", "regex")
    )


@check("impossible-kind", Severity.WARNING, remedy="use an operator for that kind of value, or a value of that kind")
def impossible_kind(written: Written) -> Advice:
    """The operator cannot look at what the field is, so it never has an answer: a restricting rule fires on every call."""
    facts = {name: parse_binding(given).classifier.facts for name, given in written.policy.facts.items()}
    for path, rule, leaf in written.leaves():
        field = written.field(leaf.field)
        kinds = _kinds_of(facts[field.root], str(field.steps[0])) if field.root in facts else ()
        if len(kinds) == 1 and not _fits(leaf, kinds[0]):
            always = "never fires" if rule.effect == "allow" or rule.on_indeterminate == "skip" else "fires on every call"
            kind = {str: "text", bool: "true or false", int: "a number"}[kinds[0]]
            yield (
                path,
                f"`{leaf.field}` is {kind}, which `{leaf.operator}` of {_asked(leaf)} has no answer for: the rule {always}",
            )


_COMPARED_WITH: dict[Any, tuple[type, ...]] = {bool: (bool,), int: (int, float), str: (str, int, float)}


def _kinds_of(facts: type, name: str) -> tuple[type, ...]:
    """The kinds that a fact can have, if they are all plain."""
    hint = get_type_hints(facts)[name]
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    known = tuple(kind for kind in kinds if kind is not NoneType)
    return known if all(kind in (str, bool, int) for kind in known) else ()


def _fits(leaf: Leaf, kind: Any) -> bool:
    operand = OPERATORS[leaf.operator].operand
    if operand is flag:
        return True
    if operand in (text_operand, pattern):
        return kind is str
    if operand in (number_operand, field_operand):
        return kind is int
    values = leaf.value if isinstance(leaf.value, list) else [leaf.value]
    return any(type(value) in _COMPARED_WITH[kind] for value in values)


def _asked(leaf: Leaf) -> str:
    return f"`{leaf.value}`" if isinstance(leaf.value, str) else kind_name(leaf.value)
