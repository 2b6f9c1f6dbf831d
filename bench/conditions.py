"""Twenty and/or/not rules on one tool, against a function with the same twenty ifs."""

from bench.cases import ALLOWED, DENIED, TOOL, compiled, policy
from bench.measure import agree, compute, row
from toolguard.engine.decide import decide
from toolguard.model import ToolCall

RULES = 20
LIMITS = [500 + 10 * number for number in range(RULES)]
WORDS = [f"word{number:02}" for number in range(RULES)]

EVERY_LEAF = {"amount": DENIED, "currency": "USD", "tier": "silver", "note": "the parcel came late and broken"}
FIRST_LEAVES = {"amount": ALLOWED, "currency": "EUR", "tier": "gold", "note": "the parcel came late and broken"}


def rows(pace):
    policies, check = compiled(policy(TOOL, map(condition, LIMITS, WORDS))), written_by_hand()
    checks = checked(policies, check)
    for what, params in (("every leaf asked", EVERY_LEAF), ("settled by first leaves", FIRST_LEAVES)):
        yield row(f"{RULES} and/or/not rules, none fires, {what}", timed(pace, policies, check, params), checks, at_most=10)


def timed(pace, policies, check, params):
    call = ToolCall(TOOL, params)
    return compute(pace, lambda: decide(policies, call), lambda: check(TOOL, params))


def condition(limit, word):
    dear = [
        {"field": "parameters.amount", "operator": "gt", "value": limit},
        {"field": "parameters.currency", "operator": "eq", "value": "EUR"},
    ]
    suspicious = [
        {"not": {"field": "parameters.tier", "operator": "eq", "value": "gold"}},
        {"field": "parameters.note", "operator": "contains", "value": word},
    ]
    return {"or": [{"and": dear}, {"and": suspicious}]}


def written_by_hand():
    lines = ["def check(tool, params):", f"    if tool == {TOOL!r}:"]
    for limit, word in zip(LIMITS, WORDS, strict=True):
        dear = f'params["amount"] > {limit} and params["currency"] == "EUR"'
        suspicious = f'not params["tier"] == "gold" and {word!r} in params["note"]'
        lines += [f"        if ({dear}) or ({suspicious}):", '            return "deny"']
    scope = {}
    exec("\n".join([*lines, '    return "allow"']), scope)
    return scope["check"]


def checked(policies, check):
    """Nothing fires on what is timed; each rule alone fires through either branch."""
    cases = {
        "every leaf asked": (EVERY_LEAF, "allow"),
        "settled by first leaves": (FIRST_LEAVES, "allow"),
        f"amount {DENIED} in EUR": ({**EVERY_LEAF, "currency": "EUR"}, "deny"),
        f"amount {ALLOWED} in EUR": ({**EVERY_LEAF, "currency": "EUR", "amount": ALLOWED}, "allow"),
        **{f"{word} of silver": ({**EVERY_LEAF, "note": f"a {word} b"}, "deny") for word in WORDS},
        **{f"{word} of gold": ({**EVERY_LEAF, "note": f"a {word} b", "tier": "gold"}, "allow") for word in WORDS},
    }
    return [
        agree(question, expected, decide(policies, ToolCall(TOOL, params)).verdict.word, check(TOOL, params))
        for question, (params, expected) in cases.items()
    ]
