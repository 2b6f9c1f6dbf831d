"""The walk through one condition on one call, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolguard.text import printable, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class ConditionTrace:
    """One part of a condition on one call: `and`, `or`, `not`, or the text of a leaf.

    `truth` is None where it is indeterminate, and `why` says why. `values` are the fields a leaf saw; one that is not there,
    or cannot be followed, is not in it.
    """

    text: str
    truth: bool | None
    why: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[ConditionTrace, ...] = ()

    @property
    def word(self) -> str:
        """`true`, `false` or `unknown`."""
        return "unknown" if self.truth is None else str(self.truth).lower()

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        seen = {"parts": [part.to_dict() for part in self.parts]} if self.parts else {"values": dict(self.values)}
        return {"condition": self.text, "truth": self.truth, "why": self.why, **seen}


def drawn(part: ConditionTrace, indent: str, paint: Callable[[str, str], str], branch: str = "") -> list[str]:
    """The walk in lines, as a tree."""
    seen = "".join(f"; {name} is {shown(value)}" for name, value in part.values.items())
    why = f"; {part.why}" if part.why and not part.parts else ""
    lines = [f"{indent}{branch}{paint(part.word, part.word)}: {printable(part.text)}{seen}{printable(why)}"]
    below = indent + {"": "", "├ ": "│ ", "└ ": "  "}[branch]
    for position, each in enumerate(part.parts, 1):
        lines += drawn(each, below, paint, "└ " if position == len(part.parts) else "├ ")
    return lines
