"""What was found in a stream so far, and which rules fire on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from toolguard.errors import Indeterminate
from toolguard.model import Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolguard.engine.streaming import StreamPlan, StreamRule
    from toolguard.model import Obligation, RuleHit, ToolCall


@dataclass(slots=True)
class Findings:
    """The rules over one stream as they stand. `removes` is what is taken out of it from now on, by what finds it."""

    plan: StreamPlan
    call: ToolCall
    removes: dict[str, Obligation] = field(default_factory=dict)
    hits: list[RuleHit] = field(default_factory=list)
    _found: dict[str, bool] = field(default_factory=dict)
    _left: list[StreamRule] = field(default_factory=list)

    def __post_init__(self) -> None:
        """All rules are left to fire."""
        self._left = list(self.plan.rules)

    def add(self, names: Iterable[str] = ()) -> bool:
        """Something was found. Whether a rule that had not fired before does now."""
        new = [name for name in names if name not in self._found]
        if not new and self._found:
            return False
        self._found |= dict.fromkeys(new, True)
        call = replace(self.call, answers=self._found)
        fired = [each for each in self._left if self._fires(each, call)]
        self._left = [each for each in self._left if each not in fired]
        for each in fired:
            if each.rule.hit.mode == "enforcement":
                self.removes = dict(each.removes) | self.removes
        return bool(fired)

    def _fires(self, each: StreamRule, call: ToolCall) -> bool:
        hit = each.rule.hit
        try:
            if not each.test(call):
                return False
        except Indeterminate as unknown:
            if not each.rule.fires_unknown:
                return False
            hit = replace(hit, indeterminate=str(unknown))
        self.hits.append(hit)
        return True

    def decision(self, of: Decision, cause: str = "") -> Decision:
        """What the rules that have fired make of the stream of a call; a denial, if there is another cause."""
        hits = sorted((hit for hit in self.hits if hit.mode != "shadow"), key=lambda hit: -hit.effect)
        shadow = tuple(hit for hit in self.hits if hit.mode == "shadow")
        verdict = Verdict.DENY if cause else hits[0].effect if hits else Verdict.ALLOW
        duties = dict.fromkeys(duty for hit in hits for duty in hit.redact or ())
        return Decision(self.call, verdict, tuple(hits), shadow, of.revision, of.policies, cause, tuple(duties))
