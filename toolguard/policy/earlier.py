"""Earlier calls as a rule names them: those that are required before a call, and those that forbid it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from toolguard.policy.condition import Condition, Leaf, parts
from toolguard.policy.fields import parse_field
from toolguard.policy.nodes import NODES
from toolguard.policy.strict import Name, Refused, Strict
from toolguard.windows import length_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def _of_a_call(text: str) -> str:
    field = parse_field(text, {})
    if field.root not in ("parameters", "context") or field.many is not None:
        raise ValueError(f"`bind` cannot be `{text}`: name a parameter, or a value of `context`, of each of the two calls")
    return text


Bound = Annotated[Name, AfterValidator(_of_a_call)]


class Earlier(Strict):
    """An earlier call, as the guard has recorded it."""

    tool: Name | None = None
    """Of this tool, in any case;"""
    group: Name | None = None
    """or of any tool of this group;"""
    fact: Name | None = None
    """or what the policy's `happened` calls so. What is said here besides goes before what is said there."""
    same: Literal["session", "agent", "org", "global"] = "session"
    """Whose call it was: in the same session, of the same agent or organisation, or anybody's."""
    bind: dict[Bound, Bound] = Field(default_factory=dict, max_length=8)
    """What both calls have in common: this call's `order_id` has to be that call's `id` in `{order_id: id}`."""
    where: Condition | None = None
    """What its result has to be: a condition on `result`, such as `result.status`."""
    within: Annotated[str, Field(json_schema_extra={"pattern": "^[1-9][0-9]{0,8}[smhd]$"})] | None = None
    """How long ago it may be: `15m`."""
    outcome: Literal["returned", "any"] = "returned"
    """How it has to have ended: `any` takes one that failed, too."""
    max_uses: Annotated[int, Field(gt=0)] | None = None
    """How many calls may rest on it."""

    @field_validator("within")
    @classmethod
    def _is_a_time(cls, text: str | None) -> str | None:
        if text is not None:
            length_of(text)
        return text

    @field_validator("where", mode="wrap")
    @classmethod
    def _is_about_the_result(cls, value: Any, read: Any, info: ValidationInfo) -> Any:
        del info
        found = read(value)
        for _, node in parts(found) if found is not None else ():
            if isinstance(node, tuple(NODES.values())):
                raise Refused("`where` has no classifier nodes: ask with leaves on `result`")
            if isinstance(node, Leaf) and not re.fullmatch(r"result([.\[].*)?", node.field):
                raise Refused(f"`where` is about `result`, and `{node.field}` is not")
        return found

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if sum(each is not None for each in (self.tool, self.group, self.fact)) != 1:
            raise Refused("say which earlier call: one of `tool`, `group` and `fact`")
        return self

    def resolved(self, named: Mapping[str, Earlier]) -> Earlier:
        """The earlier call itself, where this names a fact."""
        if self.fact is None:
            return self
        own = {name: getattr(self, name) for name in self.model_fields_set if name != "fact"}
        return named[self.fact].model_copy(update=own)
