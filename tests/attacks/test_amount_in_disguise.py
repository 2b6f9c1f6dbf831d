"""Amounts that slip under `gt 500` in most engines: NaN, booleans, text with separators, a missing or negative amount."""

from decimal import Decimal

import pytest

from toolguard import Guard, Verdict

DISGUISES = [
    "NaN",
    "nan",
    "inf",
    "5,000",
    "5_000",
    "0x1p20",
    "\u0665\u0660\u0660\u0660",
    "",
    " ",
    True,
    None,
    [900],
    {"v": 900},
    -900,
    "-1",
]
PLAIN = [900, 900.0, "900", " 900 ", "9e2", Decimal(900), 10**400]


@pytest.mark.parametrize("amount", [*DISGUISES, *PLAIN], ids=ascii)
def test_is_denied(amount):
    decision = Guard(pack="payments", ledger=":memory:").evaluate("issue_refund", {"amount": amount})
    assert decision.verdict == Verdict.DENY


def test_a_missing_amount_is_denied():
    assert not Guard(pack="payments", ledger=":memory:").evaluate("issue_refund", {"total": 9_000}).allowed


@pytest.mark.parametrize("amount", [1, 99.99, "50", Decimal("199.99"), 200], ids=ascii)
def test_an_honest_small_amount_is_not(amount):
    assert Guard(pack="payments", ledger=":memory:").evaluate("issue_refund", {"amount": amount}).allowed
