"""Statements that change definitions, privileges, or a table as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.classify.sql.words import QUERY_WORDS, ROW_WORDS

if TYPE_CHECKING:
    from toolguard.classify.sql.found import Found
    from toolguard.classify.sql.words import Words


def create(words: Words, found: Found) -> str:
    """CREATE, of anything."""
    found.does("ddl", destroys=words.skip("OR REPLACE", "OR ALTER"))
    while words.skip(
        "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "TRANSIENT", "VOLATILE", "UNLOGGED", "EXTERNAL", "RECURSIVE", "SECURE", "FORCE",
        "EDITIONABLE", "NONEDITIONABLE", "UNIQUE", "CLUSTERED", "NONCLUSTERED", "FULLTEXT", "SPATIAL", "BITMAP", "AGGREGATE",
        "CONSTRAINT", "TRUSTED", "PROCEDURAL", "DYNAMIC", "HYBRID", "ICEBERG", "SNAPSHOT", "MATERIALIZED", "VIRTUAL",
        "FOREIGN TABLE",
    ):  # fmt: skip
        if words.tokens[words.at - 1].upper == "TABLE":
            words.at -= 1
            found.does("network")
            break
    if words.dialect == "mysql":
        _past_mysql_options(words)
    thing = words.take()
    words.skip("CONCURRENTLY")
    words.skip("IF NOT EXISTS")
    if thing in ("TABLE", "VIEW", "MODEL"):
        found.tables_written.update(each for each in [words.name()] if each)
        _as_query(words, found, runs=thing != "VIEW")
        return "create"
    if thing in _ROUTINES:
        found.does(*(("exec",) if words.has("SONAME") else ("dynamic",)), destroys=words.has("SONAME"))
        if thing in ("TRIGGER", "RULE") and words.after("TO" if thing == "RULE" else "ON"):
            found.tables_written.update(each for each in [words.name()] if each)
        return "create"
    if thing in ("INDEX", "POLICY", "STATISTICS") and words.after("ON"):
        words.skip("ONLY")
        found.does(*(("privileges",) if thing == "POLICY" else ()))
        found.tables_written.update(each for each in [words.name()] if each)
        return "create"
    found.does(*_THINGS.get(thing, "").split())
    return "create"


_ROUTINES = frozenset(
    (
        "FUNCTION",
        "PROCEDURE",
        "PROC",
        "TRIGGER",
        "RULE",
        "EVENT",
        "TASK",
        "MACRO",
        "PACKAGE",
        "TYPE",
        "JOB",
        "AGGREGATE",
        "ALERT",
    )
)
_THINGS = {
    "USER": "privileges",
    "ROLE": "privileges",
    "LOGIN": "privileges",
    "GROUP": "privileges",
    "EXTENSION": "admin exec",
    "LANGUAGE": "admin exec",
    "LIBRARY": "admin exec",
    "ASSEMBLY": "admin exec",
    "SUBSCRIPTION": "admin network",
    "PUBLICATION": "admin",
    "SERVER": "admin network",
    "FOREIGN": "admin network",
    "DATABASE": "admin",
    "SECRET": "privileges",
    "PERSISTENT": "privileges",
    "CREDENTIAL": "privileges",
    "INTEGRATION": "privileges network",
    "STAGE": "network",
}


def _past_mysql_options(words: Words) -> None:
    while words.skip("ALGORITHM =", "SQL SECURITY", "DEFINER =", "OFFLINE", "ONLINE"):
        if words.peek() in ("UNDEFINED", "MERGE", "TEMPTABLE", "INVOKER", "DEFINER", "CURRENT_USER"):
            words.take()
        else:
            words.name()
            if words.skip("@"):
                words.take()


def _as_query(words: Words, found: Found, *, runs: bool) -> None:
    """`AS SELECT ...`, and a query right behind the name."""
    start = words.at
    if not words.after("AS"):
        words.at = start
        words.past_parentheses()
    if words.peek() not in QUERY_WORDS | ROW_WORDS or words.peek() == "TABLE":
        return
    within = words.inner(words.rest)
    if not runs:
        within.tables_read |= within.tables_written
        within.tables_written, within.effects = set(), set()
        within.destructive, within.bounds = False, set()
    found.add(within, kinds=False)


def drop(words: Words, found: Found) -> str:
    """DROP, of anything."""
    found.does("ddl", destroys=True)
    while words.skip("TEMPORARY", "MATERIALIZED", "FOREIGN", "EXTERNAL", "SNAPSHOT", "DYNAMIC"):
        pass
    if words.peek() in ("USER", "ROLE", "LOGIN", "POLICY", "OWNED", "GROUP"):
        found.does("privileges")
    if words.skip("TABLE", "VIEW"):
        words.skip("IF EXISTS")
        found.tables_written.update(words.names())
    return "drop"


def alter(words: Words, found: Found) -> str:
    """ALTER, of anything."""
    if words.skip("SESSION"):
        found.does("session")
        return "alter"
    found.does("ddl")
    while words.skip("ONLINE", "OFFLINE", "IGNORE", "MATERIALIZED", "FOREIGN", "EXTERNAL", "DYNAMIC"):
        pass
    if words.peek() in ("USER", "ROLE", "LOGIN", "GROUP", "DEFAULT", "POLICY", "AUTHORIZATION"):
        found.does("privileges")
    elif words.peek() in ("SYSTEM", "DATABASE", "SERVER", "INSTANCE", "ACCOUNT", "EXTENSION", "SUBSCRIPTION", "WAREHOUSE"):
        found.does("admin")
    elif words.skip("TABLE", "VIEW"):
        words.skip("IF EXISTS")
        words.skip("ONLY")
        found.tables_written.update(each for each in [words.name()] if each)
    if words.has("DROP", "TRUNCATE", "DISCARD", "KILL", "SWITCH", "REMOVE", "PURGE", "EXCHANGE", "DELETE"):
        found.does(destroys=True)
    return "alter"


def other_alter(words: Words, found: Found) -> str:
    """`DISABLE TRIGGER x ON t`, `FLASHBACK TABLE t`, `RENAME TABLE t`, `COMMENT ON TABLE t`, `REFRESH`, `UNDROP`."""
    found.does("ddl")
    if words.after("TABLE", "ON", "VIEW"):
        words.skip("TABLE", "COLUMN", "VIEW")
        found.tables_written.update(each for each in [words.name()] if each)
    first = words.tokens[0].upper
    return {"UNDROP": "create", "COMMENT": "comment", "RENAME": "rename", "REFRESH": "maintenance"}.get(first, "alter")


def truncate(words: Words, found: Found) -> str:
    """TRUNCATE."""
    found.does("write", destroys=True)
    found.bounds.add("none")
    words.skip("TABLE")
    words.skip("ONLY", "IF EXISTS")
    found.tables_written.update(words.names())
    return "truncate"


def grant(words: Words, found: Found) -> str:
    """GRANT and REVOKE."""
    found.does("privileges")
    return words.tokens[0].upper.lower()
