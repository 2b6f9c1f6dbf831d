"""A policy as written: the pydantic models behind validation and, through them, the JSON Schema.

Strict on purpose: unknown keys, wrong types and unknown names are refused, because a policy that silently does less than its
author wrote is worse than none. The language is the reference's (docs/policies.md); names match its YAML. The text below each
key describes it in the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    model_validator,
)

from toolguard.classify import semantic
from toolguard.classify.sensitive import chosen, scanner_of
from toolguard.errors import nearest
from toolguard.model import Verdict
from toolguard.operators import OPERATORS, field_operand
from toolguard.policy.bindings import check_fact_name, known_roots, parse_binding
from toolguard.policy.condition import ALWAYS, Condition, Leaf, parts
from toolguard.policy.earlier import Earlier
from toolguard.policy.effects import Citation, EffectConfig
from toolguard.policy.fields import RESULT, is_of_result
from toolguard.policy.limits import Limit
from toolguard.policy.nodes import NODES, Pattern
from toolguard.policy.redaction import RECORD, Redaction
from toolguard.policy.strict import Name, Refused, Strict

MAX_DEPTH = 64
DEFAULT_PRIORITY = 100


class Rule(Strict):
    """When the conditions hold (or cannot be evaluated), the effect counts."""

    rule_id: Name
    """Its name in decisions and in the ledger; unique in the policy."""
    name: str | None = None
    """A name for people."""
    description: str | None = None
    """What it is for."""
    rule_type: str | None = None
    """A label of your own, such as `threshold`."""
    priority: Annotated[int, Field(ge=0)] | None = None
    """Which of several rules with the same effect is named first, within the policy: 1 before 2. It changes no verdict."""
    enabled: bool = True
    """False leaves the rule out."""
    phase: Literal["call", "result"] = "call"
    """`result`: the rule judges what came back, in place of the call. Nobody sees it before."""
    conditions: Condition
    """When the rule fires. May be left out where something is required or forbidden: then whenever that is not so."""
    requires: tuple[Earlier, ...] = Field(default=(), strict=False, max_length=20)
    """Calls that have to have come before. The rule fires only where one of them has not."""
    forbids_after: tuple[Earlier, ...] = Field(default=(), strict=False, max_length=20)
    """Calls that must not have come before. The rule fires only where one of them has."""
    effect: Literal["allow", "flag", "escalate", "deny"]
    """What the rule does with the call: `allow`, `flag` (goes on, recorded), `escalate` (a person decides) or `deny`."""
    redact: tuple[Redaction, ...] = Field(default=(), strict=False, max_length=100)
    """What is removed where the rule fires and the call, or its result, goes on."""
    effect_config: EffectConfig = EffectConfig()
    """What to say and whom to ask when the rule fires."""
    citation: Citation | None = None
    """Where people wrote this rule down."""
    on_indeterminate: Literal["fire", "skip"] | None = None
    """What a restricting rule does when its conditions cannot be evaluated: `fire` (the default) or `skip`."""

    @model_validator(mode="before")
    @classmethod
    def _earlier_calls_are_condition_enough(cls, given: Any) -> Any:
        if isinstance(given, dict) and "conditions" not in given and (given.get("requires") or given.get("forbids_after")):
            return {**given, "conditions": ALWAYS}
        return given

    @model_validator(mode="after")
    def _earlier_calls_go_with_a_restriction(self) -> Self:
        if self.phase == RESULT and (self.requires or self.forbids_after):
            raise Refused("`requires` and `forbids_after` are about what came before a call: leave `phase: result` out")
        if self.effect == "allow" and (self.requires or self.forbids_after):
            raise Refused("`requires` and `forbids_after` restrict: write what happens without, such as `effect: deny`")
        for index, each in enumerate(self.forbids_after):
            if each.max_uses is not None or each.outcome != "returned":
                key = "max_uses" if each.max_uses is not None else "outcome"
                raise Refused(
                    f"`forbids_after` has no `{key}`: a call that began may have happened", ("forbids_after", index, key)
                )
        return self

    @model_validator(mode="after")
    def _redaction_goes_with_what_goes_on(self) -> Self:
        if self.redact and self.effect in ("allow", "deny"):
            why = "an allow rule stays silent where it cannot be evaluated" if self.effect == "allow" else "nothing goes on"
            raise Refused(f"`redact` goes with `flag` or `escalate`, because {why}", ("redact",))
        return self

    @model_validator(mode="after")
    def _allow_rules_say_what_is_allowed(self) -> Self:
        if self.effect == "allow" and self.on_indeterminate:
            raise ValueError("`on_indeterminate` does not apply to an allow rule: it never fires when it cannot be evaluated")
        nodes = [node for _, node in parts(self.conditions) if isinstance(node, tuple(NODES.values()))]
        if self.effect == "allow" and nodes:
            name = next(iter(type(nodes[0]).model_fields))
            raise ValueError(f"`{name}` holds when a call breaks its requirements, which cannot allow it; use `facts:` instead")
        return self

    @property
    def verdict(self) -> Verdict:
        """The effect as a verdict."""
        return Verdict[self.effect.upper()]


def _scope_name(name: str) -> str:
    if not name.isprintable() or name != name.strip() or set(name) & set("*?"):
        raise ValueError(f"`{name}` can match nothing: write a whole name, without blanks around it or wildcards")
    return name


ScopeName = Annotated[Name, AfterValidator(_scope_name)]


class Scope(Strict):
    """Which calls the policy covers: a tool by name (any case) or by group, for these agents and organisations only."""

    tool_names: tuple[ScopeName, ...] = Field(default=(), strict=False)
    """These tools, in any case."""
    tool_groups: tuple[ScopeName, ...] = Field(default=(), strict=False)
    """All tools of these groups, beside those in `tool_names`."""
    agent_ids: tuple[ScopeName, ...] = Field(default=(), strict=False)
    """Only for these agents."""
    org_ids: tuple[ScopeName, ...] = Field(default=(), strict=False)
    """Only for these organisations."""
    intentionally_global: bool = False
    """Says that a scope without tools is meant to cover every tool; `toolguard lint` asks for it."""


class SourceDocument(Strict):
    """A document the policy was written from. Kept with the policy; it decides nothing."""

    document_id: Name
    """The name that citations use."""
    title: str | None = None
    """Its title."""
    version: str | int | None = None
    """Which version of it."""
    path: str | None = None
    """Where it is."""
    content_hash: str | None = None
    """The hash of its content, so that a later change shows."""
    uploaded_at: str | None = None
    """When it was added."""


class DeepEvaluation(Strict):
    """The reference's settings for a second opinion by a model. They load, and like there nothing evaluates them."""

    model: str | None = None
    """The model's name."""
    context: Any = None
    """What it would be told."""
    context_file: str | None = None
    """The file with what it would be told."""
    confidence_threshold: float | int | None = None
    """How sure it would have to be."""
    response_format: Any = None
    """How it would have to answer."""
    fail_mode: str | None = None
    """What would happen if it failed."""


