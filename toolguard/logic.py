"""Three-valued logic: a test answers True or False, or raises `Indeterminate` when it cannot tell.

The joins follow Kleene's strong logic: a false member settles an `and` and a true member settles an `or`, whatever the
others could not say. The third value travels by raising, which costs nothing while nothing is indeterminate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from toolguard.errors import Indeterminate

if TYPE_CHECKING:
    from collections.abc import Sequence

Test = Callable[[Any], bool]  # takes a value, or a whole call
PAIR = 2  # most joins have two members, and a loop over them would cost as much as a test


def all_of(tests: Sequence[Test]) -> Test:
    """False if any test is false, else indeterminate if any is, else true."""
    if len(tests) == PAIR:
        return _both(*tests)
    tests = tuple(tests)

    def test(subject: Any) -> bool:
        try:
            for each in tests:
                if not each(subject):
                    return False
        except Indeterminate:
            return _settle(tests, subject, settles=False)
        return True

    return test


def any_of(tests: Sequence[Test]) -> Test:
    """True if any test is true, else indeterminate if any is, else false."""
    if len(tests) == PAIR:
        return _either(*tests)
    tests = tuple(tests)

    def test(subject: Any) -> bool:
        try:
            for each in tests:
                if each(subject):
                    return True
        except Indeterminate:
            return _settle(tests, subject, settles=True)
        return False

    return test


def negate(test: Test) -> Test:
    """The opposite answer; what is indeterminate stays so."""
    return lambda subject: not test(subject)


def _both(first: Test, second: Test) -> Test:
    def test(subject: Any) -> bool:
        try:
            return first(subject) and second(subject)
        except Indeterminate:
            return _settle((first, second), subject, settles=False)

    return test


def _either(first: Test, second: Test) -> Test:
    def test(subject: Any) -> bool:
        try:
            return first(subject) or second(subject)
        except Indeterminate:
            return _settle((first, second), subject, settles=True)

    return test


def _settle(tests: Sequence[Test], subject: Any, *, settles: bool) -> bool:
    """Ask every test again where at least one could not tell: a settling answer counts, else the first reason is raised."""
    unknown = None
    for each in tests:
        try:
            if each(subject) is settles:
                return settles
        except Indeterminate as reason:
            unknown = unknown or reason
    raise unknown or Indeterminate("changed its answer")
