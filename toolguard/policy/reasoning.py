"""What can be said of conditions without a call: that one implies another, or that one can never be true.

Everything here errs on the side of "cannot tell". The three values of a condition count: `implies(narrow, wide)` says that the
wide one is true where the narrow one is, and not false where the narrow one is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, islice
from typing import TYPE_CHECKING, Any

from toolguard.errors import Indeterminate
from toolguard.operators import OPERATORS, number
from toolguard.policy.condition import All, AnyOf, Leaf, Not
from toolguard.policy.document import roots_of
from toolguard.policy.fields import parse_field

if TYPE_CHECKING:
    from collections.abc import Hashable

    from toolguard.policy.condition import Condition
    from toolguard.policy.document import Policy

Path = tuple[str | int, ...]

MAX_PAIRS = 20_000  # of conditions compared with each other; beyond, a policy is too large to be judged in a moment
_OPPOSITE = {"neq": "eq", "gte": "lt", "lte": "gt"}
_WIDER_PART = {"contains": str.__contains__, "starts_with": str.startswith, "ends_with": str.endswith}


@dataclass(frozen=True, slots=True)
class Literal:
    """A leaf, or the opposite of one (`holds` is False), over a field that is named in one way.

    `many`: the field names the items of a list, so the leaf asks whether any or all of them answer yes. `operand` is
    hashable, numbers are exact.
    """

    path: Path
    field: tuple[Any, ...]
    operator: str
    operand: Hashable
    holds: bool
    many: bool
    leaf: Leaf | None

    @property
    def shape(self) -> Hashable:
        """The same for literals that ask the same."""
        return (self.field, self.operator, self.operand, self.holds)

    @property
    def of_tool_name(self) -> bool:
        """Whether it looks at the tool's name, which is compared in any case."""
        return "tool_name" in self.field


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which all (`every`) or one have to hold."""

    path: Path
    every: bool
    members: tuple[Node, ...]
    shape: Hashable


Node = Literal | Group


def node_of(condition: Condition, policy: Policy, path: Path = (), *, holds: bool = True) -> Node:
    """The condition with every `not` moved down to the leaves (De Morgan's laws hold for three values, too)."""
    if isinstance(condition, Not):
        return node_of(condition.not_, policy, (*path, "not"), holds=not holds)
    if isinstance(condition, Leaf):
        return _literal(condition, policy, path, holds=holds)
    if not isinstance(condition, (All, AnyOf)):  # a classifier node: equal to itself, and otherwise opaque
        return Literal(path, (), "", condition.model_dump_json(), holds, many=True, leaf=None)
    key, given = ("and", condition.and_) if isinstance(condition, All) else ("or", condition.or_)
    members = [node_of(each, policy, (*path, key, i), holds=holds) for i, each in enumerate(given)]
    return _group(path, members, every=(key == "and") == holds)


def _group(path: Path, members: list[Node], *, every: bool) -> Node:
    flat: list[Node] = []
    for member in members:
        flat += member.members if isinstance(member, Group) and member.every == every else [member]
    if len(flat) == 1:
        return flat[0]
    return Group(path, every, tuple(flat), (every, frozenset(member.shape for member in flat)))


def _literal(leaf: Leaf, policy: Policy, path: Path, *, holds: bool) -> Literal:
    field = parse_field(leaf.field, roots_of(policy))
    binding = policy.facts.get(field.root, {})
    many = field.many is not None or any(items in value for value in binding.values() for items in ("[*]", "[all]"))
    name = (field.text == "amount", tuple(sorted(binding.items())) or field.root, field.steps)  # bare `amount` is special
    operator = leaf.operator
    if operator in _OPPOSITE and not many:
        operator, holds = _OPPOSITE[operator], not holds
    return Literal(path, name, operator, _operand(leaf, fold=field.root == "tool_name"), holds, many, leaf)


def _operand(leaf: Leaf, *, fold: bool) -> Hashable:
    if isinstance(leaf.value, list):
        return frozenset(_tagged(item, fold=fold) for item in leaf.value)
    if leaf.operator in ("gt", "gte", "lt", "lte"):
        return _exact(leaf.value)
    return _tagged(True if leaf.operator == "exists" and leaf.value is None else leaf.value, fold=fold)


def _tagged(value: Any, *, fold: bool) -> Hashable:
    """The value with its type, because True equals 1."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (Decimal, _exact(value))
    return (type(value), value.casefold() if fold and isinstance(value, str) else value)


def _exact(value: Any) -> Decimal:
    return Decimal(str(number(value)))


# -- implication -------------------------------------------------------------------------------------------------------


def implies(narrow: Node, wide: Node) -> bool:
    """Whether `wide` is certain to be true where `narrow` is true, and not to be false where it is unknown."""
    return _Implication().holds(narrow, wide)


class _Implication:
    """One question; asks every pair of parts at most once, and not too many."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], bool] = {}

    def holds(self, narrow: Node, wide: Node) -> bool:
        pair = (id(narrow), id(wide))
        if pair not in self.known:
            self.known[pair] = False  # also what counts beyond the bound
            if len(self.known) < MAX_PAIRS:
                self.known[pair] = self._ask(narrow, wide)
        return self.known[pair]

    def _ask(self, narrow: Node, wide: Node) -> bool:
        if narrow.shape == wide.shape:
            return True
        if isinstance(narrow, Group) and not narrow.every:
            return all(self.holds(member, wide) for member in narrow.members)
        if isinstance(wide, Group) and wide.every:
            return all(self.holds(narrow, member) for member in wide.members)
        if isinstance(narrow, Group) and any(self.holds(member, wide) for member in narrow.members):
            return True
        if isinstance(wide, Group):
            return any(self.holds(narrow, member) for member in wide.members)
        return isinstance(narrow, Literal) and _leaf_implies(narrow, wide)


def _leaf_implies(narrow: Literal, wide: Literal) -> bool:
    if narrow.field != wide.field or (narrow.many and narrow.holds != wide.holds):
        return False
    inner, outer = _interval(narrow), _interval(wide)
    if outer and inner:
        return outer.contains(inner)
    if narrow.holds != wide.holds:
        return False
    small, large = (narrow, wide) if narrow.holds else (wide, narrow)
    if {small.operator, large.operator} <= {"eq", "in"}:
        return _values(small) <= _values(large)
    if small.operator != large.operator:
        return False
    if small.operator in ("not_in", "not_contains"):
        small, large = large, small
    if small.operator == "not_in":
        return _values(small) <= _values(large)
    part = _WIDER_PART.get(small.operator.removeprefix("not_"))
    return bool(part and small.leaf and large.leaf and part(small.leaf.value, large.leaf.value))


def _values(literal: Literal) -> frozenset[Any]:
    return literal.operand if isinstance(literal.operand, frozenset) else frozenset({literal.operand})


@dataclass(frozen=True, slots=True)
class _Interval:
    """The numbers from `low` to `high`; None is no bound. An open end does not belong to it."""

    low: Decimal | None
    high: Decimal | None
    open_low: bool = False
    open_high: bool = False

    def contains(self, other: _Interval) -> bool:
        """Whether every number of the other one is in this one."""
        low = self.low is None or (other.low is not None and (self.low, self.open_low) <= (other.low, other.open_low))
        high = self.high is None or (other.high is not None and (other.high, self.open_high) <= (self.high, other.open_high))
        return low and high

    def meets(self, other: _Interval) -> bool:
        """Whether the two have a number in common."""
        return _before(self, other) and _before(other, self)


def _before(one: _Interval, other: _Interval) -> bool:
    """Whether the first begins before the second ends."""
    if one.low is None or other.high is None:
        return True
    return one.low < other.high or (one.low == other.high and not (one.open_low or other.open_high))


def _interval(literal: Literal) -> _Interval | None:
    bound, holds = literal.operand, literal.holds
    if literal.operator == "gt" and isinstance(bound, Decimal):
        return _Interval(bound, None, open_low=True) if holds else _Interval(None, bound)
    if literal.operator == "lt" and isinstance(bound, Decimal):
        return _Interval(None, bound, open_high=True) if holds else _Interval(bound, None)
    if literal.operator == "eq" and holds and isinstance(bound, tuple) and bound[0] is Decimal:
        return _Interval(bound[1], bound[1])
    return None


# -- contradiction -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two literals that cannot be true at once, the later one second. `bounds`: both are bounds of one number."""

    first: Literal
    second: Literal

    @property
    def bounds(self) -> bool:
        """Whether both are bounds of one number."""
        return {self.first.operator, self.second.operator} <= {"gt", "lt"}


def contradiction(group: Node) -> Contradiction | None:
    """The first two members of an `and` that cannot be true at once."""
    if not isinstance(group, Group) or not group.every:
        return None
    literals = [member for member in group.members if isinstance(member, Literal)]
    for first, second in islice(combinations(literals, 2), MAX_PAIRS):
        if first.field == second.field and _exclude(first, second):
            return Contradiction(first, second)
    return None


def never_true(node: Node) -> Contradiction | None:
    """Why no call can make the condition true, or None when one may."""
    if isinstance(node, Literal):
        return None
    if node.every:
        return contradiction(node) or next(filter(None, map(never_true, node.members)), None)
    reasons = [never_true(member) for member in node.members]
    return reasons[0] if all(reasons) else None


def _exclude(one: Literal, other: Literal) -> bool:
    if one.operator == other.operator and one.operand == other.operand and one.holds != other.holds:
        return True
    if one.many or other.many:  # different items may answer
        return False
    first, second = _interval(one), _interval(other)
    if first and second:
        return not first.meets(second)
    return _no_value_answers(one, other) or _no_value_answers(other, one)


def _no_value_answers(finite: Literal, asked: Literal) -> bool:
    """Whether none of the values that `finite` allows can make the other one true."""
    if finite.leaf is None or asked.leaf is None or not finite.holds or finite.operator not in ("eq", "in"):
        return False
    if asked.operator in ("exists", "gt_field", "lt_field"):
        return False
    values = finite.leaf.value if isinstance(finite.leaf.value, list) else [finite.leaf.value]
    if any(type(value) in (int, float) for value in values) and asked.operator not in ("gt", "lt"):
        return False  # the call may give a number as text that spells it, in many ways
    return not any(_answers(asked, asked.leaf, value) for value in values)


def _answers(literal: Literal, leaf: Leaf, value: Any) -> bool:
    operator = OPERATORS[literal.operator]
    operand, given = (_folded(leaf.value), _folded(value)) if literal.of_tool_name else (leaf.value, value)
    if literal.of_tool_name and literal.operator == "regex":
        operand = f"(?i){leaf.value}"
    try:
        return operator.build(operator.operand(operand))(given) is literal.holds
    except Indeterminate:
        return False


def _folded(value: Any) -> Any:
    if isinstance(value, list):
        return [_folded(item) for item in value]
    return value.casefold() if isinstance(value, str) else value