def _fact_name(name: str) -> str:
    check_fact_name(name)
    return name


def _binding(given: dict[str, str]) -> dict[str, str]:
    parse_binding(given)
    return given


class Policy(Strict):
    """Rules with a scope. Only approved policies decide; a shadow policy is recorded and never enforced."""

    policy_id: Name
    """Its name in decisions and in the ledger; unique among the policies that are loaded together."""
    name: str | None = None
    """A name for people."""
    description: str | None = None
    """What it is for."""
    org_id: str | None = None
    """Whose policy it is; a label. `scope.org_ids` says for whom it holds."""
    version: Annotated[int, Field(ge=0)] | None = None
    """Counts its changes."""
    priority: Annotated[int, Field(ge=0)] | None = None
    """Which policy is named first when several give the same verdict: 1 before 2, none or 0 is 100. It changes no verdict."""
    status: Literal["draft", "review", "approved", "archived"] = "approved"
    """Only approved policies decide."""
    mode: Literal["enforcement", "shadow"] = "enforcement"
    """`shadow`: what it would have said is recorded and changes nothing."""
    capture: Literal["none", "digest", "redacted", "full"] | None = None
    """How much of the parameters of its calls the ledger keeps; of several policies the one counts that keeps least."""
    scope: Scope = Scope()
    """Which calls it covers; left out, all of them."""
    facts: dict[Annotated[Name, AfterValidator(_fact_name)], Annotated[dict[str, str], AfterValidator(_binding)]] = Field(
        default_factory=dict, max_length=100
    )
    """Names for what a classifier says about a field: `target: {url: parameters.url}` makes `target.host` a field."""
    patterns: dict[Annotated[Name, AfterValidator(_fact_name)], Pattern] = Field(default_factory=dict, max_length=1000)
    """Regexes of your own, by name: further kinds for facts of the classifier `sensitive`."""
    happened: dict[Name, Earlier] = Field(default_factory=dict, max_length=100)
    """Names for earlier calls, so that several rules can ask for them: `requires: [{fact: NAME}]`."""
    limits: tuple[Limit, ...] = Field(default=(), strict=False, max_length=100)
    """How much there may be of something in a window of time."""
    rules: tuple[Rule, ...] = Field(default=(), strict=False)
    """The rules; the most restrictive one that fires counts. Only a policy with `limits` may go without."""
    source_documents: tuple[SourceDocument, ...] = Field(default=(), strict=False)
    """The documents it was written from."""
    compliance: dict[Name, Annotated[tuple[Name, ...], Field(strict=False)]] = Field(default_factory=dict)
    """Which controls of which framework it carries out: `SOC2: [CC6.1]`; a label."""
    deep_evaluation: DeepEvaluation | None = None
    """Loads for the reference's sake; nothing evaluates it."""
    created_by: str | None = None
    """Who wrote it."""
    approved_by: str | None = None
    """Who approved it."""
    created_at: str | None = None
    """When it was written."""
    updated_at: str | None = None
    """When it was last changed."""
    approved_at: str | None = None
    """When it was approved."""

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        if not self.rules and not self.limits:
            given = "rules" in self.model_fields_set
            raise Refused("`rules` cannot be empty" if given else "the key `rules` is missing", ("rules",) if given else ())
        names: set[str] = set()
        for index, limit in enumerate(self.limits):
            if limit.limit_id in names:
                raise Refused(f"limit_id `{limit.limit_id}` is used twice", ("limits", index, "limit_id"), "limit-id-collision")
            names.add(limit.limit_id)
        for index, rule in enumerate(self.rules):
            for key in ("requires", "forbids_after"):
                for place, each in enumerate(getattr(rule, key)):
                    if each.fact is not None and each.fact not in self.happened:
                        message = f"`happened` has no `{each.fact}`{nearest(each.fact, tuple(self.happened))}"
                        raise Refused(message, ("rules", index, key, place, "fact"))
        for name, each in self.happened.items():
            if each.fact is not None:
                raise Refused("a fact is a call of a `tool` or `group`, and not another fact", ("happened", name, "fact"))
        seen: set[str] = set()
        for index, rule in enumerate(self.rules):
            if rule.rule_id in seen:
                raise Refused(f"rule_id `{rule.rule_id}` is used twice", ("rules", index, "rule_id"), "rule-id-collision")
            seen.add(rule.rule_id)
        return self

    @model_validator(mode="after")
    def _facts_of_results_are_asked_of_results(self) -> Self:
        for name, given in self.facts.items():
            _check_settings(given, self.patterns, ("facts", name))
        of_results = {name for name, given in self.facts.items() if any(map(is_of_result, given.values()))}
        for index, rule in enumerate(self.rules):
            if rule.phase != RESULT:
                for path, text in _fields_of(rule):
                    if is_of_result(text) or text.partition(".")[0] in of_results:
                        message = f"field `{text}`: what came back is known only to rules of `phase: result`; {_MEANT}"
                        raise Refused(message, ("rules", index, "conditions", *path, "field"))
            for place, each in enumerate(rule.redact):
                _check_redaction(rule, each, self.facts, ("rules", index, "redact", place))
        return self

    def canonical(self) -> dict[str, Any]:
        """The policy as plain data with every default written out: what its digest covers."""
        return self.model_dump(mode="json", by_alias=True)


