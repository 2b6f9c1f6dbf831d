"""A second opinion on PostgreSQL: the server's own grammar, where `pgparse` is installed (the extra `postgres`).

It is asked about what would be a safe read, and can only object.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from toolguard.classify.sql.functions import Call, effects_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import ModuleType

    from toolguard.classify.sql.found import Found

_READS = frozenset(("SelectStmt", "ExplainStmt", "VariableShowStmt", "CopyStmt"))
_CHANGES = frozenset(("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "IntoClause", "LockingClause"))


def objects(text: str, found: Found, known: Collection[str]) -> bool:
    """Whether the server's grammar sees something else than a safe read: other statements, a change, another function."""
    opinion = _opinion()
    if opinion is None or not found.safe_read:
        return False
    try:
        try:
            statements = [each["stmt"] for each in opinion.parse(text)]
        except opinion.PGQueryError:
            return False  # the server would not run it; a driver's placeholders are no PostgreSQL either
        if len(statements) != len(found.kinds) or any(not _READS.issuperset(each) for each in statements):
            return True
        return any(_is_change(name, node, known) for each in statements for name, node in _nodes(each))
    except Exception:  # noqa: BLE001 - the package has changed: nobody knows what it says
        return True


@lru_cache(maxsize=1)
def _opinion() -> ModuleType | None:
    try:
        return import_module("pgparse")
    except ImportError:
        return None


def _nodes(node: Any) -> Iterator[tuple[str, Any]]:
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if isinstance(here, list):
            waiting += here
        elif isinstance(here, dict):
            for name, inside in here.items():
                yield name, inside
                if name != "ExplainStmt" or _analyzes(inside):
                    waiting.append(inside)


def _analyzes(explain: dict[str, Any]) -> bool:
    """Whether the statement runs; PostgreSQL counts the last option on it."""
    analyzes = False
    for option in (each["DefElem"] for each in explain.get("options", [])):
        if option["defname"] in ("analyze", "analyse"):
            value = option.get("arg", {"String": {"sval": "on"}})
            analyzes = str(next(iter(next(iter(value.values())).values()), "0")).lower() not in ("false", "off", "0")
    return analyzes


def _is_change(name: str, node: Any, known: Collection[str]) -> bool:
    if name == "FuncCall":
        called = ".".join(part["String"]["sval"] for part in node["funcname"])
        return called not in known and effects_of(Call(called, empty="args" not in node), "postgres") != frozenset()
    return name in _CHANGES or name in ("intoClause", "lockingClause")
