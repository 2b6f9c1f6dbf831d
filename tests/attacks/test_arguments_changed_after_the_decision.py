"""A second thread changes the arguments between the decision and the tool (10 became 1000 in three frameworks)."""

import threading
from contextlib import suppress

from toolguard import Guard, ToolDenied, guarded

POLICY = """\
policy_id: p
scope: {tool_names: [pay]}
rules:
  - {rule_id: cap, effect: deny, conditions: {field: parameters.order.amount, operator: gt, value: 500}}
"""


def test_the_tool_gets_what_was_judged():
    guard = Guard(POLICY, ledger=":memory:")
    got = []

    @guarded(guard)
    def pay(order):
        got.append(order["amount"])

    order = {"amount": 10}
    stop = threading.Event()

    def flip():
        while not stop.is_set():
            order["amount"] = 1000
            order["amount"] = 10

    flipper = threading.Thread(target=flip)
    flipper.start()
    for _ in range(300):
        with suppress(ToolDenied):
            pay(order)
    stop.set()
    flipper.join()
    assert got
    assert set(got) == {10}
