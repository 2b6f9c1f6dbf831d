"""One function: from compiled policies and a call to a decision. No clock, no I/O, no state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from toolguard.errors import Indeterminate
from toolguard.model import Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolguard.engine.compile import CompiledRule, PolicySet
    from toolguard.model import Obligation, RuleHit, ToolCall


_ALLOW = Verdict.ALLOW  # an attribute of an enum costs as much as a rule


def decide(policies: PolicySet, call: ToolCall) -> Decision:
    """Test every rule that can apply, collect the hits, and let the most restrictive win.

    A restricting rule that cannot be evaluated fires and says why; an allow rule that cannot be evaluated stays silent.
    `call` has to be plain data (`canonical.snapshot`).
    """
    try:
        plan = policies.plans[call.tool][call.tool_group]
    except KeyError:
        plan = policies.plan_for(call)
    hits = _hits(plan.rules, call)
    if plan.asking and plan.covered and not _denied(hits):
        hits = _ordered((*hits, *_hits(plan.asking, call)))
        if call.ask is not None:
            call.ask.over()
    shadow_hits: tuple[RuleHit, ...] = ()
    if plan.shadowed:
        shadow_hits = tuple(hit for hit in hits if hit.mode == "shadow")
        hits = tuple(hit for hit in hits if hit.mode != "shadow")
    if not plan.covered:
        cause = why_uncovered(policies, call)
        return Decision(call, policies.unmatched, (), shadow_hits, policies.revision, policies, cause)
    verdict = hits[0].effect if hits else _ALLOW
    return Decision(call, verdict, hits, shadow_hits, policies.revision, policies, "", _obligations(hits) if hits else ())


def decide_result(policies: PolicySet, call: ToolCall) -> Decision:
    """As `decide`, of what came back (`call.came`). What no rule restricts may be seen; rules over results cover no tool."""
    raised = call.came is not None and call.came.raised
    rules = [rule for rule in policies.plan_for(call).results if not (raised and rule.of_value)]
    found = _hits([rule for rule in rules if not rule.asks], call)
    if not _denied(found):
        found = _ordered((*found, *_hits([rule for rule in rules if rule.asks], call)))
    if call.ask is not None:
        call.ask.over()
    hits = tuple(hit for hit in found if hit.mode != "shadow")
    shadow_hits = tuple(hit for hit in found if hit.mode == "shadow")
    verdict = hits[0].effect if hits else _ALLOW
    return Decision(call, verdict, hits, shadow_hits, policies.revision, policies, "", _obligations(hits))


def _hits(rules: Iterable[CompiledRule], call: ToolCall) -> tuple[RuleHit, ...]:
    hits: tuple[RuleHit, ...] = ()
    for rule in rules:
        try:
            if rule.test(call):
                hits += (rule.hit,)
        except Indeterminate as unknown:
            if rule.fires_unknown:
                hits += (replace(rule.hit, indeterminate=str(unknown)),)
    return hits


def _denied(hits: tuple[RuleHit, ...]) -> bool:
    return any(hit.effect == Verdict.DENY and hit.mode != "shadow" for hit in hits)


def _ordered(hits: tuple[RuleHit, ...]) -> tuple[RuleHit, ...]:
    return tuple(sorted(hits, key=lambda hit: -hit.effect))


def _obligations(hits: tuple[RuleHit, ...]) -> tuple[Obligation, ...]:
    return tuple(dict.fromkeys(each for hit in hits if hit.redact for each in hit.redact))


def why_uncovered(policies: PolicySet, call: ToolCall) -> str:
    """The cause to give when no policy covers the tool."""
    if policies.policies:
        return f"no policy covers `{call.tool}`"
    if policies.left_out:
        return (
            f"no approved policy is loaded ({policies.left_out} draft, in review or archived), so nothing covers `{call.tool}`"
        )
    return f"no policy is loaded, so nothing covers `{call.tool}`"
