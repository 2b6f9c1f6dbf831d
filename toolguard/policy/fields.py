"""How a condition names a value: `amount`, `parameters.order.items[0].sku`, `parameters.lines[*].price`, `context.environment`.

A field begins with the parameters (the model's words), the context (the host program's), the identity of the call, or one of
the policy's own `facts:`. A bare name that is none of these is the parameter of that name; a parameter never takes their place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import TYPE_CHECKING, Any

from toolguard.classify.registry import CLASSIFIERS
from toolguard.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

IDENTITY = ("tool_name", "tool_group", "agent_id", "session_id", "org_id", "call_id")
ROOTS = ("parameters", "context")


class Items(Enum):
    """A step into the items of a list: whether any of them answers yes, or all of them do (of none, all do)."""

    ANY = "*"
    ALL = "all"


# Names of the reference's envelope that the host program supplies, and its short names for parts of the context.
ALIASES = {
    "envelope_id": "call_id",
    **{name: f"context.{name}" for name in ("agent_version", "framework", "turn_number", "department", "tool_server")},
    "content.risk_level": "context.verified.content_risk",
    "content.categories": "context.verified.content_categories",
    "counter_agent.risk": "context.verified.counter_agent_risk",
    "counter_agent.categories": "context.verified.counter_agent_categories",
    "counter_agent.reasoning": "context.verified.counter_agent_reasoning",
}
OF_THE_CALL = ("reversibility",)  # what is said of the call as a whole
LIMITS = "limits"
RESULT = "result"  # what came back: known in rules of `phase: result` and, of an earlier call, in `where`
OF_A_LIMIT = ("used", "remaining", "ratio")

_OTHER_NAMES = {
    **dict.fromkeys(("params", "param", "args", "arguments", "arg", "input", "kwargs"), "parameters"),
    **dict.fromkeys(("ctx", "env", "environment"), "context"),
}

_NAME = r"""[^.\[\]"'\s]+"""
_STEP = re.compile(rf"""\.(?P<name>{_NAME})|\[(?P<index>\d{{1,6}}|\*|all)\]|\["(?P<key>[^"]+)"\]""")
_HEAD = re.compile(_NAME)


@dataclass(frozen=True, slots=True)
class Field:
    """A parsed field: the text as written, its root, and the steps below it (names, indexes, items)."""

    text: str
    root: str
    steps: tuple[str | int | Items, ...]

    @property
    def many(self) -> int | None:
        """Where the first step into the items of a list is, None without one."""
        return items_in(self.steps)


def items_in(steps: tuple[str | int | Items, ...]) -> int | None:
    """The place of the first step into the items of a list."""
    return next((place for place, step in enumerate(steps) if isinstance(step, Items)), None)


def is_of_result(text: str) -> bool:
    """Whether a field is what came back, or something in it."""
    return re.match(rf"{RESULT}(?![^.\[])", text) is not None


def parse_field(text: str, known: Mapping[str, tuple[str, ...] | None] | None = None) -> Field:
    """Read a field. `known` are the policy's own fact names, each with the facts it has (None: nobody knows which).

    Raises:
        ValueError: not a field, or an unknown root or fact; says which known name is nearest.
    """
    facts = known or {}
    steps = _steps(ALIASES.get(text, text))
    root = str(steps[0])
    if root == LIMITS:
        _check_limit(text, steps, facts.get(LIMITS))
        return Field(text, root, tuple(steps[1:]))
    if root == RESULT:
        return Field(text, root, tuple(steps[1:]))
    if root in facts:
        _check_fact(text, steps, facts[root])
        return Field(text, root, tuple(steps[1:]))
    if root in ROOTS:
        if len(steps) == 1:
            raise ValueError(f"field `{text}` has to name something in `{root}`, as in `{root}.name`")
        return Field(text, root, tuple(steps[1:]))
    if root in IDENTITY:
        if len(steps) > 1:
            raise ValueError(f"field `{text}`: `{root}` is text and has nothing below it")
        return Field(text, root, ())
    if root in OF_THE_CALL:
        if len(steps) > 1:
            raise ValueError(f"field `{text}`: `{root}` is text and has nothing below it")
        return Field(text, root, ())
    if len(steps) == 1:
        return Field(text, "parameters", (root,))
    raise ValueError(f"field `{text}` begins with `{root}`, which is not known; {_meant(text, root, steps[1], facts)}")


def _meant(text: str, root: str, step: str | int | Items, facts: Mapping[str, Any]) -> str:
    """What somebody may have meant with a field that begins with an unknown name."""
    rest = text[len(root) :]
    if root.lower() in _OTHER_NAMES:
        return f"did you mean `{_OTHER_NAMES[root.lower()]}{rest}`?"
    if near := get_close_matches(root, (*ROOTS, *facts), n=1):
        return f"did you mean `{near[0]}{rest}`?"
    kind = next((each.name for each in CLASSIFIERS.values() if step in each.fact_names), None)
    if kind:
        return f"`facts: {{{root}: {{{kind}: parameters.{kind}}}}}` in the policy would make it a fact of `parameters.{kind}`"
    return f"did you mean `parameters.{text}`?"


def _check_limit(text: str, steps: list[str | int | Items], ids: tuple[str, ...] | None) -> None:
    if len(steps) != 3 or steps[2] not in OF_A_LIMIT:  # noqa: PLR2004 - `limits`, which one, what of it
        raise ValueError(f"field `{text}` has to be `limits.ID` and {', '.join(f'`.{each}`' for each in OF_A_LIMIT)}")
    if ids is not None and steps[1] not in ids:
        raise ValueError(f"field `{text}`: the policy has no limit `{steps[1]}`{nearest(steps[1], ids)}")


def _check_fact(text: str, steps: list[str | int | Items], facts: tuple[str, ...] | None) -> None:
    if facts is None:
        return
    if len(steps) == 1:
        raise ValueError(f"field `{text}` has to name one of its facts ({', '.join(facts)})")
    if steps[1] not in facts:
        near = get_close_matches(str(steps[1]), facts, n=1)
        hint = f"; did you mean `{steps[0]}.{near[0]}`?" if near else ""
        raise ValueError(f"field `{text}`: `{steps[0]}` has no fact `{steps[1]}` (facts: {', '.join(facts)}){hint}")
    if len(steps) > 2 and (len(steps) > 3 or isinstance(steps[2], str)):  # noqa: PLR2004 - the facts, one of them, its items
        raise ValueError(f"field `{text}`: below a fact there is only `[*]`, `[all]` or `[0]`, for one that is a list")


def _steps(text: str) -> list[str | int | Items]:
    head = _HEAD.match(text)
    if head is None:
        raise ValueError(f"`{text}` is not a field: it has to begin with a name")
    steps: list[str | int | Items] = [head[0]]
    at = head.end()
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise ValueError(f"`{text}` is not a field: it cannot be read from `{text[at:]}` on")
        if step["index"]:
            steps.append(int(step["index"]) if step["index"].isdigit() else Items(step["index"]))
        else:
            steps.append(step["name"] or step["key"])
        at = step.end()
    return steps
