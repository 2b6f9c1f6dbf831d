"""Queries and writes of rows: a walk over sqlglot's tree, where every kind of node has to be known."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from toolguard.classify.sql.functions import DESTROYS, calls_in, effects_of
from toolguard.classify.sql.lexer import Kind
from toolguard.classify.sql.predicate import always, bounded_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolguard.classify.sql.found import Found
    from toolguard.classify.sql.lexer import Token

# What a query is made of. Functions are judged by their names, in functions.py; a node of any other class is not understood.
_MADE_OF = frozenset(
    getattr(exp, name)
    for name in (
        "Select From Where Join Column Identifier Literal Star Alias Aliases TableAlias Table Subquery Union Except "
        "Intersect Values Tuple With CTE Having Group Order Ordered Limit Offset Fetch LimitOptions Distinct Window "
        "WindowSpec Paren Neg Not Boolean Null Placeholder Parameter SessionParameter All Any Dot Bracket Slice Between In "
        "Is Like ILike Glob SimilarTo Escape EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Add Sub Mul Div IntDiv Mod "
        "BitwiseAnd BitwiseOr BitwiseXor BitwiseNot BitwiseLeftShift BitwiseRightShift DPipe Overlaps ExtendsLeft "
        "ExtendsRight Distance Adjacent Match AtTimeZone FromTimeZone DataType DataTypeParam Interval IntervalSpan Var Cube "
        "Rollup GroupingSets TableSample Lateral Pivot UnpivotColumns PivotAlias PivotAny Qualify Filter WithinGroup "
        "IgnoreNulls RespectNulls HavingMax Hint JoinHint IndexTableHint QueryOption Lambda Kwarg BitString HexString "
        "ByteString RawString UnicodeString National Introducer JSON JSONPath JSONPathFilter JSONPathKey JSONPathRecursive "
        "JSONPathRoot JSONPathScript JSONPathSlice JSONPathSelector JSONPathSubscript JSONPathUnion JSONPathWildcard "
        "FormatJson JSONKeyValue JSONColumnDef JSONSchema JSONValue OpenJSONColumnDef XMLNamespace Version HistoricalData "
        "Final Prior Connect RecursiveWithSearch PositionalColumn Variadic Pseudocolumn ColumnDef ForClause FormatPhrase "
        "Comprehension ForIn ScopeResolution Heredoc ObjectIdentifier PseudoType AtIndex MatchRecognize "
        "MatchRecognizeMeasure PartitionByExcluding Sort Cluster Distribute OnCondition TableFromRows Nearest Partition "
        "PartitionId NestedJSONSelect SkipJSONColumn ColumnPosition CollateColumnConstraint Opclass"
    ).split()
    if hasattr(exp, name)
)
_OF_WRITES = frozenset((exp.Schema, exp.Returning, exp.OnConflict, exp.Whens, exp.When, exp.ConditionalInsert))
_LOCKING_HINTS = {"TABLOCKX", "XLOCK", "UPDLOCK", "HOLDLOCK", "TABLOCK", "SERIALIZABLE", "PAGLOCK", "ROWLOCK", "REPEATABLEREAD"}
_FILE = re.compile(
    r"[/\\*]|://|\.(csv|tsv|parquet|json|ndjson|jsonl|db|duckdb|sqlite|xlsx|gz|zst|txt|arrow|avro)$", re.IGNORECASE
)
_SELF_REFERRING = ("tsql", "sqlite", "oracle", "snowflake")  # a CTE sees itself without RECURSIVE
_LINKED_PARTS = 4  # server.database.schema.table
_KINDS: dict[type, str] = {
    exp.Insert: "insert",
    exp.Update: "update",
    exp.Delete: "delete",
    exp.Merge: "merge",
    exp.MultitableInserts: "insert",
}


def look(root: exp.Expr, tokens: list[Token], dialect: str, found: Found) -> None:
    """Note what a query or a write of rows does."""
    written = _Written(dialect, found)
    named: Counter[str] = Counter()  # what stands before a `(` and is no function: aliases and tables with their columns
    tables: list[exp.Table] = []
    for node in root.walk():
        kind = type(node)
        if kind is exp.Table:
            tables.append(node)  # type: ignore[arg-type]
        elif kind in _PLAIN:
            continue
        elif kind in _WRITES:
            _WRITES[kind](node, written)
        elif kind is exp.TableAlias:
            named[node.name.lower()] += bool(node.args.get("columns"))
        elif kind is exp.Schema:
            named[node.this.name.lower()] += 1
        elif kind in _LOOKED_AT:
            _LOOKED_AT[kind](node, dialect, found)
        elif kind not in _OF_WRITES and not isinstance(node, exp.Func):
            found.opaque("unknown_node")
    for table in tables:
        if id(table) not in written.seen:
            _read(table, dialect, found)
    call_functions(tokens, dialect, found, named=named)
    if dialect == "tsql" and "..." in "".join(
        token.text for token in tokens if token.kind is not Kind.TEXT
    ):  # `server...table`
        found.does("network")
        found.reasons.add("linked_server")
    found.kinds.append(_KINDS.get(type(root), "select"))
    found.effects.add("read")


def call_functions(
    tokens: list[Token], dialect: str, found: Found, *, named: Counter[str] | None = None, unknown: bool = True
) -> None:
    """Note the functions that a text calls, less the names that are none; `unknown` ones only where they can be meant."""
    named = Counter() if named is None else named
    for call in calls_in(tokens, case_sensitive=dialect in ("postgres", "redshift")):
        effects = effects_of(call, dialect)
        if not effects and named[call.last] > 0:
            named[call.last] -= 1
            continue
        if effects is None and not unknown:
            continue
        found.functions.add(call.name)
        if effects is None:
            found.unknown.add(call.name)
            found.reasons.add("unknown_function")
        elif effects:
            found.effectful.add(call.name)
            found.reasons.add("function_with_effects")
            found.does(*effects - {DESTROYS}, destroys=DESTROYS in effects)


def table_name(table: exp.Expr) -> str:
    """`schema.table` in lower case, without quotes; empty for what is no table."""
    if isinstance(table, exp.Schema):
        table = table.this
    if not isinstance(table, exp.Table) or isinstance(table.this, exp.Func):
        return ""
    return ".".join(part.name.lower() for part in table.parts if part.name)


class _Written:
    """The tables that a statement writes to, by their real names: through aliases, and T-SQL's CTEs."""

    def __init__(self, dialect: str, found: Found) -> None:
        self.dialect, self.found = dialect, found
        self.seen: set[int] = set()  # tables that are not read

    def to(self, table: exp.Expr | None, sources: list[exp.Table]) -> exp.Table | None:
        """Note a target; returns the real table."""
        if isinstance(table, exp.Schema):
            table = table.this
        if not isinstance(table, exp.Table):
            return None
        self.seen.add(id(table))
        real = table
        if not table.args.get("db"):
            real = next((each for each in sources if each is not table and each.alias.lower() == table.name.lower()), table)
            real = next((each for each in sources if each is not table and real is table and _same(each, table)), real)
        self.seen.add(id(real))
        through = _cte_of(real, self.dialect) if self.dialect == "tsql" else None
        if through is not None and (inner := through.this.find(exp.Table)) is not None:
            self.seen.add(id(inner))
            self.found.tables_written.add(table_name(inner))
        elif name := table_name(real):
            self.found.tables_written.add(name)
        return real

    def bounds(self, node: exp.Expr, target: exp.Expr | None, joins: list[exp.Join]) -> None:
        """Note what keeps a write from all rows: a WHERE, a LIMIT, or joins on something."""
        where, limit = node.args.get("where"), node.args.get("limit")
        name = target.name.lower() if isinstance(target, exp.Table) else None
        bound = bounded_by(where.this if where is not None else None, limit, self.dialect, name)
        if bound == "none" and where is None and any(_leaves_out(each, self.dialect) for each in joins):
            bound = "where"
        through = _cte_of(target, self.dialect) if self.dialect == "tsql" and isinstance(target, exp.Table) else None
        if bound == "none" and through is not None and any(through.this.args.get(each) for each in ("where", "limit")):
            bound = "where"
        self.found.bounds.add(bound)
        if bound == "none":
            self.found.does(destroys=True)


