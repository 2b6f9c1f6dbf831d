"""Every error the library raises, in one place.

ToolGuardError
├── PolicyError            policies that were refused at load, every problem with its place
├── MalformedCall          a proposed call that cannot be judged at all (not plain data, too deep, too large)
├── ToolDenied             the tool did not run, or what came back is withheld; `.decision` says why
│   ├── ApprovalRefused    a person was asked and said no
│   ├── ApprovalUnavailable   a person has to be asked and there is nobody to ask
│   ├── StreamDenied       what comes next in a stream is not let through
│   └── ToolHalted         a person has stopped this agent, tool, session, organisation, or everything
└── StoreError             the ledger could not be read or written
    ├── StoreFull          there is no room for another record
    └── LedgerCorrupt      the ledger can be read, and what it says does not hold together

Indeterminate              not an error of the program: the third truth value of a condition (it never leaves the engine)
└── Missing                the field is not there
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolguard.model import Decision


class ToolGuardError(Exception):
    """Base of every error that toolguard raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a policy was refused. `line` and `column` count from 1 and are None for policies given as objects.

    `code` is the name `toolguard lint` has for it.
    """

    message: str
    source: str
    line: int | None = None
    column: int | None = None
    code: str = "structural-validation"

    def __str__(self) -> str:
        """`file:line:column: message`, the form editors and terminals can jump to."""
        place = [self.source, *(str(n) for n in (self.line, self.column) if n is not None)]
        return f"{':'.join(place)}: {self.message}"


class PolicyError(ToolGuardError):
    """Policies were refused; nothing of them was loaded."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems for programs; the text lists them for people, one a line."""
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        """So that it can cross between processes."""
        return type(self), (self.problems,)


class MalformedCall(ToolGuardError):
    """The proposed call is not plain, finite, bounded data, so no rule can be trusted to have seen all of it."""


class ToolDenied(ToolGuardError):
    """The tool did not run, or what came back of it is withheld."""

    def __init__(self, decision: Decision, reason: str | None = None) -> None:
        """Carry the decision; `reason` replaces the decision's own where something later refused."""
        super().__init__(reason or decision.reason)
        self.decision = decision

    def __reduce__(self) -> tuple[Any, ...]:
        """So that it can cross between processes."""
        return type(self), (self.decision, str(self))

    def message_for_model(self) -> str:
        """What the agent may see: final, with the rule, the reason, the citation and what to do instead."""
        return self.decision.message_for_model(str(self))


class ToolHalted(ToolDenied):
    """Somebody has stopped the agent, the tool, the session, the organisation, or everything."""


class StreamDenied(ToolDenied):
    """A stream was cut: what begins at `offset` is forbidden, and `released` of it had been let through before.

    Both are characters of text, bytes, or items.
    """

    def __init__(self, decision: Decision, offset: int, released: int, reason: str | None = None) -> None:
        """As ToolDenied, and where."""
        super().__init__(decision, reason or f"{decision.reason} (at {offset} of the stream; {released} were let through)")
        self.offset, self.released = offset, released

    def __reduce__(self) -> tuple[Any, ...]:
        """So that it can cross between processes."""
        return type(self), (self.decision, self.offset, self.released, str(self))


class ApprovalRefused(ToolDenied):
    """A person was asked and refused."""


class ApprovalUnavailable(ToolDenied):
    """A rule asks for a person's approval and nobody can give it."""


class StoreError(ToolGuardError):
    """The ledger cannot be opened, read or written, so nothing is allowed."""


class StoreFull(StoreError):
    """There is no room for another record."""


class LedgerCorrupt(StoreError):
    """The ledger's chain does not hold."""


class Indeterminate(Exception):
    """A condition that can be called neither true nor false."""

    def __init__(self, reason: str, field: str = "") -> None:
        """`reason` reads on after the field's name: "is missing", "is text, not a number"."""
        super().__init__(reason)
        self.reason = reason
        self.field = field

    def __str__(self) -> str:
        """The field in backticks, then the reason."""
        return f"`{self.field}` {self.reason}" if self.field else self.reason


class Missing(Indeterminate):
    """The field is not there at all."""


def nearest(word: object, known: Sequence[str]) -> str:
    """`; did you mean ...`, or nothing."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

    near = get_close_matches(str(word), known, n=1) or [each for each in known if str(word) and str(word) in each]
    return f"; did you mean `{near[0]}`?" if near else ""
