"""An SDK of the reference judged keyword arguments only: the same refund, passed by position, was paid."""

import pytest

from toolguard import Guard, ToolDenied, guarded


@pytest.mark.parametrize(
    "spelling", [lambda f: f("A-1", 10_000), lambda f: f("A-1", amount=10_000), lambda f: f(*["A-1", 10_000])]
)
def test_every_spelling_of_the_same_call_is_denied(spelling):
    paid = []

    @guarded(Guard(pack="payments", ledger=":memory:"))
    def issue_refund(order_id, amount):
        paid.append(amount)

    with pytest.raises(ToolDenied):
        spelling(issue_refund)
    assert paid == []