def _insert(node: exp.Insert, written: _Written) -> None:
    written.found.does(
        "write", destroys=bool(node.args.get("overwrite")) or str(node.args.get("alternative")).upper() == "REPLACE"
    )
    if node.args.get("overwrite"):
        written.found.bounds.add("none")
    written.to(node.this, [])
    _returned(node, written)


def _inserts(_node: exp.MultitableInserts, written: _Written) -> None:
    written.found.does("write")


def _update(node: exp.Update, written: _Written) -> None:
    if isinstance(node.parent, exp.When):
        return
    written.found.does("write")
    source, joined = node.args.get("from_"), _joined(node.this)
    target = node.this
    if joined:  # MySQL: what SET names is written
        owners = {each.this.table.lower() for each in node.expressions if isinstance(each.this, exp.Column)}
        for table in (node.this, *joined):
            if owners == {""} or table.alias_or_name.lower() in owners:
                written.to(table, [])
    else:
        target = written.to(node.this, list(source.find_all(exp.Table)) if source else []) or node.this
    written.bounds(node, target, _joins(node.this))
    _returned(node, written)


def _delete(node: exp.Delete, written: _Written) -> None:
    written.found.does("write", destroys=True)
    tables, using = node.args.get("tables") or [], node.args.get("using") or []
    sources = [each for each in (node.this,) if tables and isinstance(each, exp.Table)] + _joined(node.this)
    for each in using:
        sources += each.find_all(exp.Table)
    targets = [written.to(each, sources) for each in (tables or [node.this])]
    written.bounds(node, targets[0], [join for source in (node.this, *using) for join in _joins(source)])
    _returned(node, written)


