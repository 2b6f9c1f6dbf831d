"""The reference's node for SQL as leaves over the SQL facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolguard.policy.nodes import SQL_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.policy.nodes import SqlNode

Given = dict[str, Any]  # a condition as a policy would write it


def broken(node: SqlNode, name: str) -> Given:
    """A condition that holds when the SQL breaks a requirement, or could not be read."""
    return {"or": [_leaf(f"{name}.parsed", "eq", value=False), *_broken(node, name)]}


def _broken(node: SqlNode, name: str) -> Iterator[Given]:
    require = node.require
    if require.denied_top_level_kinds:
        yield _leaf(f"{name}.kinds[*]", "in", [ours for theirs in require.denied_top_level_kinds for ours in SQL_KINDS[theirs]])
    if require.top_level_kinds:
        allowed = [ours for theirs in require.top_level_kinds for ours in SQL_KINDS[theirs]]
        yield _leaf(f"{name}.statement_count", "neq", 1)
        yield _leaf(f"{name}.kinds[*]", "not_in", allowed)
        if set(require.top_level_kinds) == {"SELECT"}:
            yield _leaf(f"{name}.effects[*]", "in", ["write", "ddl"])
    if require.no_dynamic_sql:
        yield _leaf(f"{name}.effects[*]", "eq", "dynamic")
    if require.no_program_exec:
        yield _leaf(f"{name}.effects[*]", "in", ["exec", "file_read", "file_write", "network"])
    if require.no_functions:
        yield _leaf(f"{name}.functions[*]", "regex", ".")
    yield from _functions(node, name)
    yield from _tables(node, name)


def _functions(node: SqlNode, name: str) -> Iterator[Given]:
    require, classes = node.require, node.functions
    if require.allowed_functions:
        yield _leaf(f"{name}.functions[*]", "not_in", [each.lower() for each in require.allowed_functions])
    for asked, operator in ((require.denied_function_classes, "in"), (require.allowed_function_classes, "not_in")):
        listed = [function.lower() for each in asked for function in classes.get(each, ())]
        if asked and (not listed or not set(asked) <= set(classes)):
            yield _leaf(f"{name}.parsed", "exists", value=True)  # nobody can say which functions are meant
        elif asked:
            yield _leaf(f"{name}.functions[*]", operator, listed)


def _tables(node: SqlNode, name: str) -> Iterator[Given]:
    require = node.require
    for touched in ("tables_read[*]", "tables_written[*]"):
        for prefix in require.denied_tables:
            yield _leaf(f"{name}.{touched}", "starts_with", prefix.lower())
            if "." not in prefix:
                yield _leaf(f"{name}.{touched}", "contains", f".{prefix.lower()}")
        if require.allowed_tables:
            yield _leaf(f"{name}.{touched}", "not_in", [each.lower() for each in require.allowed_tables])


def _leaf(field: str, operator: str, value: Any) -> Given:
    return {"field": field, "operator": operator, "value": value}
