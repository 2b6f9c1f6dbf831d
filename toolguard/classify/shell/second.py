"""A second opinion on commands: bashlex, where it is installed. It leaves out much of a text, and can only object.

Nothing depends on it: bashlex is GPL-3.0-or-later, and who passes on a program under other terms leaves it out.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

MAX_LENGTH = 1_000  # characters; a longer one takes it tens of milliseconds
MAX_CALLS = 50_000  # and returns; a script of that length takes it as many
_MAY_HIDE = re.compile(r"[\n`{]|\$\(|[<>]\(|<<")  # what parsers have been seen to differ about; to ask takes a millisecond
_INSIDE = ("parts", "list", "command", "redirects", "output")


class _TooLong(BaseException):
    """It has taken too many steps. No exception that a parser may catch by itself."""


def programs(text: str) -> list[tuple[int, str]]:
    """Where it sees a command begin (in characters), and its first word; none where it is not there or refuses the text."""
    if len(text) > MAX_LENGTH or not _MAY_HIDE.search(text) or "((" in text:  # arithmetic is commands to it
        return []
    opinion = _opinion()  # which takes a tenth of a second to load
    if opinion is None:
        return []
    try:
        return [found for tree in _bounded(opinion.parse, text) for found in _programs(tree)]
    except RecursionError:
        raise
    except (Exception, _TooLong):  # noqa: BLE001 - it refuses much that bash runs, in many ways, and has no opinion then
        return []


def _bounded(parse: Callable[[str], list[Any]], text: str) -> list[Any]:
    """What it parses. There are texts on which it goes on for ever (`'${x'`), so its calls are counted, as a profiler would.

    Raises:
        _TooLong: they are too many, or somebody else counts.
    """
    if sys.getprofile() is not None:
        raise _TooLong
    left = MAX_CALLS

    def counted(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooLong

    sys.setprofile(counted)
    try:
        return parse(text)
    finally:
        sys.setprofile(None)


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