_MEANT = "a parameter of that name is `parameters.result`"


def _fields_of(rule: Rule) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What the leaves of a rule ask about, each with its path; of two fields that are compared, both."""
    for path, node in parts(rule.conditions):
        if isinstance(node, Leaf):
            yield path, node.field
            if OPERATORS[node.operator].operand is field_operand:
                yield path, str(node.value)


def _check_settings(given: dict[str, str], own: dict[str, str], at: tuple[str | int, ...]) -> None:
    """Settings that are texts with a meaning: they are wrong for every call, or for none."""
    checks: dict[str, Callable[[str], object]] = {}
    if "sensitive" in given:
        checks = {"kinds": lambda text: scanner_of(chosen(text, own.items()))}  # which may be too large
    elif "semantic" in given:
        checks = {"labels": semantic.labels_of, "timeout": semantic.seconds_of, "confidence": semantic.share_of}
    for key, check in checks.items():
        try:
            check(given.get(key, {"timeout": "30", "confidence": "0.6"}.get(key, "")))
        except ValueError as wrong:
            raise Refused(str(wrong), (*at, key) if key in given else at) from None


def _check_redaction(rule: Rule, each: Redaction, facts: dict[str, dict[str, str]], at: tuple[str | int, ...]) -> None:
    try:
        looks_at = each.looks_at(facts)
    except Refused as refused:
        raise Refused(str(refused), (*at, *refused.below)) from None
    if is_of_result(looks_at) != (rule.phase == RESULT):
        what = "the result" if rule.phase == RESULT else "a parameter"
        raise Refused(f"`{looks_at}` cannot be removed by a rule of `phase: {rule.phase}`: name something in {what}", at)
    if not is_of_result(looks_at) and not re.match(r"parameters\b", looks_at):
        raise Refused(f"`{looks_at}` cannot be removed: the context is the program's own", at)
    if each.in_ == RECORD and rule.phase == RESULT:
        raise Refused("`in: record` is for parameters: the ledger keeps no results", (*at, "in"))


def roots_of(policy: Policy) -> dict[str, tuple[str, ...] | None]:
    """What the conditions of a valid policy may use besides the call itself."""
    return known_roots({"facts": policy.facts, "limits": [{"limit_id": limit.limit_id} for limit in policy.limits]})


def validated(data: Any) -> tuple[Policy | None, list[Any]]:
    """The policy that this data is, or pydantic's errors."""
    try:
        return Policy.model_validate(data, context={"facts": known_roots(data)}), []
    except ValidationError as refused:
        return None, list(refused.errors(include_url=False))
