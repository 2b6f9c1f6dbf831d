"""What a coding agent is told of a result that it may not see as it is: in the same shape, which is all that it accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolguard.errors import ToolDenied

if TYPE_CHECKING:
    from toolguard.model import Outcome


BLOCKS = ("text", "image", "audio", "resource", "resource_link")  # kinds of content that say nothing by themselves


def seen_as(given: Any, seen: Outcome) -> dict[str, Any]:
    """The answer of a `PostToolUse` hook: nothing, where the result goes on as it is."""
    if seen.error is not None:
        text = seen.error.message_for_model() if isinstance(seen.error, ToolDenied) else type(seen.error).__name__
        return _answer(emptied(given, [text]))
    return {} if seen.value is given or seen.value == given else _answer(seen.value)


def emptied(value: Any, text: list[str]) -> Any:
    """The value with nothing left of it but its shape; the first text in it becomes this one."""
    if isinstance(value, dict):
        return {name: inner if name == "type" and inner in BLOCKS else emptied(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [emptied(inner, text) for inner in value]
    if isinstance(value, str):
        return text.pop() if text else ""
    return value if value is None or isinstance(value, bool) else 0


def _answer(made: Any) -> dict[str, Any]:
    return {"hookSpecificOutput": {"hookEventName": "PostToolUse", "updatedToolOutput": made}}
