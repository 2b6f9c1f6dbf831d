"""Statements that are no queries, by their words: what kind they are, what they do, and which tables they name.

sqlglot reads few of them, so they are read here; a statement whose first word is not in the tables below is not understood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.classify.sql import definitions, transfer
from toolguard.classify.sql.words import QUERY_WORDS, ROW_WORDS, Words

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.classify.sql.found import Found
    from toolguard.classify.sql.lexer import Token


def look(tokens: list[Token], dialect: str, found: Found, inner: Callable[[list[Token]], Found]) -> None:
    """Note what a statement does. `inner` looks at a statement inside it."""
    words = Words(tokens, dialect, inner)
    first = words.take()
    handler = _HANDLERS.get(first)
    if handler is None:
        kind, effects, destroys = _PLAIN.get(first, ("unknown", "", False))
        if kind == "unknown":
            found.opaque("unknown_statement")
        found.kinds.append(kind)
        found.does(*effects.split(), destroys=destroys)
    else:
        found.kinds.append(handler(words, found))


# First word: kind, effects, whether it destroys. What needs a closer look has a function below.
_PLAIN: dict[str, tuple[str, str, bool]] = {
    "SHOW": ("show", "read", False),
    "ASSERT": ("assert", "read", False),
    "PRINT": ("print", "read", False),
    "HELP": ("show", "read", False),
    "LIST": ("list", "read", False),
    "LS": ("list", "read", False),
    "BEGIN": ("transaction", "session", False),
    "START": ("transaction", "session", False),
    "COMMIT": ("transaction", "session", False),
    "ROLLBACK": ("transaction", "session", False),
    "SAVEPOINT": ("transaction", "session", False),
    "RELEASE": ("transaction", "session", False),
    "ABORT": ("transaction", "session", False),
    "END": ("transaction", "session", False),
    "XA": ("transaction", "session", False),
    "SAVE": ("transaction", "session", False),
    "USE": ("use", "session", False),
    "FETCH": ("fetch", "session", False),
    "MOVE": ("fetch", "session", False),
    "CLOSE": ("fetch", "session", False),
    "OPEN": ("fetch", "session", False),
    "DEALLOCATE": ("deallocate", "session", False),
    "DISCARD": ("discard", "session", False),
    "LISTEN": ("listen", "session", False),
    "UNLISTEN": ("listen", "session", False),
    "NOTIFY": ("notify", "write", False),
    "REVERT": ("set", "session", False),
    "UNSET": ("set", "session", False),
    "WAITFOR": ("waitfor", "delay", False),
    "KILL": ("kill", "admin", True),
    "SHUTDOWN": ("shutdown", "admin", True),
    "RESTART": ("shutdown", "admin", True),
    "STOP": ("replication", "admin", False),
    "PURGE": ("maintenance", "admin", True),
    "FLUSH": ("maintenance", "admin", False),
    "CHANGE": ("replication", "admin network", False),
    "BINLOG": ("replication", "dynamic admin", True),
    "CHECKPOINT": ("maintenance", "admin", False),
    "RECONFIGURE": ("reconfigure", "admin", False),
    "DBCC": ("dbcc", "admin", False),
    "CACHE": ("maintenance", "session", False),
    "UNCACHE": ("maintenance", "session", False),
    "CHECKSUM": ("maintenance", "read", False),
    "REASSIGN": ("alter", "privileges ddl", False),
    "SECURITY": ("comment", "ddl", False),
    "AUDIT": ("audit", "admin", False),
    "NOAUDIT": ("audit", "admin", True),
    "HOST": ("host", "exec dynamic", True),
    "INSTALL": ("install", "exec network admin", True),
    "UNINSTALL": ("install", "admin", True),
    "FORCE": ("install", "exec network admin", True),
    "PUT": ("put", "file_read write", False),
    "GET": ("get", "file_write", False),
    "REMOVE": ("remove", "write", True),
    "RM": ("remove", "write", True),
    "EXPORT": ("export", "file_write", False),
    "RESTORE": ("restore", "admin write file_read", True),
    "BACKUP": ("backup", "file_write network admin", False),
    "DENY": ("revoke", "privileges", False),
    "CLONE": ("clone", "admin network", False),
}


def _explain(words: Words, found: Found) -> str:
    analyze = False
    if words.peek() == "(" and words.peek(1) not in QUERY_WORDS | ROW_WORDS:
        analyze = _analyze_of_options(words)
    else:
        while True:
            if words.skip("ANALYZE", "ANALYSE"):
                analyze = True
            elif words.skip("FORMAT =") or words.skip("USING"):
                words.take()
            elif not words.skip(
                "VERBOSE", "EXTENDED", "PARTITIONS", "QUERY PLAN", "ESTIMATE", "LOGICAL", "PLAN CACHE", "FOR SCHEMA", "PLAN"
            ):
                break
    if words.dialect == "oracle":
        found.tables_written.add("plan_table")
        found.does("write")
        words.after("FOR")
    describes = words.dialect in ("mysql", "snowflake", "oracle", "duckdb") and not analyze  # a table; what is analysed runs
    if describes and words.peek() not in QUERY_WORDS | ROW_WORDS | _NESTED:
        return _describe(words, found)
    within = words.inner(words.rest)
    if analyze or (words.dialect == "sqlite" and within.kinds == ["pragma"]):
        found.add(within, kinds=False)
        return "explain"
    found.tables_read |= within.tables_read | within.tables_written
    found.functions |= within.functions  # a planner runs functions that say they always give the same
    found.unknown |= within.unknown
    found.complete &= within.complete
    found.reasons |= within.reasons
    found.ambiguous |= within.ambiguous
    found.parsed &= within.parsed
    found.does("read")
    return "explain"


def _analyze_of_options(words: Words) -> bool:
    """Of `(ANALYZE, BUFFERS off)`, the last word on it counts."""
    words.take()
    analyze = False
    while words.peek() not in (")", ""):
        option = words.take()
        value = words.take() if words.peek() not in (",", ")", "") else "ON"
        if value == '"':
            value = words.tokens[words.at - 1].text.strip("'\"").upper()
        if option in ("ANALYZE", "ANALYSE") or option == '"':
            analyze = value not in ("OFF", "FALSE", "0") or words.dialect not in (
                "postgres",
                "redshift",
            )  # DuckDB ignores the value
        words.skip(",")
    words.take()
    return analyze


def _describe(words: Words, found: Found) -> str:
    words.skip("EXTENDED", "FORMATTED")
    words.skip("TABLE", "VIEW")
    if words.peek() in QUERY_WORDS | ROW_WORDS:
        return _explain(words, found)
    if name := words.name():
        found.tables_read.add(name)
    found.does("read")
    return "describe"


def _summarize(words: Words, found: Found) -> str:
    if words.peek() in QUERY_WORDS:
        found.add(words.inner(words.rest), kinds=False)
        return "describe"
    return _describe(words, found)


def _analyze(words: Words, found: Found) -> str:
    if words.dialect == "mysql" and not words.skip("TABLE", "LOCAL TABLE", "NO_WRITE_TO_BINLOG TABLE"):
        words.skip("FORMAT = JSON")
        found.add(words.inner(words.rest), kinds=False)
        return "explain"
    words.skip("VERBOSE")
    words.past_parentheses()
    return _maintain(words, found)


def _maintain(words: Words, found: Found) -> str:
    found.does("admin")
    if words.skip("FULL"):
        found.does("lock")
    while words.skip(
        "VERBOSE", "FREEZE", "TABLE", "LOCAL", "NO_WRITE_TO_BINLOG", "CONCURRENTLY", "INDEX", "MATERIALIZED VIEW", "ONLY"
    ):
        pass
    if words.past_parentheses() and words.has("FULL"):
        found.does("lock")
    if words.has("INTO"):
        found.does("file_write")
    elif words.peek() not in ("SCHEMA", "DATABASE", "SYSTEM", "MASTER", "QUERY", "REPLICA", "SLAVE"):
        found.tables_written.update(words.names())
    return "maintenance"


def _cluster(words: Words, found: Found) -> str:
    found.does("lock")
    return _maintain(words, found)


def _reset(words: Words, found: Found) -> str:
    if words.dialect == "mysql":
        found.does("admin", destroys=True)
        return "maintenance"
    found.does("session")
    return "set"


def _set(words: Words, found: Found) -> str:
    if words.dialect == "mysql" and words.skip("STATEMENT"):
        found.does("session")
        if words.after("FOR"):
            found.add(words.inner(words.rest), kinds=False)
        return "set"
    words.skip("SESSION", "LOCAL")
    if words.peek() in ("GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD", "RESOURCE", "DEFAULT") or words.has("PASSWORD"):
        found.does("admin" if words.peek() != "PASSWORD" else "privileges")
        return "set"
    found.does("session")
    return "set"


def _pragma(words: Words, found: Found) -> str:
    name = words.name().rpartition(".")[2]
    sets = bool(words.rest)
    if name in _READING_PRAGMAS:
        found.does("read")
    elif sets or words.dialect == "duckdb":
        found.does("session")
    elif name in ("optimize", "wal_checkpoint", "incremental_vacuum", "shrink_memory"):
        found.does("admin")
    else:
        found.does("read")
    return "pragma"


_READING_PRAGMAS = frozenset(
    (
        "table_info table_xinfo table_list index_info index_xinfo index_list foreign_key_list foreign_key_check database_list "
        "collation_list function_list module_list pragma_list compile_options integrity_check quick_check stats version "
        "database_size show_tables show_tables_expanded show_databases functions storage_info"
    ).split()
)


def _lock(words: Words, found: Found) -> str:
    found.does("lock")
    words.skip("TABLE", "TABLES")
    words.skip("ONLY")
    if words.tokens[0].upper == "LOCK":
        found.tables_read.update(words.names())
    return "lock"


def _handler(words: Words, found: Found) -> str:
    found.does("session")
    found.tables_read.update(each for each in [words.name()] if each)
    return "handler"


def _prepare(words: Words, found: Found) -> str:
    if words.skip("TRANSACTION"):
        found.does("session")
        return "transaction"
    words.name()
    words.past_parentheses()
    found.does("session")
    if words.skip("AS"):
        found.add(words.inner(words.rest), kinds=False)
    else:
        found.does("dynamic", destroys=True)
        found.complete = False
    return "prepare"


def _declare(words: Words, found: Found) -> str:
    found.does("session")
    if words.dialect in ("postgres", "redshift", "tsql") and words.after("FOR"):
        found.add(words.inner(words.rest), kinds=False)
    return "declare"


def _call(words: Words, found: Found) -> str:
    name = words.name()
    if words.dialect == "duckdb" and name.startswith("pragma_"):
        found.does("read")
        return "call"
    found.does("dynamic", destroys=True)
    found.complete = False
    return "call"


def _do(words: Words, found: Found) -> str:
    found.does("dynamic", destroys=words.dialect != "mysql")
    found.complete = words.dialect == "mysql"
    return "do"


def _execute(words: Words, found: Found) -> str:
    if words.skip("AS"):
        found.does("session", "privileges")
        return "set"
    if words.dialect == "tsql" and words.peek() == "@" and words.peek(2) == "=":
        words.at += 3
    name = words.name().rpartition(".")[2].strip("[]")
    found.does(*(("exec",) if name in _PROGRAMS else ("dynamic",)), destroys=True)
    if words.dialect not in ("tsql", "snowflake", "bigquery", "oracle"):
        found.does("session")
    if words.dialect == "tsql" and name.startswith(("sp_", "xp_")):
        found.functions.add(name)
        found.effectful.add(name)
    found.complete = False
    return "execute"


_PROGRAMS = frozenset(
    ("xp_cmdshell", "sp_oacreate", "sp_oamethod", "sp_start_job", "sp_add_jobstep", "sp_execute_external_script")
)


_NESTED = frozenset(
    (
        "EXPLAIN ANALYZE CREATE ALTER DROP EXECUTE CALL PREPARE DECLARE COPY PRAGMA TRUNCATE DO SHOW REFRESH VACUUM GRANT SET "
        "ATTACH SUMMARIZE MERGE"
    ).split()
)

_HANDLERS: dict[str, Callable[[Words, Found], str]] = {
    "EXPLAIN": _explain,
    "DESCRIBE": _describe,
    "DESC": _describe,
    "SUMMARIZE": _summarize,
    "ANALYZE": _analyze,
    "ANALYSE": _analyze,
    "VACUUM": _maintain,
    "REINDEX": _maintain,
    "OPTIMIZE": _maintain,
    "REPAIR": _maintain,
    "CHECK": _maintain,
    "CLUSTER": _cluster,
    "RESET": _reset,
    "CREATE": definitions.create,
    "DROP": definitions.drop,
    "ALTER": definitions.alter,
    "DISABLE": definitions.other_alter,
    "ENABLE": definitions.other_alter,
    "FLASHBACK": definitions.other_alter,
    "UNDROP": definitions.other_alter,
    "RENAME": definitions.other_alter,
    "COMMENT": definitions.other_alter,
    "REFRESH": definitions.other_alter,
    "TRUNCATE": definitions.truncate,
    "GRANT": definitions.grant,
    "REVOKE": definitions.grant,
    "SET": _set,
    "PRAGMA": _pragma,
    "ATTACH": transfer.attach,
    "DETACH": transfer.attach,
    "COPY": transfer.copy,
    "UNLOAD": transfer.copy_into,
    "LOAD": transfer.load,
    "IMPORT": transfer.import_,
    "LOCK": _lock,
    "UNLOCK": _lock,
    "HANDLER": _handler,
    "PREPARE": _prepare,
    "DECLARE": _declare,
    "CALL": _call,
    "DO": _do,
    "EXECUTE": _execute,
    "EXEC": _execute,
    "BULK": transfer.bulk,
}

FIRST_WORDS = frozenset(_HANDLERS) | frozenset(_PLAIN)

WITH_EXPRESSIONS = frozenset(("SHOW", "PRINT", "ASSERT"))  # those that only read, and can call functions
