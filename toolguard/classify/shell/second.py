"""A second opinion on commands: bashlex, where it is installed. It leaves out much of a text, and can only object.

Nothing depends on it: bashlex is GPL-3.0-or-later, and who passes on a program under other terms leaves it out.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

MAX_LENGTH = 1_500  # characters; a longer one takes it tens of milliseconds
_INSIDE = ("parts", "list", "command", "redirects", "output")


def programs(text: str) -> list[tuple[int, str]]:
    """Where it sees a command begin (in characters), and its first word; none where it is not there or refuses the text."""
    opinion = _opinion()
    if opinion is None or len(text) > MAX_LENGTH or "((" in text:  # it takes arithmetic for commands
        return []
    try:
        return [found for tree in opinion.parse(text) for found in _programs(tree)]
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - it refuses much that bash runs, in many ways, and has no opinion then
        return []


@lru_cache(maxsize=1)
def _opinion() -> ModuleType | None:
    try:
        return import_module("bashlex")
    except ImportError:
        return None


def _programs(tree: Any) -> Iterator[tuple[int, str]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        inside = [each for name in _INSIDE for each in _list(getattr(node, name, None))]
        waiting += inside
        words = [each for each in inside if each.kind == "word"] if node.kind == "command" else []
        if words:
            yield words[0].pos[0], words[0].word


def _list(value: Any) -> list[Any]:
    return [each for each in (value if isinstance(value, list) else [value]) if hasattr(each, "kind")]
