"""What a SQL text does, as far as the text can tell: the facts behind `{sql: parameters.query, dialect: postgres}`.

    dialects   how each dialect writes strings, names and comments
    lexer      a second opinion on where they end
    parse      the door to sqlglot: bounded, and only where both lexers agree
    plain      what sqlglot does not know, written as what it knows
    query      queries and writes of rows, by their tree
    functions  what they call;  predicate: whether a WHERE leaves anything out
    command    everything else, by its words;  definitions, transfer: the larger families
    statements the text, apart; found: what has been found
    canary     statements whose facts are known, asked before the first answer

A text cannot tell what a view, a trigger, a rule, a custom operator or a search path makes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.classify.base import Classifier, Setting
from toolguard.classify.sql.classifier import classify
from toolguard.classify.sql.facts import SqlFacts

if TYPE_CHECKING:
    from collections.abc import Iterator


def _in_words(facts: SqlFacts) -> Iterator[str]:
    if facts.safe_read:
        yield "it reads " + (", ".join(facts.tables_read or ()) or "no table") + " and does nothing else"
        return
    if not facts.parsed or facts.ambiguous:
        yield f"nobody can say for certain what it does: {', '.join(facts.reasons)}"
    if facts.statement_count and facts.statement_count > 1:
        yield f"it is {facts.statement_count} statements: {', '.join(facts.kinds)}"
    if facts.unbounded_write:
        yield f"it changes or removes every row of {', '.join(facts.tables_written or ()) or 'a table'}"
    elif facts.tables_written:
        yield f"it changes {', '.join(facts.tables_written)}"
    if facts.destructive:
        yield "it removes what cannot be brought back"
    if facts.functions_unknown:
        yield f"it calls functions of which nothing is known: {', '.join(facts.functions_unknown)}"
    for effect, words in _EFFECTS.items():
        if effect in facts.effects:
            yield words
    if facts.reads_secrets:
        yield "it reads a catalogue of passwords or keys"


_EFFECTS = {
    "exec": "it runs a program on the server",
    "dynamic": "it runs code or text that is not in it",
    "file_read": "it reads files of the server",
    "file_write": "it writes files of the server",
    "network": "it reaches another machine",
    "privileges": "it changes who may do what",
    "ddl": "it changes tables or other definitions",
    "admin": "it changes how the server works",
    "session": "it changes settings of the session",
    "lock": "it holds locks",
    "delay": "it waits",
}

CLASSIFIER = Classifier(
    "sql",
    "What a SQL text does.",
    SqlFacts,
    classify,
    (
        Setting("dialect", "The dialect: a text such as `postgres`, or the field that holds it.", optional=True),
        Setting("functions", "Names of functions of your own that only read, with blanks between.", optional=True),
    ),
    _in_words,
)
