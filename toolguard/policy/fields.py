"""How a condition names a value: `amount`, `parameters.order.items[0].sku`, `parameters.lines[*].price`, `context.environment`.

Roots are `parameters` (the model's), `context` (the host program's), the identity fields, and the policy's own `facts:` names.
A bare name that is none of these is the parameter of that name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

IDENTITY = ("tool_name", "tool_group", "agent_id", "session_id", "org_id")
ROOTS = ("parameters", "context")
EVERY = None  # the step `[*]`: any item of the list

_NAME = r"""[^.\[\]"'\s]+"""
_STEP = re.compile(rf"""\.(?P<name>{_NAME})|\[(?P<index>\d{{1,6}}|\*)\]|\["(?P<key>[^"]+)"\]""")
_HEAD = re.compile(_NAME)


@dataclass(frozen=True, slots=True)
class Field:
    """A parsed field: the text as written, its root, and the steps below it (names, indexes, `EVERY`)."""

    text: str
    root: str
    steps: tuple[str | int | None, ...]


def parse_field(text: str, known: tuple[str, ...] = ()) -> Field:
    """Read a field. `known` are the policy's own fact names.

    Raises:
        ValueError: not a field, or an unknown root; says which known name is nearest.
    """
    steps = _steps(text)
    root = str(steps[0])
    if root in (*ROOTS, *known):
        if len(steps) == 1 and root in ROOTS:
            raise ValueError(f"field `{text}` has to name something in `{root}`, as in `{root}.name`")
        return Field(text, root, tuple(steps[1:]))
    if root in IDENTITY:
        if len(steps) > 1:
            raise ValueError(f"field `{text}`: `{root}` is text and has nothing below it")
        return Field(text, root, ())
    if len(steps) == 1:
        return Field(text, "parameters", (root,))
    near = get_close_matches(root, (*ROOTS, *known), n=1)
    hint = f"did you mean `{near[0]}{text[len(root) :]}`" if near else f"did you mean `parameters.{text}`"
    raise ValueError(f"field `{text}` begins with `{root}`, which is not known; {hint}")


def _steps(text: str) -> list[str | int | None]:
    head = _HEAD.match(text)
    if head is None:
        raise ValueError(f"`{text}` is not a field: it has to begin with a name")
    steps: list[str | int | None] = [head[0]]
    at = head.end()
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise ValueError(f"`{text}` is not a field: it cannot be read from `{text[at:]}` on")
        if step["index"]:
            steps.append(EVERY if step["index"] == "*" else int(step["index"]))
        else:
            steps.append(step["name"] or step["key"])
        at = step.end()
    return steps
