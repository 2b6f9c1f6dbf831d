"""What a leaf of a condition can ask of a value.

To add an operator: one decorated function here and its rows in `tests/cases/operators.yaml`. Validation, the JSON Schema
and the language reference read the registry.
"""

from __future__ import annotations

import operator as py
import re as grammar
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import TYPE_CHECKING, Any

from toolguard.canonical import kind_name
from toolguard.errors import Indeterminate
from toolguard.logic import Test, any_of, negate
from toolguard.patterns import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NUMBER_TEXT = 400  # characters; no number that a person means is longer
_NUMBER = grammar.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,6})?", grammar.ASCII)
_BLANKS = " \t\r\n"


# -- operands: what a policy may write as `value` ----------------------------------------------------------------------


SYMBOLS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "=": "eq", "==": "eq", "!=": "neq"}  # what is written for them


def scalar(value: Any) -> Any:
    """Text, a finite number or a boolean."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("has to be a finite number")
    if isinstance(value, (str, bool, int, float)):
        return value
    raise ValueError(f"has to be text, a number or a boolean, not {kind_name(value)}")


def number_operand(value: Any) -> Any:
    """A finite number, or text that spells one."""
    try:
        return number(value)
    except Indeterminate as unknown:
        raise ValueError(f"has to be a number: it {unknown.reason}") from None


def scalars(value: Any) -> list[Any]:
    """A list of texts, numbers and booleans that is not empty."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"has to be a list that is not empty, not {kind_name(value) if value != [] else 'an empty one'}")
    return [scalar(item) for item in value]


def text_operand(value: Any) -> str:
    """Text that is not empty (every text contains the empty one)."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"has to be text that is not empty, not {kind_name(value) if value != '' else 'the empty text'}")
    return value


def pattern(value: Any) -> Any:
    """An RE2 pattern: linear time, no look-around, no back-references."""
    return compile_pattern(text_operand(value))


def field_operand(value: Any) -> str:
    """The name of another field."""
    return text_operand(value)


def flag(value: Any) -> bool:
    """True or false; left out it means true."""
    if value is None:
        return True
    if not isinstance(value, bool):
        raise ValueError(f"has to be true or false, not {kind_name(value)}")  # noqa: TRY004 - a value of the policy
    return value


# -- values ------------------------------------------------------------------------------------------------------------


def number(value: Any) -> int | float | Decimal:
    """The number that a value is or spells; text is read exactly, as Decimal.

    Raises:
        Indeterminate: missing digits, other characters, NaN, infinity, a boolean, null, a list, a mapping.
    """
    kind = type(value)
    if kind is int or ((kind is float or kind is Decimal) and value - value == 0):
        return value  # type: ignore[no-any-return]
    if kind is float or kind is Decimal:
        raise Indeterminate("is not a finite number")
    if kind is str:
        text = value.strip(_BLANKS)
        if len(text) <= MAX_NUMBER_TEXT and _NUMBER.fullmatch(text):
            try:
                return Decimal(text)
            except InvalidOperation:
                pass  # an exponent that even Decimal cannot hold
        raise Indeterminate("is text that spells no number")
    raise Indeterminate(f"is {kind_name(value)}, not a number")


def text(value: Any) -> str:
    """The text that a value is; nothing is converted."""
    if type(value) is str:
        return value
    raise Indeterminate(f"is {kind_name(value)}, not text")


def _exact(limit: Any) -> tuple[int | Decimal, int | float]:
    """A policy's number as (exact, to compare with floats): 500.1 means the decimal that was written."""
    value = number(limit)
    if isinstance(value, int):
        return value, value
    exact = Decimal(repr(value)) if isinstance(value, float) else value
    if exact == exact.to_integral_value() and abs(exact) < 10**30:
        return int(exact), int(exact)  # integers compare several times faster than Decimal
    return exact, float(exact)


