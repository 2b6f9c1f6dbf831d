"""Conditions as written: `and`, `or`, `not`, a leaf, or one of the reference's nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from toolguard.errors import nearest
from toolguard.operators import OPERATORS, SYMBOLS, field_operand
from toolguard.policy.fields import parse_field
from toolguard.policy.node_llm import LlmClassify
from toolguard.policy.nodes import NODES, HttpClassify, PathClassify, ShellClassify, SqlClassify, WriteClassify
from toolguard.policy.strict import STRUCTURE, Name, Refused, Strict

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMS = ("and", "or", "not", "field", *NODES)
ALWAYS = {"field": "tool_name", "operator": "exists"}  # holds of every call


class Leaf(Strict):
    """One question about one value."""

    field: Name
    """What is looked at: a parameter (`amount`, `parameters.lines[*].price`), `context.*`, an identity field, or a fact."""
    operator: Name
    """What is asked of it."""
    value: Annotated[Any, Field(validate_default=True)] = None
    """What it is compared with."""

    @field_validator("field")
    @classmethod
    def _field_is_known(cls, text: str, info: ValidationInfo) -> str:
        parse_field(text, (info.context or {}).get("facts"))
        return text

    @field_validator("operator")
    @classmethod
    def _operator_is_known(cls, name: str) -> str:
        if name not in OPERATORS:
            meant = f"; did you mean `{SYMBOLS[name]}`?" if name in SYMBOLS else nearest(name, tuple(OPERATORS))
            known = f"(known: {', '.join(OPERATORS)}){meant}"
            raise Refused(f"unknown operator `{name}` {known}", code="unknown-operator")
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
                parse_field(value, (info.context or {}).get("facts"))
        except ValueError as wrong:
            code = "invalid-regex-syntax" if operator.name == "regex" else STRUCTURE
            raise Refused(f"the value of `{operator.name}` {wrong}", code=code) from None
        return value


class All(Strict):
    """Every one of these."""

    and_: Annotated[tuple[Condition, ...], Field(alias="and", min_length=1, strict=False)]
    """The conditions that all have to hold."""


class AnyOf(Strict):
    """At least one of these."""

    or_: Annotated[tuple[Condition, ...], Field(alias="or", min_length=1, strict=False)]
    """The conditions of which one has to hold."""


class Not(Strict):
    """The opposite of this."""

    not_: Annotated[Condition, Field(alias="not")]
    """The condition that must not hold."""

    @model_validator(mode="after")
    def _has_no_node(self) -> Self:
        for _, node in parts(self.not_):
            if name := next((name for name, model in NODES.items() if isinstance(node, model)), None):
                raise Refused(f"`{name}` cannot stand below `not`: say in the node what is allowed, or use `facts:`")
        return self


def form_of(value: Any) -> str | None:
    """Which form a condition has; None when it has none or several."""
    fields = type(value).model_fields if isinstance(value, Strict) else {}  # it is asked when a policy is written out, too
    keys = value.keys() if isinstance(value, dict) else {name.removesuffix("_") for name in fields}
    forms = [form for form in FORMS if form in keys]
    return forms[0] if len(forms) == 1 else None


Condition = Annotated[
    Annotated[All, Tag("and")]
    | Annotated[AnyOf, Tag("or")]
    | Annotated[Not, Tag("not")]
    | Annotated[Leaf, Tag("field")]
    | Annotated[HttpClassify, Tag("http_classify")]
    | Annotated[SqlClassify, Tag("sql_classify")]
    | Annotated[PathClassify, Tag("path_classify")]
    | Annotated[ShellClassify, Tag("shell_classify")]
    | Annotated[WriteClassify, Tag("write_classify")]
    | Annotated[LlmClassify, Tag("llm_classify")],
    Discriminator(
        form_of,
        custom_error_type="condition_form",
        custom_error_message=f"a condition has to have exactly one of {', '.join(f'`{form}`' for form in FORMS)}",
    ),
]
PathIn = tuple[str | int, ...]


def parts(node: Condition, path: PathIn = ()) -> Iterator[tuple[PathIn, Condition]]:
    """A condition and every condition below it, each with its path."""
    yield path, node
    if isinstance(node, Not):
        yield from parts(node.not_, (*path, "not"))
    elif isinstance(node, (All, AnyOf)):
        key, members = ("and", node.and_) if isinstance(node, All) else ("or", node.or_)
        for index, member in enumerate(members):
            yield from parts(member, (*path, key, index))
