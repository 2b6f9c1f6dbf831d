"""Which records are meant: by time, kind, tool, caller or verdict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from toolguard.audit.links import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from toolguard.model import Record

KINDS = (
    *("start", "stop", "reload", "decision", "approval", "answer", "withdrawal", "outcome", "result"),
    *("halt", "resume", "reset", "erasure", "checkpoint", "anchor", "archive"),
)
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Empty fields do not restrict. Times are nanoseconds since 1970; `until` is not part of it.

    What belongs to a decision (its approval, its outcome, what was made of its result) goes with it where tools, agents,
    sessions or verdicts are named.
    """

    since: int | None = None
    until: int | None = None
    kinds: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()
    verdicts: frozenset[str] = frozenset()

    def of(self, records: Iterable[Record]) -> Iterator[tuple[Record, Mapping[str, Any]]]:
        """The records that are meant, each with its content."""
        chosen: set[Any] = set()
        for record in records:
            content = parsed(record.body)
            if self._in_time(content.get("time")) and self._of_kind(content, chosen):
                if content.get("kind") in ("decision", "result"):
                    chosen.add(record.seq)
                yield record, content

    def _in_time(self, time: Any) -> bool:
        if not isinstance(time, int):
            return self.since is None and self.until is None
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)

    def _of_kind(self, content: Mapping[str, Any], chosen: set[Any]) -> bool:
        if self.kinds and content.get("kind") not in self.kinds:
            return False
        if not (self.tools or self.agents or self.sessions or self.verdicts):
            return True
        if content.get("kind") in ("approval", "outcome", "result") and content.get("decision") in chosen:
            return True
        call = content.get("call")
        if not isinstance(call, dict):
            return False
        asked = (
            (self.tools, call.get("tool")),
            (self.agents, call.get("agent_id")),
            (self.sessions, call.get("session_id")),
            (self.verdicts, content.get("verdict")),
        )
        return all(not wanted or found in wanted for wanted, found in asked)


def hits_of(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rules that fired, as far as a record can be read."""
    hits = content.get("hits")
    return [hit for hit in hits if isinstance(hit, dict)] if isinstance(hits, list) else []


def moment(text: str) -> int:
    """Nanoseconds since 1970 of a date or a time in ISO 8601; without an offset it is UTC.

    Raises:
        ValueError: it is none.
    """
    found = datetime.fromisoformat(text)
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    whole = int(aware.replace(microsecond=0).timestamp())
    return whole * NANOSECONDS + aware.microsecond * 1000


def shown_time(time: Any) -> str:
    """A record's time for a person, in UTC."""
    if not isinstance(time, int):
        return "at an unknown time"
    seconds, rest = divmod(time, NANOSECONDS)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest // 1_000_000:03d} UTC"
    except (ValueError, OverflowError, OSError):
        return "at an impossible time"
