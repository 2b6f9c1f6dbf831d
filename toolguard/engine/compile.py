"""Policies to closures, indexed by tool: what one decision costs does not grow with the policies of other tools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from toolguard.canonical import digest, encode
from toolguard.engine.conditions import bindings_of, condition, leaf_fields
from toolguard.engine.earlier import CompiledEarlier, compile_earlier, said_of, with_earlier
from toolguard.engine.explain import trace
from toolguard.engine.hits import hit_of
from toolguard.engine.limits import CompiledLimit, compile_limit, rate_of
from toolguard.engine.streaming import StreamPlan, plan_stream
from toolguard.errors import Indeterminate
from toolguard.model import CAPTURES, RuleHit, Verdict
from toolguard.policy.condition import Leaf, parts
from toolguard.policy.document import DEFAULT_PRIORITY
from toolguard.policy.fields import RESULT
from toolguard.walk import ConditionTrace, Explanation, RuleTrace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from toolguard.engine.conditions import Bindings
    from toolguard.logic import Test
    from toolguard.model import Decision, ToolCall
    from toolguard.policy.document import Policy, Rule


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """A rule ready to be asked. `hit` is what it reports; `fires_unknown` whether an indeterminate answer fires it.

    `order` sorts the most restrictive first, then by the policy's priority and the rule's. `earlier` are the calls that it
    asks about, and `base` its conditions without them. `of_result` says that it judges what came back; `of_value` only what was
    returned, and no error, because it looks below the result. One that `asks` puts something to a model.
    """

    test: Test
    hit: RuleHit
    fires_unknown: bool
    order: tuple[int, int, int]
    source: tuple[Rule, Bindings]
    agent_ids: tuple[str, ...] = ()
    org_ids: tuple[str, ...] = ()
    capture: str | None = None
    base: Test | None = None
    earlier: tuple[CompiledEarlier, ...] = ()
    of_result: bool = False
    of_value: bool = False
    asks: bool = False

    @property
    def name(self) -> tuple[str, str]:
        """The ids of its policy and its own."""
        return self.hit.policy_id, self.hit.rule_id

    def concerns(self, call: ToolCall) -> bool:
        """Whether the policy's scope takes in this caller."""
        return (not self.agent_ids or call.agent_id in self.agent_ids) and (not self.org_ids or call.org_id in self.org_ids)

    def explained(self, call: ToolCall) -> RuleTrace:
        """The walk through the rule's conditions on this call."""
        rule, facts = self.source
        walk = trace(rule.conditions, facts, call)
        if self.earlier:
            asked = tuple(_walked(each, call) for each in self.earlier)
            walk = ConditionTrace("and", *_joined(self.test, call), parts=(walk, *asked))
        return RuleTrace(self.hit, walk.truth is True or (walk.truth is None and self.fires_unknown), walk)


def _joined(test: Test, call: ToolCall) -> tuple[bool | None, str | None]:
    try:
        return test(call), None
    except Indeterminate as unknown:
        return None, str(unknown)


