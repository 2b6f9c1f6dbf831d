"""Policies to closures, indexed by tool: what one decision costs does not grow with the policies of other tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolguard.canonical import digest, encode
from toolguard.engine.facts import getter, test_of
from toolguard.errors import Missing
from toolguard.logic import Test, all_of, any_of, negate
from toolguard.model import Citation, RuleHit, Verdict
from toolguard.operators import OPERATORS, field_operand
from toolguard.policy.document import All, AnyOf, Leaf, Not
from toolguard.policy.fields import Field, parse_field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolguard.model import ToolCall
    from toolguard.policy.document import Condition, Policy, Rule


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule ready to be asked. `hit` is what it reports; `fires_unknown` whether an indeterminate answer fires it."""

    test: Test
    hit: RuleHit
    fires_unknown: bool
    agent_ids: tuple[str, ...] = ()
    org_ids: tuple[str, ...] = ()

    def concerns(self, call: ToolCall) -> bool:
        """Whether the policy's scope takes in this caller."""
        return (not self.agent_ids or call.agent_id in self.agent_ids) and (not self.org_ids or call.org_id in self.org_ids)


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules for one tool and group, most restrictive first. Only rules that are enforced cover the tool."""

    rules: tuple[CompiledRule, ...]
    covered: bool
    shadowed: bool

    @classmethod
    def of(cls, rules: Iterable[CompiledRule]) -> Plan:
        """Put the rules in order."""
        ordered = tuple(sorted(rules, key=lambda rule: -rule.hit.effect))
        modes = {rule.hit.mode for rule in ordered}
        return cls(ordered, covered="enforcement" in modes, shadowed="shadow" in modes)


class PolicySet:
    """Compiled policies and their digest. Only approved policies are in it, and only enforced ones cover a tool."""

    def __init__(self, policies: Iterable[Policy] = (), unmatched: Verdict = Verdict.DENY) -> None:
        """Compile. `unmatched` is the verdict on a tool that no policy covers."""
        given = tuple(policies)
        self.policies = tuple(policy for policy in given if policy.status == "approved")
        self.unmatched = unmatched
        self.left_out = len(given) - len(self.policies)
        documents = sorted((policy.canonical() for policy in self.policies), key=lambda p: str(p["policy_id"]))
        self.revision = digest(encode({"policies": documents, "unmatched": unmatched.word})).hex()
        self._by_tool: dict[str | None, list[CompiledRule]] = {}
        self._by_group: dict[str | None, list[CompiledRule]] = {}
        self._by_every: list[CompiledRule] = []
        self.plans: dict[str | None, dict[str | None, Plan]] = {}
        for policy in self.policies:
            self._index(policy)

    def _index(self, policy: Policy) -> None:
        rules = [compile_rule(policy, rule) for rule in policy.rules if rule.enabled]
        scope = policy.scope
        for name in {name.casefold() for name in scope.tool_names}:
            self._by_tool.setdefault(name, []).extend(rules)
        for group in set(scope.tool_groups):
            self._by_group.setdefault(group, []).extend(rules)
        if not scope.tool_names and not scope.tool_groups:
            self._by_every.extend(rules)

    def plan_for(self, call: ToolCall) -> Plan:
        """The rules that can apply to this call. Tool names match in any case; `plans` answers for most calls without us."""
        # Kept per known tool and group only: the caller chooses the names, so unknown ones must not fill the memory.
        name = call.tool.casefold()
        tool = name if name in self._by_tool else None
        group = call.tool_group if call.tool_group in self._by_group else None
        kept = self.plans.setdefault(tool, {})
        if group in kept:
            return kept[group]
        found = dict.fromkeys([*self._by_tool.get(tool, ()), *self._by_group.get(group, ()), *self._by_every])
        if any(rule.agent_ids or rule.org_ids for rule in found):
            return Plan.of(rule for rule in found if rule.concerns(call))  # differs from caller to caller, so it is not kept
        plan = kept[group] = Plan.of(found)
        return plan


def compile_rule(policy: Policy, rule: Rule) -> CompiledRule:
    """One rule with everything it would report, made once."""
    config, citation = rule.effect_config, rule.citation
    hit = RuleHit(
        policy_id=policy.policy_id,
        policy_version=policy.version,
        rule_id=rule.rule_id,
        rule_name=rule.name,
        effect=rule.verdict,
        mode=policy.mode,
        severity=config.severity,
        suggested_response=config.suggested_response,
        escalate_to=config.escalate_to,
        timeout_minutes=config.timeout_minutes,
        citation=Citation(**citation.model_dump()) if citation else None,
    )
    fires_unknown = rule.verdict > Verdict.ALLOW and rule.on_indeterminate != "skip"
    return CompiledRule(condition(rule.conditions), hit, fires_unknown, policy.scope.agent_ids, policy.scope.org_ids)


def condition(node: Condition) -> Test:
    """A condition as one closure `call -> bool` that raises Indeterminate where it cannot tell."""
    if isinstance(node, All):
        return all_of([condition(each) for each in node.and_])
    if isinstance(node, AnyOf):
        return any_of([condition(each) for each in node.or_])
    if isinstance(node, Not):
        return negate(condition(node.not_))
    return _leaf(node)


def _leaf(leaf: Leaf) -> Test:
    operator = OPERATORS[leaf.operator]
    field = parse_field(leaf.field)
    operand = operator.operand(_folded(leaf) if field.root == "tool_name" else leaf.value)
    ask = operator.build(operand)
    if operator.operand is field_operand:
        return _compare_fields(field, parse_field(operand), ask)
    test = test_of(field, ask)
    if operator.if_missing is None:
        return test
    answer = operator.if_missing(operand)

    def or_missing(call: ToolCall) -> bool:
        try:
            return test(call)
        except Missing:
            return answer

    return or_missing


def _folded(leaf: Leaf) -> Any:
    """What is compared with a tool's name: names match in any case, here as in a scope."""
    if leaf.operator == "regex":
        return f"(?i){leaf.value}"
    items = leaf.value if isinstance(leaf.value, list) else [leaf.value]
    folded = [item.casefold() if isinstance(item, str) else item for item in items]
    return folded if isinstance(leaf.value, list) else folded[0]


def _compare_fields(field: Field, other: Field, ask: Test) -> Test:
    get_other = getter(other)
    return lambda call: test_of(field, lambda value: ask((value, get_other(call))))(call)