def _merge(node: exp.Merge, written: _Written) -> None:
    whens = node.args.get("whens")
    actions = [each.args.get("then") for each in (whens.expressions if whens is not None else [])]
    deletes = any(
        isinstance(each, exp.Delete) or (isinstance(each, exp.Var) and each.name.upper() == "DELETE") for each in actions
    )
    written.found.does("write", destroys=deletes)
    written.to(node.this, [])
    on = node.args.get("on")
    holds = always(on, written.dialect) if on is not None else None
    if holds is True or (holds is False and deletes):
        written.found.bounds.add("none")
        written.found.does(destroys=True)
    else:
        written.found.bounds.add("where")
    _returned(node, written)


def _into(node: exp.Into, written: _Written) -> None:
    if isinstance(node.this, exp.Table) and table_name(node.this) and not table_name(node.this).startswith("@"):
        written.found.does("write", "ddl")
        written.to(node.this, [])
    else:
        written.found.does("session")


def _returned(node: exp.Expr, written: _Written) -> None:
    returning = node.args.get("returning")
    into = returning.args.get("into") if returning is not None else None
    if isinstance(into, exp.Table) and not table_name(into).startswith("@"):
        written.to(into, [])


_WRITES: dict[type, Callable[[Any, _Written], None]] = {
    exp.Insert: _insert,
    exp.Update: _update,
    exp.Delete: _delete,
    exp.Merge: _merge,
    exp.Into: _into,
    exp.MultitableInserts: _inserts,
}


def _joins(table: exp.Expr | None) -> list[exp.Join]:
    return table.args.get("joins") or [] if isinstance(table, exp.Table) else []


def _joined(table: exp.Expr | None) -> list[exp.Table]:
    return [each.this for each in _joins(table) if isinstance(each.this, exp.Table)]


def _leaves_out(join: exp.Join, dialect: str) -> bool:
    on = join.args.get("on")
    return bool(join.args.get("using")) or (on is not None and always(on, dialect) is not True)


def _same(one: exp.Table, other: exp.Table) -> bool:
    return one.name.lower() == other.name.lower() and not one.args.get("alias")


