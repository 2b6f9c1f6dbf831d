"""Three-valued logic: a test answers True or False, or raises `Indeterminate` when it cannot tell.

The joins follow Kleene's strong logic: a false member settles an `and` and a true member settles an `or`, whatever the
others could not say. The third value travels by raising, which costs nothing while nothing is indeterminate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from toolguard.errors import Indeterminate, Missing

if TYPE_CHECKING:
    from collections.abc import Sequence

Test = Callable[[Any], bool]  # takes a value, or a whole call
PAIR = 2  # most joins have two members, and a loop over them would cost as much as a test


def all_of(tests: Sequence[Test]) -> Test:
    """False if any test is false, else indeterminate if any is, else true. Every test is asked at most once."""
    if len(tests) == PAIR:
        return _both(*tests)
    return _joined(tuple(tests), settles=False)


def any_of(tests: Sequence[Test]) -> Test:
    """True if any test is true, else indeterminate if any is, else false. Every test is asked at most once."""
    if len(tests) == PAIR:
        return _either(*tests)
    return _joined(tuple(tests), settles=True)


def negate(test: Test) -> Test:
    """The opposite answer; what is indeterminate stays so."""
    return lambda subject: not test(subject)


def _joined(tests: Sequence[Test], *, settles: bool) -> Test:
    def test(subject: Any) -> bool:
        unknown = None
        for each in tests:
            try:
                if each(subject) is settles:
                    return settles
            except Indeterminate as reason:
                unknown = _graver(unknown, reason)
        if unknown is not None:
            raise unknown
        return not settles

    return test


def _both(first: Test, second: Test) -> Test:
    def test(subject: Any) -> bool:
        try:
            if not first(subject):
                return False
        except Indeterminate as unknown:
            return _after(unknown, second, subject, settles=False)
        return second(subject)

    return test


def _either(first: Test, second: Test) -> Test:
    def test(subject: Any) -> bool:
        try:
            if first(subject):
                return True
        except Indeterminate as unknown:
            return _after(unknown, second, subject, settles=True)
        return second(subject)

    return test


def _after(unknown: Indeterminate, second: Test, subject: Any, *, settles: bool) -> bool:
    """The answer when the first of two could not tell."""
    try:
        if second(subject) is settles:
            return settles
    except Indeterminate as reason:
        raise _graver(unknown, reason) from None
    raise unknown


def _graver(first: Indeterminate | None, later: Indeterminate) -> Indeterminate:
    """The first reason, but what cannot be read outranks what is only missing: some operators have an answer for that."""
    return later if first is None or (isinstance(first, Missing) and not isinstance(later, Missing)) else first