def _walked(each: CompiledEarlier, call: ToolCall) -> ConditionTrace:
    answer = call.answers.get(each.earlier_id)
    what = each.text if each.forbids else f"without {each.text}"
    if isinstance(answer, bool):
        return ConditionTrace(what, answer is each.forbids)
    return ConditionTrace(what, None, str(answer) if answer is not None else "it was not asked")


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules and limits for one tool and group, most restrictive first. Only what is enforced covers the tool.

    `asking` are the rules that are asked last, if nothing else denies, because they put something to a model.
    `results` are the rules over what comes back; they cover nothing. `capture` is the mode that keeps least among those that
    enforced policies name.
    """

    rules: tuple[CompiledRule, ...]
    asking: tuple[CompiledRule, ...]
    results: tuple[CompiledRule, ...]
    limits: tuple[CompiledLimit, ...]
    covered: bool
    shadowed: bool
    capture: str | None

    @classmethod
    def of(cls, parts: Iterable[CompiledRule | CompiledLimit]) -> Plan:
        """Put them in order."""
        ordered = sorted(parts, key=lambda part: part.order)
        every = [part for part in ordered if isinstance(part, CompiledRule)]
        rules = tuple(rule for rule in every if not rule.of_result and not rule.asks)
        asking = tuple(rule for rule in every if not rule.of_result and rule.asks)
        results = tuple(sorted((rule for rule in every if rule.of_result), key=lambda rule: rule.asks))
        limits = tuple(part for part in ordered if isinstance(part, CompiledLimit))
        covering = [part.hit for part in ordered if part not in results and getattr(part, "covers", True)]
        covered = any(hit.mode == "enforcement" for hit in covering)
        shadowed = any(rule.hit.mode == "shadow" for rule in (*rules, *asking))
        captures = [part.capture for part in ordered if part.capture and part.hit.mode == "enforcement"]
        return cls(rules, asking, results, limits, covered, shadowed, min(captures, key=CAPTURES.index) if captures else None)


class PolicySet:
    """Compiled policies and their digest. Only approved policies are in it, and only enforced ones cover a tool."""

    def __init__(
        self,
        policies: Iterable[Policy] = (),
        unmatched: Verdict = Verdict.DENY,
        *,
        enforce_shadow: bool = False,
        rate: str | None = None,
        tracked: Iterable[str] = (),
    ) -> None:
        """Compile. `unmatched` is the verdict on a tool that no policy covers; shadow policies can be taken as enforced.

        `rate`, such as `60/1m`, is how many calls each agent may make, whatever the tools. `tracked` are fields that whoever
        decides keeps by himself, in the place of what the context says.
        """
        as_enforced = {"mode": "enforcement"} if enforce_shadow else {}
        given = tuple(policy.model_copy(update=as_enforced) for policy in policies)
        self.policies = tuple(policy for policy in given if policy.status == "approved")
        self.unmatched = unmatched
        self.left_out = len(given) - len(self.policies)
        self._rate = rate_of(rate) if rate is not None else None
        self.revision = revision_of(self.document)
        self._by_tool: dict[str | None, list[CompiledRule | CompiledLimit]] = {}
        self._by_group: dict[str | None, list[CompiledRule | CompiledLimit]] = {}
        self._by_every: list[CompiledRule | CompiledLimit] = []
        self.plans: dict[str | None, dict[str | None, Plan]] = {}
        rules = [rule for policy in self.policies for rule in policy.rules if rule.enabled]
        asked = {text for policy in self.policies for leaf in _leaves(policy) for text in (leaf.field, str(leaf.value))}
        self.tracked = tuple(name for name in tracked if name in asked)
        asks_about_earlier = any(rule.requires or rule.forbids_after for rule in rules)
        past = asks_about_earlier or bool(self.tracked)
        self.limited = past or rate is not None or any(policy.limits for policy in self.policies)
        self.reads_state = past or any(name.startswith("limits.") for name in asked)
        self._earlier: list[CompiledEarlier] = []
        self._judging = any(rule.phase == RESULT for rule in rules)
        self.asks = any(_asks(policy) for policy in self.policies)
        self.needs_key = any(each.how == "hash" for rule in rules for each in rule.redact)
        self._capturing = any(policy.capture for policy in self.policies)
        self._by_every += [self._rate[1]] if self._rate else []
        for policy in self.policies:
            self._index(policy)

    @property
    def document(self) -> dict[str, Any]:
        """All that decides, as plain data: what the revision is the digest of."""
        documents = sorted((policy.canonical() for policy in self.policies), key=lambda p: str(p["policy_id"]))
        rate = {"rate": self._rate[0].model_dump(mode="json")} if self._rate else {}
        return {"policies": documents, "unmatched": self.unmatched.word, **rate}

    def _index(self, policy: Policy) -> None:
        facts = bindings_of(policy)
        own = [compile_rule(policy, each, facts) for each in policy.rules if each.enabled]
        self._earlier += [earlier for rule in own for earlier in rule.earlier]
        rules: list[CompiledRule | CompiledLimit] = [*own]
        rules += [compile_limit(policy, limit) for limit in policy.limits]
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

    def limits_for(self, call: ToolCall) -> tuple[CompiledLimit, ...]:
        """The limits that the call counts in."""
        return self.plan_for(call).limits if self.limited else ()

    def earlier_of(self, call: ToolCall) -> tuple[CompiledEarlier, ...]:
        """What rules ask about that this call is one of."""
        return tuple(each for each in self._earlier if each.is_about(call))

    def counts(self, call: ToolCall) -> bool:
        """Whether the call is decided with what was before, or others may be decided with it."""
        if not self.limited:
            return False
        if self.tracked:
            return True
        plan = self.plan_for(call)
        return bool(plan.limits) or any(rule.earlier for rule in plan.rules) or bool(self.earlier_of(call))

    def every_limit(self) -> tuple[CompiledLimit, ...]:
        """All limits there are."""
        given = tuple(compile_limit(policy, limit) for policy in self.policies for limit in policy.limits)
        return (*given, self._rate[1]) if self._rate else given

    def capture_of(self, call: ToolCall) -> str | None:
        """How much of the call's parameters the policies let the ledger keep; None if they do not say."""
        return self.plan_for(call).capture if self._capturing else None

    def judges_results(self, call: ToolCall) -> bool:
        """Whether any rule looks at what comes back of the call."""
        return self._judging and bool(self.plan_for(call).results)

    def stream_for(self, call: ToolCall) -> StreamPlan:
        """The rules over what comes back of the call, for a stream."""
        return plan_stream(self.plan_for(call).results)

    def explain(self, decision: Decision) -> Explanation:
        """How every rule of the matching policies came out on the call of a decision that was made with this set."""
        plan, call = self.plan_for(decision.call), decision.call
        rules = (*plan.rules, *plan.asking) if call.came is None else plan.results
        fired = {(hit.policy_id, hit.rule_id) for hit in (*decision.hits, *decision.shadow_hits)}
        asked = decision.verdict < Verdict.DENY or any(rule.asks and rule.name in fired for rule in rules)
        raised = call.came is not None and call.came.raised
        shown = [rule for rule in rules if (asked or not rule.asks) and not (raised and rule.of_value)]
        return Explanation(decision, tuple(rule.explained(call) for rule in shown))


