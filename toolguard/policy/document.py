"""A policy as written: the pydantic models behind validation and, through them, the JSON Schema.

Strict on purpose: unknown keys, wrong types and unknown names are refused, because a policy that silently does less than its
author wrote is worse than none. The language is the reference's (docs/policies.md); names match its YAML.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from toolguard.model import Verdict
from toolguard.operators import OPERATORS, field_operand
from toolguard.policy.fields import parse_field

MAX_DEPTH = 64
NOT_BUILT_YET = ("sql_classify", "path_classify", "shell_classify", "write_classify", "http_classify", "llm_classify")
FORMS = ("and", "or", "not", "field")

Name = Annotated[str, Field(min_length=1, max_length=256)]


class Misplaced(ValueError):
    """A problem whose place is `below` the part that was being validated."""

    def __init__(self, message: str, below: tuple[str | int, ...]) -> None:
        super().__init__(message)
        self.below = below


class Strict(BaseModel):
    """Base of every part of a policy: no unknown key, no silent conversion, no later change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Citation(Strict):
    """Where people wrote this rule down."""

    document_id: Name
    document_title: str | None = None
    section: str | None = None
    page: int | None = None
    line: int | None = None
    excerpt: str | None = None


class EffectConfig(Strict):
    """What to say and whom to ask when the rule fires."""

    severity: Literal["low", "medium", "high", "critical"] | None = None
    suggested_response: str | None = None
    escalate_to: str | None = None
    timeout_minutes: Annotated[int, Field(gt=0, le=60 * 24 * 30)] | None = None


class Leaf(Strict):
    """One question about one value."""

    field: Name
    operator: Name
    value: Annotated[Any, Field(validate_default=True)] = None

    @field_validator("field")
    @classmethod
    def _field_is_known(cls, text: str) -> str:
        parse_field(text)
        return text

    @field_validator("operator")
    @classmethod
    def _operator_is_known(cls, name: str) -> str:
        if name not in OPERATORS:
            raise ValueError(f"unknown operator `{name}` (known: {', '.join(OPERATORS)}){nearest(name, tuple(OPERATORS))}")
        return name

    @field_validator("value")
    @classmethod
    def _value_fits_the_operator(cls, value: Any, info: ValidationInfo) -> Any:
        operator = OPERATORS.get(info.data.get("operator", ""))
        if operator is None:
            return value  # the operator itself was refused
        try:
            operator.operand(value)
            if operator.operand is field_operand:
                parse_field(value)
        except ValueError as wrong:
            raise ValueError(f"the value of `{operator.name}` {wrong}") from None
        return value


class All(Strict):
    """Every one of these."""

    and_: Annotated[tuple[Condition, ...], Field(alias="and", min_length=1, strict=False)]


class AnyOf(Strict):
    """At least one of these."""

    or_: Annotated[tuple[Condition, ...], Field(alias="or", min_length=1, strict=False)]


class Not(Strict):
    """The opposite of this."""

    not_: Annotated[Condition, Field(alias="not")]


def form_of(value: Any) -> str | None:
    """Which of the four forms a condition has; None when it has none or several."""
    keys = value.keys() if isinstance(value, dict) else value.model_dump(by_alias=True) if isinstance(value, Strict) else ()
    forms = [form for form in FORMS if form in keys]
    return forms[0] if len(forms) == 1 else None


Condition = Annotated[
    Annotated[All, Tag("and")] | Annotated[AnyOf, Tag("or")] | Annotated[Not, Tag("not")] | Annotated[Leaf, Tag("field")],
    Discriminator(
        form_of,
        custom_error_type="condition_form",
        custom_error_message="a condition has to have exactly one of `and`, `or`, `not`, `field`",
    ),
]


class Rule(Strict):
    """When the conditions hold (or cannot be evaluated), the effect counts."""

    rule_id: Name
    name: str | None = None
    description: str | None = None
    rule_type: str | None = None
    enabled: bool = True
    conditions: Condition
    effect: Literal["allow", "flag", "escalate", "deny"]
    effect_config: EffectConfig = EffectConfig()
    citation: Citation | None = None
    on_indeterminate: Literal["fire", "skip"] | None = None

    @model_validator(mode="after")
    def _skip_is_for_restricting_rules(self) -> Self:
        if self.on_indeterminate and self.effect == "allow":
            raise ValueError("`on_indeterminate` does not apply to an allow rule: it never fires when it cannot be evaluated")
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
    tool_groups: tuple[ScopeName, ...] = Field(default=(), strict=False)
    agent_ids: tuple[ScopeName, ...] = Field(default=(), strict=False)
    org_ids: tuple[ScopeName, ...] = Field(default=(), strict=False)


class Policy(Strict):
    """Rules with a scope. Only approved policies decide; a shadow policy is recorded and never enforced."""

    policy_id: Name
    name: str | None = None
    description: str | None = None
    version: Annotated[int, Field(ge=0)] | None = None
    status: Literal["draft", "review", "approved", "archived"] = "approved"
    mode: Literal["enforcement", "shadow"] = "enforcement"
    scope: Scope = Scope()
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _rule_ids_differ(self) -> Self:
        seen: set[str] = set()
        for index, rule in enumerate(self.rules):
            if rule.rule_id in seen:
                raise Misplaced(f"rule_id `{rule.rule_id}` is used twice", ("rules", index, "rule_id"))
            seen.add(rule.rule_id)
        return self

    def canonical(self) -> dict[str, Any]:
        """The policy as plain data with every default written out: what its digest covers."""
        return self.model_dump(mode="json", by_alias=True)


def validated(data: Any) -> tuple[Policy | None, list[Any]]:
    """The policy that this data is, or pydantic's errors."""
    try:
        return Policy.model_validate(data), []
    except ValidationError as refused:
        return None, list(refused.errors(include_url=False))


def nearest(word: str, known: tuple[str, ...]) -> str:
    """`; did you mean ...`, or nothing."""
    near = get_close_matches(str(word), known, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""