# -- the registry ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    `operand` checks the policy's value and returns it ready for use, or raises ValueError. `build` makes the test from that.
    `if_missing` gives the answer for a field that is not there; without it the leaf is indeterminate.
    Where the operand is `field_operand` the value names another field and the test takes the pair of both fields' values.
    """

    name: str
    build: Callable[[Any], Test]
    operand: Callable[[Any], Any]
    if_missing: Callable[[Any], bool] | None
    doc: str


OPERATORS: dict[str, Operator] = {}


def quick(kind: type, compare: Callable[[Any, Any], Any], operand: Any) -> Callable[[Test], Test]:
    """Note on a test that `compare(value, operand)` is its answer for values of exactly this type.

    A leaf that asks it directly saves a call, which is half of what a leaf costs; the test itself answers for every value.
    """

    def note(test: Test) -> Test:
        test.quick = (kind, compare, operand)  # type: ignore[attr-defined]
        return test

    return note


def operator(
    name: str, operand: Callable[[Any], Any], *, if_missing: Callable[[Any], bool] | None = None
) -> Callable[[Callable[[Any], Test]], Callable[[Any], Test]]:
    """Register a function `policy value -> test` under the name policies use."""

    def register(build: Callable[[Any], Test]) -> Callable[[Any], Test]:
        OPERATORS[name] = Operator(name, build, operand, if_missing, (build.__doc__ or "").strip())
        return build

    return register


def quick_of(test: Test) -> tuple[type, Callable[[Any, Any], Any], Any]:
    """What `quick` noted; for other tests a type that no value has."""
    return getattr(test, "quick", (_NoValue, py.is_, None))


class _NoValue:
    pass


@operator("eq", scalar)
def eq(expected: Any) -> Test:
    """The same value. A number equals a number or text that spells it; text equals text; null equals nothing."""
    if type(expected) is bool:
        return _same_kind(bool, expected)
    if type(expected) is str:
        return _same_kind(str, expected)
    exact, approximate = _exact(expected)

    @quick(int, py.eq, exact)
    def test(value: Any) -> bool:
        if type(value) is float:
            return value == approximate
        return value is not None and number(value) == exact

    return test


def _same_kind(kind: type, expected: Any) -> Test:
    @quick(kind, py.eq, expected)
    def test(value: Any) -> bool:
        if type(value) is kind:
            return value == expected  # type: ignore[no-any-return]
        if value is None:
            return False
        raise Indeterminate(f"is {kind_name(value)}, not {kind_name(expected)}")

    return test


@operator("neq", scalar)
def neq(expected: Any) -> Test:
    """Not the same value."""
    equal = eq(expected)
    kind, _, operand = quick_of(equal)
    return quick(kind, py.ne, operand)(negate(equal))


@operator("gt", number_operand)
def gt(limit: Any) -> Test:
    """A number greater than this one."""
    exact, approximate = _exact(limit)

    @quick(int, py.gt, exact)
    def test(value: Any) -> bool:
        found = number(value)
        return found > (approximate if type(found) is float else exact)

    return test


@operator("lt", number_operand)
def lt(limit: Any) -> Test:
    """A number less than this one."""
    exact, approximate = _exact(limit)

    @quick(int, py.lt, exact)
    def test(value: Any) -> bool:
        found = number(value)
        return found < (approximate if type(found) is float else exact)

    return test


@operator("gte", number_operand)
def gte(limit: Any) -> Test:
    """A number greater than or equal to this one."""
    return quick(int, py.ge, _exact(limit)[0])(negate(lt(limit)))


@operator("lte", number_operand)
def lte(limit: Any) -> Test:
    """A number less than or equal to this one."""
    return quick(int, py.le, _exact(limit)[0])(negate(gt(limit)))


@operator("in", scalars)
def in_(expected: list[Any]) -> Test:
    """Equal to one of these values."""
    texts = frozenset(item for item in expected if type(item) is str)
    others = any_of([eq(item) for item in expected])

    def test(value: Any) -> bool:
        return (type(value) is str and value in texts) or others(value)

    return test


@operator("not_in", scalars, if_missing=lambda _: True)
def not_in(expected: list[Any]) -> Test:
    """Equal to none of these values, or not there."""
    return negate(in_(expected))


@operator("contains", text_operand)
def contains(part: str) -> Test:
    """Text with this part in it, or a list with such a text in it."""

    @quick(str, py.contains, part)
    def test(value: Any) -> bool:
        return in_items(value) if type(value) is list else part in text(value)

    def in_items(items: list[Any]) -> bool:
        if any(type(item) is str and part in item for item in items):
            return True
        if any(type(item) is not str for item in items):
            raise Indeterminate("is a list with something else than text in it")
        if part in " ".join(items):
            raise Indeterminate("holds the text only when its items are joined")
        return False

    return test


@operator("not_contains", text_operand, if_missing=lambda _: True)
def not_contains(part: str) -> Test:
    """Text without this part, a list without such a text, or not there."""
    return negate(contains(part))


@operator("starts_with", text_operand)
def starts_with(prefix: str) -> Test:
    """Text that begins with this one."""
    return quick(str, str.startswith, prefix)(lambda value: text(value).startswith(prefix))


@operator("ends_with", text_operand)
def ends_with(suffix: str) -> Test:
    """Text that ends with this one."""
    return quick(str, str.endswith, suffix)(lambda value: text(value).endswith(suffix))


@operator("regex", pattern)
def regex(compiled: Any) -> Test:
    """Text in which this RE2 pattern matches somewhere."""
    search = compiled.search
    return lambda value: search(text(value)) is not None


@operator("gt_field", field_operand)
def gt_field(_: str) -> Test:
    """A number greater than the number in that other field."""
    return lambda pair: _decimal(pair[0]) > _decimal(pair[1])


@operator("lt_field", field_operand)
def lt_field(_: str) -> Test:
    """A number less than the number in that other field."""
    return lambda pair: _decimal(pair[0]) < _decimal(pair[1])


def _decimal(value: Any) -> int | Decimal:
    """Both sides come from the call, so floats are read as the decimals that were written."""
    found = number(value)
    return Decimal(repr(found)) if isinstance(found, float) else found


@operator("exists", flag, if_missing=py.not_)
def exists(wanted: bool) -> Test:  # noqa: FBT001 - the policy's value
    """There (null counts as there); with `value: false`, not there."""
    return lambda _: wanted
