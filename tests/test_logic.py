"""Kleene's laws, against a truth table written out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard.errors import Indeterminate, Missing
from toolguard.logic import all_of, any_of, negate

UNKNOWN = "unknown"
VALUES = st.sampled_from([True, False, UNKNOWN])


def constant(value):
    def test(_):
        if value is UNKNOWN:
            raise Indeterminate("unknown")
        return value

    return test


def ask(test):
    try:
        return test(None)
    except Indeterminate:
        return UNKNOWN


def expected_and(values):
    return False if False in values else UNKNOWN if UNKNOWN in values else True


def expected_or(values):
    return True if True in values else UNKNOWN if UNKNOWN in values else False


@given(st.lists(VALUES, max_size=5))
def test_joins_follow_the_table(values):
    tests = [constant(v) for v in values]
    assert ask(all_of(tests)) == expected_and(values)
    assert ask(any_of(tests)) == expected_or(values)


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_de_morgan(values):
    tests = [constant(v) for v in values]
    assert ask(negate(all_of(tests))) == ask(any_of([negate(t) for t in tests]))
    assert ask(negate(any_of(tests))) == ask(all_of([negate(t) for t in tests]))


@given(VALUES)
def test_double_negation(value):
    assert ask(negate(negate(constant(value)))) == value


@given(st.lists(VALUES, min_size=1, max_size=5), st.randoms())
def test_order_and_repetition_do_not_matter(values, random):
    shuffled = [*values, random.choice(values)]
    random.shuffle(shuffled)
    assert ask(all_of([constant(v) for v in shuffled])) == ask(all_of([constant(v) for v in values]))
    assert ask(any_of([constant(v) for v in shuffled])) == ask(any_of([constant(v) for v in values]))


@given(VALUES, VALUES, VALUES)
def test_joins_nest(a, b, c):
    a, b, c = map(constant, (a, b, c))
    assert ask(all_of([a, all_of([b, c])])) == ask(all_of([a, b, c]))
    assert ask(any_of([a, any_of([b, c])])) == ask(any_of([a, b, c]))


def test_the_first_reason_is_told():
    def unknown(reason):
        def test(_):
            raise Indeterminate(reason)

        return test

    with pytest.raises(Indeterminate, match="first"):
        all_of([constant(True), unknown("first"), unknown("second")])(None)
    with pytest.raises(Indeterminate, match="first"):
        any_of([unknown("first"), unknown("second")])(None)


@pytest.mark.parametrize("join", [all_of, any_of])
@pytest.mark.parametrize("width", [2, 3])
def test_every_test_is_asked_at_most_once_however_deep(join, width):
    asked = []

    def unknown(_):
        asked.append(1)
        raise Indeterminate("unknown")

    settled = constant(join is all_of)
    test = unknown
    for _ in range(40):
        test = join([test, *[settled] * (width - 1)])
    assert ask(test) == UNKNOWN
    assert len(asked) == 1


def test_what_cannot_be_read_outranks_what_is_missing():
    def missing(_):
        raise Missing("is missing")

    for tests in ([missing, constant(UNKNOWN)], [constant(UNKNOWN), missing], [missing, missing, constant(UNKNOWN)]):
        for join in (all_of, any_of):
            with pytest.raises(Indeterminate, match="unknown"):
                join(tests)(None)
