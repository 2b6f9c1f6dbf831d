"""Whether a WHERE leaves anything out: a tautology bounds nothing.

Three values: True holds for every row (but for NULLs), False for none, None depends on the row. A condition that names no
column holds for all rows or for none, which is as good as no condition.
"""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

MAX_DEPTH = 60
_UNKNOWN = object()
_ONE_TO_ONE = (exp.Cast, exp.TryCast, exp.Paren, exp.Collate)
_NEVER_NEGATIVE = (exp.Length, exp.Abs, exp.Count, exp.ArraySize, exp.BitLength)
_SAME = (exp.EQ, exp.GTE, exp.LTE, exp.NullSafeEQ, exp.Is, exp.Like, exp.ILike)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_COMPLEMENTS: dict[type, tuple[type, ...]] = {
    exp.EQ: (exp.NEQ,),
    exp.LT: (exp.GTE, exp.GT),
    exp.GT: (exp.LTE, exp.LT),
    exp.LTE: (exp.GT, exp.GTE),
}


def always(condition: exp.Expr, dialect: str, target: str | None = None, depth: int = 0) -> bool | None:
    """What the condition is for a row of `target`: True, False, or None where it depends on the row."""
    if depth > MAX_DEPTH:
        return None
    node = _core(condition)
    value = _constant(node)
    if value is not _UNKNOWN:
        return _truth(value, dialect)

    def ask(each: exp.Expr) -> bool | None:
        return always(each, dialect, target, depth + 1)

    found = _of_logic(node, dialect, ask)
    if found is None:
        found = _of_comparison(node, target, ask)
    if found is None and not _depends_on_anything(node):
        return True
    return found


def bounded_by(condition: exp.Expr | None, limit: exp.Expr | None, dialect: str, target: str | None) -> str:
    """What keeps a write from every row: `values` that columns have to have, another `where`, a `limit`, or `none`."""
    if condition is not None and always(condition, dialect, target) is not True:
        return "values" if _asks_for_values(condition) else "where"
    return "limit" if limit is not None and _is_small(limit) else "none"


def _asks_for_values(condition: exp.Expr) -> bool:
    """A column has to have one value, or one of a list, and whatever else: `id = 5 AND ...`, `id IN (1, 2)`."""
    node = _core(condition)
    if isinstance(node, exp.And):
        return _asks_for_values(node.left) or _asks_for_values(node.right)
    if isinstance(node, exp.Or):
        return _asks_for_values(node.left) and _asks_for_values(node.right)
    if isinstance(node, exp.EQ):
        sides = (_core(node.left), _core(node.right))
        return any(isinstance(each, exp.Column) for each in sides) and any(_is_value(each) for each in sides)
    return (
        isinstance(node, exp.In)
        and isinstance(_core(node.this), exp.Column)
        and bool(node.expressions)
        and all(_is_value(_core(each)) for each in node.expressions)
    )


def _is_value(node: exp.Expr) -> bool:
    return isinstance(node, (exp.Literal, exp.Placeholder, exp.Parameter)) or _constant(node) not in (_UNKNOWN, None)


def _is_small(limit: exp.Expr) -> bool:
    given = limit.expression if isinstance(limit, exp.Limit) else limit
    value = _constant(_core(given)) if isinstance(given, exp.Expr) else _UNKNOWN
    return isinstance(value, float) and value < 1e6  # noqa: PLR2004 - a "limit" of a million is none


def _of_logic(node: exp.Expr, dialect: str, ask: Any) -> bool | None:
    if isinstance(node, exp.And):
        left, right = ask(node.left), ask(node.right)
        return False if left is False or right is False else (left and right) or None
    if isinstance(node, exp.Or) or (dialect == "mysql" and isinstance(node, exp.DPipe)):
        left, right = ask(node.left), ask(node.right)
        if left or right or _are_complements(_core(node.left), _core(node.right)):
            return True
        return False if left is False and right is False else None
    if isinstance(node, exp.Xor):
        left, right = _core(node.left), _core(node.right)
        if _are_complements(left, right):
            return True
        first, second = ask(left), ask(right)
        return None if first is None or second is None else first != second
    if isinstance(node, exp.Not):
        inner = _core(node.this)
        if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
            return _is_not_null(inner.this)
        found = ask(inner)
        return None if found is None else not found
    if isinstance(node, exp.Case):
        return _of_case(node, ask)
    return None


def _of_comparison(node: exp.Expr, target: str | None, ask: Any) -> bool | None:
    if isinstance(node, exp.Is):
        return _of_is(node, ask)
    if isinstance(node, (exp.Like, exp.ILike, exp.Glob)):
        pattern = _constant(node.expression)
        if isinstance(pattern, str) and pattern and not pattern.strip("%*"):
            return True
    if isinstance(node, _COMPARISONS):
        return _of_values(node, target)
    if isinstance(node, exp.Between) and _core(node.this) == _core(node.args["low"]) == _core(node.args["high"]):
        return True
    if isinstance(node, exp.In):
        query = node.args.get("query")
        if query is not None:
            return True if _selects_itself(node.this, query, target) else None
        return True if any(_core(node.this) == _core(each) for each in node.expressions) else None
    if isinstance(node, exp.Exists):
        return _of_exists(node, ask)
    return None


def _of_exists(node: exp.Exists, ask: Any) -> bool | None:
    query = node.this.this if isinstance(node.this, exp.Subquery) else node.this
    if not isinstance(query, exp.Select) or query.args.get("having") or query.args.get("group"):
        return None
    where = query.args.get("where")
    return True if where is None else ask(where.this)


