"""The engine alone: one threshold rule, with and without ten thousand policies for other tools."""

from bench.cases import ALLOWED, DENIED, TOOL, check, compiled, threshold
from bench.measure import agree, compute, row
from toolguard.engine.decide import decide
from toolguard.model import ToolCall

OTHERS = 10_000
SAME = 1.1  # what still counts as the same


def rows(pace):
    one, bare = compiled(threshold()), compiled(threshold(field="amount"))
    yield against_if(pace, "decide, 1 threshold rule, allowed", one, ALLOWED, at_most=8)
    yield against_if(pace, "  the same, the rule fires", one, DENIED)
    yield against_if(pace, "  the same, field written as bare `amount`", bare, ALLOWED)
    yield against_one_policy(pace, one, compiled(threshold(), *(threshold(f"tool_{i}") for i in range(OTHERS))))


def against_if(pace, what, policies, amount, *, at_most=None):
    checks = [
        agree(f"amount {each}", expected, word(policies, each), check(TOOL, {"amount": each}))
        for each, expected in ((ALLOWED, "allow"), (DENIED, "deny"))
    ]
    params = {"amount": amount}
    call = ToolCall(TOOL, params)
    figures = compute(pace, lambda: decide(policies, call), lambda: check(TOOL, params))
    return row(what, figures, checks, at_most=at_most)


def against_one_policy(pace, one, many):
    checks = [
        agree("policies", [1 + OTHERS, 1], [len(many.policies), len(one.policies)]),
        agree(f"amount {ALLOWED}", "allow", word(many, ALLOWED), word(one, ALLOWED)),
        agree(f"amount {DENIED}", "deny", word(many, DENIED), word(one, DENIED)),
    ]
    call = ToolCall(TOOL, {"amount": ALLOWED})
    figures = compute(pace, lambda: decide(many, call), lambda: decide(one, call))
    return row(f"decide, {OTHERS:,} policies for other tools / 1", figures, checks, at_most=SAME, target="the same")


def word(policies, amount):
    return decide(policies, ToolCall(TOOL, {"amount": amount})).verdict.word
