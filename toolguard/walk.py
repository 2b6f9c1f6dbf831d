"""The walk through the conditions of the rules over one call, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolguard.text import printable, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from toolguard.model import Decision, RuleHit


@dataclass(frozen=True, slots=True)
class ConditionTrace:
    """One part of a condition on one call: `and`, `or`, `not`, or the text of a leaf.

    `truth` is None where it is indeterminate, and `why` says why. `values` are the fields a leaf saw; one that is not there,
    or cannot be followed, is not in it.
    """

    text: str
    truth: bool | None
    why: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[ConditionTrace, ...] = ()

    @property
    def word(self) -> str:
        """`true`, `false` or `unknown`."""
        return "unknown" if self.truth is None else str(self.truth).lower()

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        seen = {"parts": [part.to_dict() for part in self.parts]} if self.parts else {"values": dict(self.values)}
        return {"condition": self.text, "truth": self.truth, "why": self.why, **seen}


def drawn(part: ConditionTrace, indent: str, paint: Callable[[str, str], str], branch: str = "") -> list[str]:
    """The walk in lines, as a tree."""
    seen = "".join(f"; {name} is {shown(value)}" for name, value in part.values.items())
    why = f"; {part.why}" if part.why and not part.parts else ""
    lines = [f"{indent}{branch}{paint(part.word, part.word)}: {printable(part.text)}{seen}{printable(why)}"]
    below = indent + {"": "", "├ ": "│ ", "└ ": "  "}[branch]
    for position, each in enumerate(part.parts, 1):
        lines += drawn(each, below, paint, "└ " if position == len(part.parts) else "├ ")
    return lines


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """One rule on one call: what it reports when it fires, whether it did, and how its conditions came out."""

    hit: RuleHit
    fired: bool
    condition: ConditionTrace


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one decision came about, most restrictive rules first. `str()` draws it as a tree."""

    decision: Decision
    rules: tuple[RuleTrace, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data: the decision, and every rule with its walk. It holds parameters, which may be secret."""
        rules = (
            {
                "policy_id": rule.hit.policy_id,
                "rule_id": rule.hit.rule_id,
                "rule_name": rule.hit.rule_name,
                "effect": rule.hit.effect.word,
                "mode": rule.hit.mode,
                "fired": rule.fired,
                "conditions": rule.condition.to_dict(),
            }
            for rule in self.rules
        )
        return {"decision": self.decision.to_dict(), "rules": list(rules)}

    def __str__(self) -> str:
        """The tree."""
        return "\n".join(self.lines())

    def lines(self, paint: Callable[[str, str], str] = lambda text, _: text) -> list[str]:
        """The tree, one line each; `paint(text, colour)` may colour verdicts and truths."""
        verdict = self.decision.verdict.word
        lines = [f"{paint(verdict.upper(), verdict)} {printable(f'{self.decision.call.tool}: {self.decision.reason}')}"]
        for rule in self.rules:
            effect, shadow = rule.hit.effect.word, " (shadow: changes nothing)" if rule.hit.mode == "shadow" else ""
            fired = paint(f"{effect}, fired", effect) if rule.fired else f"{effect}, did not fire"
            lines.append(f"- {printable(f'{rule.hit.title} of policy `{rule.hit.policy_id}`')}: {fired}{shadow}")
            lines += drawn(rule.condition, "  ", paint)
        return [*lines, *(f"- {printable(str(use))}" for use in self.decision.limits)]
