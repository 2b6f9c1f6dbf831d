"""What a rule or a limit reports, made once when it is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.model import Citation, Obligation, RuleHit, Verdict

if TYPE_CHECKING:
    from toolguard.policy.document import Policy, Rule
    from toolguard.policy.limits import Limit
    from toolguard.policy.redaction import Redaction


def hit_of(policy: Policy, written: Rule | Limit) -> RuleHit:
    """The hit of a rule that fires, or of a limit that is exceeded."""
    config, citation = written.effect_config, written.citation
    is_limit = hasattr(written, "limit_id")
    return RuleHit(
        policy_id=policy.policy_id,
        policy_version=policy.version,
        rule_id=str(getattr(written, "limit_id" if is_limit else "rule_id")),
        rule_name=written.name,
        effect=Verdict[written.effect.upper()],
        mode=policy.mode,
        severity=config.severity,
        suggested_response=config.suggested_response,
        escalate_to=config.escalate_to,
        timeout_minutes=config.timeout_minutes,
        quorum=config.quorum,
        standing_calls=config.standing.calls if config.standing else None,
        standing_minutes=config.standing.minutes if config.standing else None,
        outlives_policies=config.outlives_policies or None,
        citation=Citation(**citation.model_dump()) if citation else None,
        limit=True if is_limit else None,
        redact=tuple(_obligation(policy, each) for each in getattr(written, "redact", ())) or None,
    )


def _obligation(policy: Policy, each: Redaction) -> Obligation:
    given = policy.facts.get(each.facts or "", {})
    kinds = given.get("kinds", "") if each.facts is not None else None
    own = tuple(policy.patterns.items()) if each.facts is not None else ()
    return Obligation("redact", each.looks_at(policy.facts), each.how, each.in_, kinds, own)
