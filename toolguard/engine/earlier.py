"""What has to have happened before a call, or must not have: `requires` and `forbids_after`, ready to be asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolguard.canonical import encode, keyed_digest
from toolguard.engine.conditions import condition
from toolguard.engine.facts import NO_FACTS, getter
from toolguard.errors import Indeterminate, Missing
from toolguard.model import ToolCall
from toolguard.policy.condition import Leaf, Not
from toolguard.policy.fields import parse_field
from toolguard.windows import SECOND, length_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolguard.logic import Test
    from toolguard.policy.condition import Condition
    from toolguard.policy.document import Policy, Rule
    from toolguard.policy.earlier import Earlier

Reader = "Callable[[ToolCall], Any]"


@dataclass(frozen=True, slots=True, eq=False)
class CompiledEarlier:
    """One earlier call that a rule asks about. `mine` and `theirs` read what both have to have in common, of either call."""

    earlier_id: str
    forbids: bool
    tool: str | None
    group: str | None
    same: str
    mine: tuple[Callable[[ToolCall], Any], ...]
    theirs: tuple[Callable[[ToolCall], Any], ...]
    within: int | None
    uses: int | None
    any_outcome: bool
    where: Test | None
    text: str

    def is_about(self, call: ToolCall) -> bool:
        """Whether this is such an earlier call."""
        return call.tool.casefold() == self.tool if self.tool is not None else call.tool_group == self.group

    def name(self, call: ToolCall, secret: bytes, *, earlier: bool) -> str:
        """Under which name it is kept that it happened, for this caller and these values (of which only a digest is seen).

        Raises:
            Indeterminate: the call has no such caller or value, and a prerequisite cannot be met without.
        """
        who = None if self.same == "global" else getattr(call, f"{self.same}_id")
        if who is None and self.same != "global" and not self.forbids:
            raise Indeterminate("is missing", f"{self.same}_id")
        values = [read(call) for read in (self.theirs if earlier else self.mine)]
        bound = keyed_digest(secret, encode(values)).hex() if values else ""
        return json.dumps(["earlier", self.earlier_id, who, bound], ensure_ascii=False, separators=(",", ":"))

    def holds(self, result: Any, *, unknown: bool = False) -> bool:
        """Whether the result of the earlier call is such as is asked for; `unknown` where that cannot be told."""
        if self.where is None:
            return True
        try:
            return self.where(ToolCall("", {"result": result}))
        except Indeterminate:
            return unknown


def compile_earlier(policy: Policy, rule: Rule) -> tuple[CompiledEarlier, ...]:
    """All that a rule asks about."""
    return (
        *_compiled(policy, rule, rule.requires, "requires"),
        *_compiled(policy, rule, rule.forbids_after, "forbids_after"),
    )


def _compiled(policy: Policy, rule: Rule, given: Sequence[Earlier], kind: str) -> Iterator[CompiledEarlier]:
    for number, each in enumerate(asked.resolved(policy.happened) for asked in given):
        bound = f" with the same {' and '.join(each.bind)}" if each.bind else ""
        within = f" in the last {each.within}" if each.within else ""
        whose = "" if each.same == "global" else f" in this {each.same}" if each.same == "session" else f" of this {each.same}"
        yield CompiledEarlier(
            f"{policy.policy_id}/{rule.rule_id}/{kind}/{number}",
            kind == "forbids_after",
            each.tool.casefold() if each.tool is not None else None,
            each.group,
            each.same,
            tuple(map(_reader, each.bind)),
            tuple(map(_reader, each.bind.values())),
            length_of(each.within) * SECOND if each.within else None,
            each.max_uses,
            each.outcome == "any",
            condition(_of_parameters(each.where)) if each.where is not None else None,
            f"a call of `{each.tool or each.group}`{bound}{whose}{within}",
        )


def _reader(text: str) -> Callable[[ToolCall], Any]:
    read = getter(parse_field(text, {}), NO_FACTS)

    def value(call: ToolCall) -> Any:
        try:
            return read(call)
        except Missing as missing:
            raise Indeterminate(missing.reason, missing.field or text) from None

    return value


def _of_parameters(node: Condition) -> Condition:
    """The condition on `result` as one on parameters, among which the result is put."""
    if isinstance(node, Leaf):
        return node.model_copy(update={"field": f"parameters.{node.field}"})
    if isinstance(node, Not):
        return node.model_copy(update={"not_": _of_parameters(node.not_)})
    key = "and_" if hasattr(node, "and_") else "or_"
    return node.model_copy(update={key: tuple(map(_of_parameters, getattr(node, key)))})


def with_earlier(base: Test, asked: Sequence[CompiledEarlier]) -> Test:
    """A test that holds where `base` does and something that is required has not happened, or that is forbidden has."""

    def test(call: ToolCall) -> bool:
        if not base(call):
            return False
        unknown: Indeterminate | None = None
        for each in asked:
            answer = call.answers.get(each.earlier_id)
            if answer is each.forbids:
                return True
            if not isinstance(answer, bool):
                unknown = answer or Indeterminate("is known only when the call is recorded", each.text)
        if unknown is not None:
            raise unknown
        return False

    return test


def said_of(asked: Sequence[CompiledEarlier]) -> str:
    """Why the rule fires, in words."""
    needs = " and ".join(each.text for each in asked if not each.forbids)
    forbidden = " and ".join(each.text for each in asked if each.forbids)
    return "; ".join(filter(None, (needs and f"it needs {needs} before", forbidden and f"not after {forbidden}")))
