"""What is known of a SQL text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SqlFacts:
    """None: not known, and `why_unknown` says why."""

    parsed: bool
    """Every statement was read."""
    safe_read: bool
    """Reads rows and does nothing else, for certain. The one fact an allow rule should lean on."""
    read_only: bool
    """Changes nothing, for certain; it may read files, or wait."""
    ambiguous: bool
    """Servers, or their settings, would read it in different ways; `reasons` says why."""
    dialect: str | None
    """The dialect it was read in, None where it was read in all of them."""
    dialect_source: str
    """`declared`, or `assumed`: then the worst of all dialects' readings counts."""
    kinds: tuple[str, ...]
    """What each statement is, in order: `select`, `delete`, `drop`, `explain`, `copy`, `block`, `unknown` ..."""
    effects: tuple[str, ...]
    """What they do: `read`, `write`, `ddl`, `privileges`, `session`, `lock`, `dynamic` (runs text or code that is not here),
    `exec` (a program), `file_read`, `file_write`, `network`, `admin`, `delay`."""
    statement_count: int | None = None
    """How many statements."""
    destructive: bool | None = None
    """Removes what is there: rows, tables, settings, sessions; or runs what can."""
    unbounded_write: bool | None = None
    """Changes or removes all rows of a table: no WHERE, or one that leaves out nothing."""
    bounded_by: str | None = None
    """What keeps its writes from all rows: `values` (a column has to have one of some values), another `where`, `limit` or
    `none`; None where it writes no rows, or that is not known."""
    tables_read: tuple[str, ...] | None = None
    """The tables it reads, in lower case, with the schema where one is written; None where they are not all known."""
    tables_written: tuple[str, ...] | None = None
    """The tables it changes, likewise."""
    tables_complete: bool = False
    """All its tables are known."""
    functions: tuple[str, ...] = ()
    """The functions it calls, in lower case."""
    functions_effectful: tuple[str, ...] = ()
    """Those that do more than read rows."""
    functions_unknown: tuple[str, ...] = ()
    """Those that are no built-in ones of the dialect, and not in the setting `functions`: what they do is not known."""
    reads_secrets: bool | None = None
    """Reads a catalogue of passwords or keys."""
    reasons: tuple[str, ...] = ()
    """Codes for what is in the way of certainty: `unknown_function`, `parse_error`, `lexer_disagree`, `exec_comment` ..."""
    fingerprint: str = ""
    """The same for texts that differ in literals, blanks and comments only."""
    why_unknown: str = ""
