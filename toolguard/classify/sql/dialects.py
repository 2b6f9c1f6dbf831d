"""How each dialect writes strings, names and comments: all that tells where a statement ends. Nothing else is known here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """`name` is sqlglot's. `names` are quoted names, as pairs of quotes; `texts` are quotes of string literals."""

    name: str
    texts: str = "'"
    names: tuple[str, ...] = ('""',)
    backslash: bool = False
    """A backslash escapes in every string literal."""
    escape_strings: bool = False
    """`E'...'` has backslashes, `U&'...'` has not."""
    nested: bool = False
    """`/* /* */ */` is one comment."""
    dollar: str = ""
    """`$tag$ ... $tag$` ("tagged") or `$$ ... $$` ("plain")."""
    comment: str = "--"
    """What begins a comment to the end of the line; a `--` of MySQL needs a blank after it."""
    return_ends: bool = False
    """A carriage return ends such a comment, too."""
    executable: bool = False
    """`/*! ... */` is code for some servers."""
    open_ended: bool = False
    """A comment that is not closed ends with the text."""
    quoted: bool = False
    """Oracle's `q'[...]'`."""
    triple: bool = False
    """BigQuery's triple quotes."""
    in_names: str = "$"
    """What a name may hold beside letters, digits and `_`."""


_POSTGRES = {"escape_strings": True, "nested": True, "dollar": "tagged", "return_ends": True}

DIALECTS: dict[str, Dialect] = {
    each.name: each
    for each in (
        Dialect("postgres", **_POSTGRES),  # type: ignore[arg-type]
        Dialect(
            "mysql",
            texts="'\"",
            names=("``",),
            backslash=True,
            comment="--|#",
            executable=True,
        ),
        Dialect("sqlite", names=('""', "``", "[]"), open_ended=True),
        Dialect("tsql", names=('""', "[]"), nested=True, in_names="$#@"),
        Dialect("duckdb", names=('""', "``"), **_POSTGRES),  # type: ignore[arg-type]
        Dialect("snowflake", backslash=True, dollar="plain", comment="--|//"),
        Dialect("bigquery", texts="'\"", names=("``",), backslash=True, comment="--|#", triple=True),
        Dialect("oracle", quoted=True, in_names="$#"),
        Dialect("redshift", **_POSTGRES),  # type: ignore[arg-type]
    )
}

_OTHER_NAMES = {
    "postgresql": "postgres",
    "pg": "postgres",
    "cockroachdb": "postgres",
    "mariadb": "mysql",
    "sqlite3": "sqlite",
    "mssql": "tsql",
    "sqlserver": "tsql",
    "sql server": "tsql",
    "t-sql": "tsql",
    "plsql": "oracle",
}

# Every plausible reading where none is declared. Redshift's is PostgreSQL's.
ASSUMED = tuple(each for name, each in DIALECTS.items() if name != "redshift")


def named(name: str) -> Dialect | None:
    """The dialect of that name, in any case and under the names people use for it."""
    name = name.strip().casefold()
    return DIALECTS.get(_OTHER_NAMES.get(name, name))
