"""What the wrapper around a tool costs without a disk: binding, copying, deciding, digests, two records in memory."""

import inspect

from bench.cases import ALLOWED, DENIED, check, threshold
from bench.measure import agree, compute, row
from toolguard import Guard, ToolDenied, guarded


def issue_refund(amount, customer="c-1001", note=""):  # noqa: ARG001 - binding them is part of what is measured
    return amount


def rows(pace):
    guard = Guard(threshold(), ledger=":memory:")
    ours, plain = guarded(guard)(issue_refund), bound(issue_refund)
    checks = [
        agree(f"amount {amount}", expected, outcome(ours, amount), outcome(plain, amount))
        for amount, expected in ((ALLOWED, ALLOWED), (DENIED, "deny"))
    ]
    params = {"amount": ALLOWED, "customer": "c-1001", "note": ""}
    sides = (
        lambda: ours(amount=ALLOWED),
        lambda: check("issue_refund", params),
        lambda: issue_refund(amount=ALLOWED),
        lambda: plain(amount=ALLOWED),
    )
    figures = compute(pace, *sides)
    yield row("what @guarded adds to a call, in memory, in hand-written ifs", figures, checks, ratio=added_ifs)
    yield row("  the same call / a wrapper with Signature.bind and the if", [(each[0], each[3]) for each in figures], checks)


def added_ifs(ours, hand_written, tool, _):
    return (ours - tool) / hand_written


class Denied(Exception):
    pass


def bound(function):
    """The usual way to write such a wrapper."""
    signature = inspect.signature(function)

    def wrapper(*args, **kwargs):
        arguments = signature.bind(*args, **kwargs)
        arguments.apply_defaults()
        if check("issue_refund", arguments.arguments) == "deny":
            raise Denied
        return function(*arguments.args, **arguments.kwargs)

    return wrapper


def outcome(tool, amount):
    try:
        return tool(amount=amount)
    except (Denied, ToolDenied):
        return "deny"
