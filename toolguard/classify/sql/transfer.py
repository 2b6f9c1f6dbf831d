"""Statements that move rows or databases to files, programs and other machines, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.classify.sql.lexer import Kind

if TYPE_CHECKING:
    from toolguard.classify.sql.found import Found
    from toolguard.classify.sql.words import Words


def attach(words: Words, found: Found) -> str:
    """ATTACH and DETACH."""
    found.does("session")
    memory = any(token.kind is Kind.TEXT and ":memory:" in token.text for token in words.rest)
    if words.tokens[0].upper == "ATTACH" and not memory:
        found.does("file_read", "file_write")
    return "attach"


def copy(words: Words, found: Found) -> str:
    """COPY of PostgreSQL, Redshift and DuckDB."""
    if words.dialect == "snowflake":
        return copy_into(words, found)
    words.skip("BINARY")
    if words.skip("FROM DATABASE"):
        found.does("write", "ddl")
        return "copy"
    table = ""
    if words.peek() == "(":
        start = words.at + 1
        words.past_parentheses()
        found.add(words.inner(words.tokens[start : words.at - 1]), kinds=False)
    else:
        table = words.name()
        words.past_parentheses()
    into = words.skip("FROM")
    if not into and not words.skip("TO"):
        found.opaque("unknown_statement")
        return "copy"
    if table:
        (found.tables_written if into else found.tables_read).add(table)
    found.does("write" if into else "read")
    if words.skip("PROGRAM"):
        found.does("exec", destroys=True)
    elif not words.skip("STDIN", "STDOUT"):
        found.does("file_read" if into else "file_write")
        target = words.tokens[words.at].text if words.rest else ""
        if "://" in target:
            found.does("network")
    return "copy"


def copy_into(words: Words, found: Found) -> str:
    """COPY INTO of Snowflake, UNLOAD of Redshift."""
    words.skip("INTO")
    if words.peek() in ("@", '"') or words.dialect != "snowflake":
        outside = words.tokens[words.at].text
        found.does("file_write", *(("network",) if "://" in outside else ()))
        if words.after("FROM"):
            if words.peek() == "(":
                start = words.at + 1
                words.past_parentheses()
                found.add(words.inner(words.tokens[start : words.at - 1]), kinds=False)
            elif name := words.name():
                found.tables_read.add(name)
        return "copy"
    found.tables_written.update(each for each in [words.name()] if each)
    found.does("write", "file_read")
    if any("://" in token.text for token in words.rest):
        found.does("network")
    return "copy"


def load(words: Words, found: Found) -> str:
    """LOAD DATA, and LOAD of a library or an extension."""
    if words.dialect not in ("mysql", "bigquery", "tsql"):  # LOAD 'library' of PostgreSQL, LOAD extension of DuckDB
        found.does("exec", "admin", destroys=True)
        return "load"
    found.does("write", "file_read", destroys=words.has("REPLACE", "OVERWRITE"))
    if words.has("OVERWRITE"):
        found.bounds.add("none")
    if words.dialect == "bigquery" or any("://" in token.text for token in words.rest):
        found.does("network")
    if words.after("TABLE", "INTO", "INSERT", "OVERWRITE"):
        words.skip("TABLE")
        found.tables_written.update(each for each in [words.name()] if each)
    return "load"


def import_(words: Words, found: Found) -> str:
    """IMPORT of a foreign schema, a database or a table."""
    if words.peek() == "FOREIGN":
        found.does("ddl", "network")
        return "create"
    found.does(
        "ddl", "write", "file_read", "dynamic" if words.dialect == "duckdb" else "write", destroys=words.dialect == "duckdb"
    )
    return "load"


def bulk(words: Words, found: Found) -> str:
    """BULK INSERT."""
    words.skip("INSERT")
    found.does("write", "file_read")
    found.tables_written.update(each for each in [words.name()] if each)
    return "load"
