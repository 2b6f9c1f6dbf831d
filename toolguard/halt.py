"""The halt: what is stopped until a person lifts it. A latch that survives restarts and that every process sees at once."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toolguard.errors import LedgerCorrupt
from toolguard.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from toolguard.model import Decision, ToolCall
    from toolguard.stores.base import Store

GLOBAL = "global"
THROTTLE = "throttle"
KINDS = ("org", "agent", "session", "tool")


# level -> the least that a call which it covers gets
LEVELS = {
    "warn": Verdict.FLAG,
    THROTTLE: Verdict.FLAG,
    "quarantine": Verdict.ESCALATE,
    "block": Verdict.DENY,
    "halt": Verdict.DENY,
}


_WORDS = {
    "warn": "under watch",
    THROTTLE: "slowed down",
    "quarantine": "in quarantine",
    "block": "blocked",
    "halt": "halted",
}


@dataclass(frozen=True, slots=True)
class Halt:
    """Something that is stopped until a person resumes it.

    `scope` is `global`, or `org:NAME`, `agent:NAME`, `session:NAME`, `tool:NAME`; `time` is nanoseconds since 1970. `level`:
    `warn` flags the calls it covers, `throttle` lets six a minute through, `quarantine` puts them before a person, `block`
    denies them, `halt` also stops what runs.
    """

    scope: str
    reason: str
    by: str
    time: int
    level: str = "halt"

    @property
    def verdict(self) -> Verdict:
        """The least that a call gets."""
        return LEVELS[self.level]

    @property
    def cause(self) -> str:
        """Why a call got that, in words that the agent may see."""
        what = _WORDS[self.level]
        kind, _, name = self.scope.partition(":")
        return f"{f'{kind} `{name}`' if name else 'everything'} is {what}: {self.reason}"

    def covers(self, call: ToolCall) -> bool:
        """Whether it is about this call."""
        kind, _, name = self.scope.partition(":")
        if kind == "tool":
            return call.tool.casefold() == name.casefold()
        return not name or getattr(call, f"{kind}_id") == name

    def to_bytes(self) -> bytes:
        """As a store keeps it."""
        return json.dumps({"reason": self.reason, "by": self.by, "time": self.time, "level": self.level}).encode()


def read_halt(scope: str, body: bytes) -> Halt:
    """Read what `Halt.to_bytes` wrote.

    Raises:
        LedgerCorrupt: it is something else.
    """
    try:
        kept = json.loads(body)
        halt = Halt(check_scope(scope), str(kept["reason"]), str(kept["by"]), int(kept["time"]), str(kept["level"]))
        halt.verdict  # noqa: B018 - raises for a level that is none
    except (ValueError, TypeError, KeyError) as error:
        raise LedgerCorrupt(f"the halt of `{scope}` cannot be read: {error}") from None
    return halt


def check_scope(scope: str) -> str:
    """The scope, if it is one.

    Raises:
        ValueError: it is none.
    """
    kind, colon, name = scope.partition(":")
    if scope != GLOBAL and not (kind in KINDS and colon and name and name == name.strip()):
        forms = ", ".join(f"`{each}:NAME`" for each in KINDS)
        raise ValueError(f"`{scope}` is nothing that can be halted (`{GLOBAL}`, {forms})")
    return scope


class Halts:
    """What is halted now, as everybody who shares the store sees it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[int, tuple[Halt, ...]] = (-1, ())  # the signal, and what was halted then: always as one
        self.quiet = -1  # the signal at which nothing was halted: while it is the store's, there is nothing to ask

    def in_force(self) -> tuple[Halt, ...]:
        """All of them, the most restrictive first.

        Raises:
            StoreError: they cannot be read.
            LedgerCorrupt: one of them cannot be read.
        """
        signal = self._store.signal()
        seen, halts = self._known
        if signal != seen or signal & 1:  # odd: somebody is at it, or died at it
            halts = ordered(self._store.halts())
            self._known = signal, halts
            self.quiet = -1 if halts or signal & 1 else signal
        return halts

    def over(self, call: ToolCall) -> Halt | None:
        """The most restrictive one that covers this call.

        Raises:
            StoreError: they cannot be read.
        """
        return next((halt for halt in self.in_force() if halt.covers(call)), None)

    def denies(self, call: ToolCall) -> bool:
        """Whether one of them denies the call, whatever rules say.

        Raises:
            StoreError: they cannot be read.
        """
        halt = None if self._store.signal() == self.quiet else self.over(call)
        return halt is not None and halt.verdict == Verdict.DENY

    def applied_to(self, decision: Decision) -> Decision:
        """The decision, made as restrictive as a halt wants it that covers the call.

        Raises:
            StoreError: they cannot be read.
        """
        halt = None if self._store.signal() == self.quiet else self.over(decision.call)
        if halt is None:
            return decision
        if halt.level == THROTTLE:
            decision = replace(decision, throttle=halt.scope)
        if halt.verdict < decision.verdict or (halt.verdict == decision.verdict < Verdict.DENY):
            return decision
        return replace(decision, verdict=halt.verdict, cause=halt.cause, halted=halt.verdict == Verdict.DENY)


def tripped(decision: Decision, halts: Halts) -> Iterator[Halt]:
    """The halts that exceeded limits call for, but for those of which as much, or more, is in force already."""
    for use in decision.limits:
        if use.trips is not None:
            level, scope = use.trips[0], _scope_of(use.trips[1], decision.call)
            kept = next((halt for halt in halts.in_force() if halt.scope == scope), None)
            if kept is None or _strictness(kept.level) < _strictness(level):
                reason = f"limit `{use.limit_id}`: {use.after} of {use.max} ({use.window})"
                yield Halt(scope, reason, f"limit `{use.limit_id}`", use.time, level)


def _scope_of(kind: str, call: ToolCall) -> str:
    """Whom it covers: the caller of that kind, or the tool where the call has no such caller."""
    if kind == GLOBAL:
        return GLOBAL
    name = call.tool if kind == "tool" else getattr(call, f"{kind}_id", None)
    return f"{kind}:{name}" if name and name == name.strip() else f"tool:{call.tool}"


def _strictness(level: str) -> int:
    return list(LEVELS).index(level)


def ordered(kept: Mapping[str, bytes]) -> tuple[Halt, ...]:
    """The halts that a store keeps, the most restrictive first, of equals the earlier."""
    halts = [read_halt(scope, body) for scope, body in kept.items()]
    return tuple(sorted(halts, key=lambda halt: (-_strictness(halt.level), halt.time)))
