"""Lists and pipelines as bash reads them.

The grammar binds `&&`, `||`, `|` and redirections in ways that bash does not (`a && b > c | d`), so what it has nested is laid
out again, one statement after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

_OPERATORS = ("&&", "||", "|", "|&")


@dataclass(slots=True)
class Step:
    """One statement of a list or pipeline, what holds its redirections, and the operator before it."""

    node: Node | None
    operator: str = ""
    redirected: list[Node] = field(default_factory=list)


def pipelines(node: Node) -> list[tuple[str, list[Step]]]:
    """The pipelines of a list, each with the operator (`&&`, `||`) before it."""
    found: list[tuple[str, list[Step]]] = []
    for step in _steps(node):
        if found and step.operator.startswith("|") and step.operator != "||":
            found[-1][1].append(step)
        else:
            found.append((step.operator, [step]))
    return found


def _steps(node: Node) -> list[Step]:
    if node.type in ("list", "pipeline"):
        return _joined(node.children)
    body = node.child_by_field_name("body") if node.type == "redirected_statement" else node
    if body is not node:
        steps = _steps(body) if body is not None else [Step(None)]
        steps[-1].redirected.append(node)
    else:
        steps = [Step(node)]
    return steps + _joined(behind_a_heredoc(node)[1])


def _joined(nodes: list[Node]) -> list[Step]:
    steps: list[Step] = []
    operator = ""
    for node in nodes:
        if node.type in _OPERATORS:
            operator = node.type
        elif node.is_named and node.type != "comment":
            inner = _steps(node)
            inner[0].operator, operator = operator or inner[0].operator, ""
            steps += inner
    return steps


def behind_a_heredoc(holder: Node) -> tuple[list[Node], list[Node]]:
    """`rm <<E x && y`: words of the command that stand behind the name, and how the line goes on."""
    words: list[Node] = []
    for child in holder.children:
        parts = child.children if child.type == "heredoc_redirect" else []
        parts = [part for part in parts if part.is_named or part.type in _OPERATORS]
        parts = [part for part in parts if not part.type.startswith(("heredoc_", "file_", "herestring_"))]
        ends = next((place for place, part in enumerate(parts) if part.type in (*_OPERATORS, "pipeline")), len(parts))
        if ends < len(parts):
            return words + parts[:ends], parts[ends:]
        words += parts
    return words, []
