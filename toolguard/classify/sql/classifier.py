"""From a text and a dialect to the facts: cached, checked by canaries, never raising."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from toolguard.classify.sql.dialects import ASSUMED, named
from toolguard.classify.sql.facts import SqlFacts
from toolguard.classify.sql.found import Found

if TYPE_CHECKING:
    from toolguard.classify.sql.dialects import Dialect

LONG = 16_384  # characters; longer texts are not kept
_SECRETS = frozenset(
    (
        "pg_authid pg_shadow pg_user_mapping pg_user_mappings pg_largeobject pg_subscription pg_foreign_server mysql.user "
        "mysql.global_priv mysql.db mysql.proxies_priv mysql.slave_master_info mysql.servers sys.sql_logins sys.syslogins "
        "sys.server_principals sys.symmetric_keys sys.certificates sys.credentials sys.asymmetric_keys master.sys.sql_logins "
        "syslogins dba_users sys.user$ user$ dba_db_links all_db_links sys.link$ link$ duckdb_secrets sqlite_secrets"
    ).split()
)


def classify(text: str, dialect: Any = None, functions: Any = None) -> SqlFacts:
    """The facts of one text. `functions` are names, or a text of names with blanks or commas, that only read."""
    name = dialect if isinstance(dialect, str) else None
    given = functions.replace(",", " ").split() if isinstance(functions, str) else functions or ()
    known = tuple(str(each).lower() for each in given)
    if len(text) > LONG:
        return _facts(text, name, known)
    facts = _kept(text, name, known)
    return _facts(text, name, known) if "recursion" in facts.reasons else facts  # that depends on who asks, not on the text


def _facts(text: str, name: str | None, known: tuple[str, ...]) -> SqlFacts:
    declared = named(name) if name else None
    readings = [_found(text, each, known) for each in ((declared,) if declared else ASSUMED)]
    return _as_facts(readings, declared)


_kept = lru_cache(maxsize=2048)(_facts)


def _found(text: str, dialect: Dialect, known: tuple[str, ...]) -> Found:
    from toolguard.classify.sql import canary  # noqa: PLC0415 - sqlglot is loaded when a policy first asks about SQL
    from toolguard.classify.sql.second import objects  # noqa: PLC0415
    from toolguard.classify.sql.statements import look  # noqa: PLC0415

    found = Found(["unknown"])
    if canary.trouble():
        found.opaque("parser_changed")
        return found
    try:
        found = look(text, dialect)
    except RecursionError:
        found.opaque("recursion")
        return found
    found.unknown.difference_update(known)
    if not found.unknown:
        found.reasons.discard("unknown_function")
    else:
        found.does("dynamic")
    if dialect.name == "postgres" and objects(text, found, known):
        found.unclear("second_opinion")
    return found


def _as_facts(readings: list[Found], declared: Dialect | None) -> SqlFacts:
    found = Found()
    for each in readings:
        found.add(each, kinds=False)
    kinds = readings[0].kinds if all(each.kinds == readings[0].kinds for each in readings) else _longest(readings)
    found.kinds = kinds
    safe, read_only = all(each.safe_read for each in readings), all(each.read_only for each in readings)
    unbounded = "none" in found.bounds
    tables = found.complete and found.known
    return SqlFacts(
        parsed=found.parsed,
        safe_read=safe,
        read_only=read_only,
        ambiguous=found.ambiguous,
        dialect=declared.name if declared else None,
        dialect_source="declared" if declared else "assumed",
        kinds=tuple(kinds),
        effects=tuple(sorted(found.effects)),
        statement_count=len(kinds) if not found.unsure else None,
        destructive=True if found.destructive else None if found.unknown or not found.known else False,
        unbounded_write=True if unbounded else None if not found.known else False,
        bounded_by=_bounded_by(found.bounds) if found.known else None,
        tables_read=tuple(sorted(found.tables_read)) if tables else None,
        tables_written=tuple(sorted(found.tables_written)) if tables else None,
        tables_complete=tables,
        functions=tuple(sorted(found.functions)),
        functions_effectful=tuple(sorted(found.effectful)),
        functions_unknown=tuple(sorted(found.unknown)),
        reads_secrets=_reads_secrets(found) or (False if tables else None),
        reasons=tuple(sorted(found.reasons)),
        fingerprint=readings[0].fingerprint,
        why_unknown=_why(found),
    )


def _longest(readings: list[Found]) -> list[str]:
    return max((each.kinds for each in readings), key=len)


def _bounded_by(bounds: set[str]) -> str | None:
    return next((each for each in ("none", "limit", "where", "values") if each in bounds), None)


def _reads_secrets(found: Found) -> bool:
    names = found.tables_read | found.tables_written | found.functions
    return any(name in _SECRETS or name.rpartition(".")[2] in _SECRETS for name in names)


def _why(found: Found) -> str:
    if found.known and not found.unknown:
        return ""
    what = ", ".join(sorted(found.reasons))
    return f"is SQL of which not all can be known ({what})"