def _ctes_seen_from(node: exp.Expr, dialect: str) -> Iterator[exp.CTE]:
    """The common table expressions that a name in this place can mean."""
    child, parent = node, node.parent
    while parent is not None:
        given = parent.args.get("with_")
        if given is not None and child is not given:
            yield from given.expressions
        elif isinstance(parent, exp.With):
            before = parent.expressions[: parent.expressions.index(child)] if child in parent.expressions else []
            yield from parent.expressions if parent.args.get("recursive") else before
            if isinstance(child, exp.CTE) and dialect in _SELF_REFERRING:
                yield child
        child, parent = parent, parent.parent


def _cte_of(table: exp.Table, dialect: str) -> exp.CTE | None:
    if table.args.get("db"):
        return None
    return next((each for each in _ctes_seen_from(table, dialect) if each.alias.lower() == table.name.lower()), None)


def _read(table: exp.Table, dialect: str, found: Found) -> None:
    if isinstance(table.this, exp.Func):
        return
    name = table_name(table)
    place = table.name
    if dialect == "duckdb" and _FILE.search(place):
        found.does("network" if "://" in place else "file_read")
        found.reasons.add("file_as_table")
    elif name.startswith("@") and dialect == "snowflake":
        found.does("file_read")
        found.reasons.add("stage_as_table")
    elif name.startswith(("@", "#")) and dialect == "tsql":
        return  # a variable, or a table of the session's own
    elif dialect == "oracle" and "@" in name:
        found.does("network")
        found.reasons.add("linked_server")
        found.tables_read.add(name.partition("@")[0])
    elif name == "dual" and dialect == "mysql":
        return
    elif name and (table.args.get("db") or _cte_of(table, dialect) is None):
        if dialect == "tsql" and name.count(".") >= _LINKED_PARTS - 1:
            found.does("network")
            found.reasons.add("linked_server")
        found.tables_read.add(name)


# -- nodes that need a look ------------------------------------------------------------------------------------------------


def _lock(_node: exp.Expr, _dialect: str, found: Found) -> None:
    found.does("lock")
    found.reasons.add("row_lock")


def _hint(node: exp.WithTableHint, _dialect: str, found: Found) -> None:
    if any(each.name.upper() in _LOCKING_HINTS for each in node.expressions):
        found.does("lock")
        found.reasons.add("row_lock")


def _operator(node: exp.Operator, _dialect: str, found: Found) -> None:
    written = str(node.args.get("operator"))
    if "." in written and not written.lower().startswith("pg_catalog."):
        found.unclear("custom_operator")
        found.does("dynamic")


def _sequence(_node: exp.Expr, _dialect: str, found: Found) -> None:
    found.effectful.add("nextval")
    found.does("write")


def _column(node: exp.Column, dialect: str, found: Found) -> None:
    if node.name.lower() == "nextval" and node.table and dialect in ("oracle", "snowflake"):
        found.effectful.add("nextval")
        found.does("write")


def _dot(node: exp.Dot, dialect: str, found: Found) -> None:
    """`(t).name` calls the function `name` where `t` has no such column."""
    if (
        dialect in ("postgres", "redshift", "duckdb")
        and isinstance(node.this, exp.Paren)
        and isinstance(node.expression, exp.Identifier)
    ):
        found.unknown.add(node.expression.name.lower())
        found.reasons.add("attribute_call")


def _assigned(node: exp.PropertyEQ, _dialect: str, found: Found) -> None:
    if isinstance(node.this, (exp.Parameter, exp.SessionParameter)):
        found.does("session")


_LOOKED_AT: dict[type, Callable[[Any, str, Found], None]] = {
    exp.Lock: _lock,
    exp.WithTableHint: _hint,
    exp.Operator: _operator,
    exp.NextValueFor: _sequence,
    exp.Column: _column,
    exp.Dot: _dot,
    exp.PropertyEQ: _assigned,
}
_PLAIN = _MADE_OF - {exp.Table, exp.TableAlias, *_LOOKED_AT}