def _leaves(policy: Policy) -> Iterator[Leaf]:
    return (node for rule in policy.rules for _, node in parts(rule.conditions) if isinstance(node, Leaf))


def revision_of(document: dict[str, Any]) -> str:
    """The digest (hex) of policies as plain data."""
    return digest(encode(document)).hex()


def compile_rule(policy: Policy, rule: Rule, facts: Bindings) -> CompiledRule:
    """One rule with everything it would report, made once; `facts` are the policy's."""
    hit = hit_of(policy, rule)
    base, earlier = condition(rule.conditions, facts), compile_earlier(policy, rule)
    return CompiledRule(
        with_earlier(base, earlier) if earlier else base,
        replace(hit, detail=said_of(earlier)) if earlier else hit,
        fires_unknown=rule.verdict > Verdict.ALLOW and rule.on_indeterminate != "skip",
        source=(rule, facts),
        order=(-rule.verdict, policy.priority or DEFAULT_PRIORITY, rule.priority or DEFAULT_PRIORITY),
        agent_ids=policy.scope.agent_ids,
        org_ids=policy.scope.org_ids,
        capture=policy.capture,
        base=base,
        earlier=earlier,
        of_result=rule.phase == RESULT,
        of_value=rule.phase == RESULT and _looks_below(rule, facts),
        asks=any(facts[name].classifier.asks for name in _facts_of(rule, facts)),
    )


def _facts_of(rule: Rule, facts: Bindings) -> set[str]:
    """The names of the facts that a rule asks about."""
    leaves = [node for _, node in parts(rule.conditions) if isinstance(node, Leaf)]
    return {field.root for leaf in leaves for field in leaf_fields(leaf, facts) if field.root in facts}


def _asks(policy: Policy) -> bool:
    facts = bindings_of(policy)
    return any(facts[name].classifier.asks for rule in policy.rules if rule.enabled for name in _facts_of(rule, facts))


def _looks_below(rule: Rule, facts: Bindings) -> bool:
    """Whether the rule asks about something in the result, such as `result.status`, which no error has."""
    fields = [field for _, node in parts(rule.conditions) if isinstance(node, Leaf) for field in leaf_fields(node, facts)]
    subjects = [facts[field.root].subject for field in fields if field.root in facts]
    return any(field.root == RESULT and field.steps for field in (*fields, *subjects))