def _of_is(node: exp.Is, ask: Any) -> bool | None:
    other = node.expression
    if isinstance(other, exp.Null):
        return _is_not_null(node.this) if node.args.get("negate") else None
    if isinstance(other, exp.Not) and isinstance(_core(other.this), exp.Null):
        return _is_not_null(node.this)
    if _core(node.this) == _core(other):
        return not node.args.get("negate")
    if isinstance(other, exp.Boolean) and other.this and not node.args.get("negate"):
        return ask(node.this)  # type: ignore[no-any-return]
    return None


def _is_not_null(operand: exp.Expr) -> bool | None:
    """`x IS NOT NULL` leaves out next to nothing: people who mean to bound a write do not write it."""
    return True if operand.find(exp.Column) else None


def _of_values(node: exp.Expr, target: str | None) -> bool | None:
    left, right = _core(node.this), _core(node.expression)
    if left == right:
        return isinstance(node, _SAME)
    first, second = _constant(left), _constant(right)
    if first is not _UNKNOWN and second is not _UNKNOWN and type(first) is type(second) and first is not None:
        return _compare(node, first, second)
    if isinstance(left, _NEVER_NEGATIVE) and isinstance(second, float):
        if second < 0 and isinstance(node, (exp.GT, exp.GTE, exp.NEQ)):
            return True
        if second == 0 and isinstance(node, exp.GTE):
            return True
    if isinstance(node, exp.EQ) and isinstance(right, (exp.Any, exp.All)) and _selects_itself(left, right.this, target):
        return True
    return None


def _compare(node: exp.Expr, first: Any, second: Any) -> bool | None:
    if isinstance(node, (exp.EQ, exp.NullSafeEQ)):
        return bool(first == second)
    if isinstance(node, (exp.NEQ, exp.NullSafeNEQ)):
        return bool(first != second)
    if isinstance(node, exp.GT):
        return bool(first > second)
    if isinstance(node, exp.GTE):
        return bool(first >= second)
    return bool(first < second) if isinstance(node, exp.LT) else bool(first <= second)


def _of_case(node: exp.Case, ask: Any) -> bool | None:
    results = []
    for branch in node.args.get("ifs") or []:
        taken = ask(branch.this) if node.this is None else None
        if taken is False:
            continue
        results.append(ask(branch.args["true"]))
        if taken is True:
            break
    else:
        results.append(ask(node.args["default"]) if node.args.get("default") else False)
    return results[0] if len(set(results)) == 1 else None


def _are_complements(left: exp.Expr, right: exp.Expr) -> bool:
    """One of the two holds whatever the row."""
    return _is_complement(left, right) or _is_complement(right, left)


def _is_complement(one: exp.Expr, other: exp.Expr) -> bool:
    if isinstance(one, exp.Not):
        return _core(one.this) == other
    if isinstance(one, exp.Is) and isinstance(other, exp.Is):
        return (
            _core(one.this) == _core(other.this)
            and one.expression == other.expression
            and bool(one.args.get("negate")) != bool(other.args.get("negate"))
        )
    return (
        isinstance(other, _COMPLEMENTS.get(type(one), ()))
        and _core(one.this) == _core(other.this)
        and _core(one.expression) == _core(other.expression)
    )


def _selects_itself(operand: exp.Expr, query: exp.Expr, target: str | None) -> bool:
    """`id IN (SELECT id FROM t)`, in a statement on `t`."""
    select = query.this if isinstance(query, exp.Subquery) else query
    if not isinstance(select, exp.Select) or any(select.args.get(each) for each in ("where", "limit", "joins", "having")):
        return False
    source = select.args.get("from_")
    return (
        source is not None
        and isinstance(source.this, exp.Table)
        and target is not None
        and source.this.name.lower() == target
        and len(select.expressions) == 1
        and select.expressions[0].alias_or_name.lower() == _core(operand).name.lower()
    )


def _depends_on_anything(node: exp.Expr) -> bool:
    return node.find(exp.Column, exp.Placeholder, exp.Parameter, exp.Select, exp.Pseudocolumn) is not None


def _core(node: exp.Expr) -> exp.Expr:
    """Without what changes nothing: parentheses, casts, `+ 0`, `* 1`."""
    while True:
        if isinstance(node, _ONE_TO_ONE) or (
            isinstance(node, (exp.Add, exp.Sub, exp.Mul))
            and isinstance(node.expression, exp.Literal)
            and node.expression.this == ("1" if isinstance(node, exp.Mul) else "0")
        ):
            node = node.this
        else:
            return node


def _constant(node: exp.Expr) -> Any:
    node = _core(node)
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Null):
        return None
    if isinstance(node, exp.Literal):
        if node.is_string:
            return node.this
        try:
            return float(node.this)
        except ValueError:
            return _UNKNOWN
    if isinstance(node, exp.Neg):
        value = _constant(node.this)
        return -value if isinstance(value, float) else _UNKNOWN
    return _UNKNOWN


def _truth(value: Any, dialect: str) -> bool:
    if isinstance(value, str):
        if dialect in ("mysql", "sqlite"):
            number = re.match(r"\s*[-+]?\d+(\.\d+)?", value)
            return bool(number and float(number.group()))
        return value.strip().lower() in ("t", "true", "y", "yes", "on", "1")
    return bool(value)
