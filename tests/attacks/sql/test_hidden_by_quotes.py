"""A parser that ends a string or a name elsewhere than the server hides a statement."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("duckdb", "SELECT 1 `--`; DROP TABLE t"),
    ("postgres", "SELECT '\\' ; DROP TABLE t; -- '"),
    ("postgres", "SELECT E'\\\\' ; DROP TABLE t; --'"),
    ("postgres", "SELECT 1 AS a$x$; DELETE FROM t; SELECT 1 AS b$x$"),
    ("postgres", "SELECT 1$x$ ' $x$ ; DELETE FROM t; -- '"),
    ("postgres", "SELECT E'a'\n'\\'; DELETE FROM t; --'"),
    ("mysql", "SELECT 'a''b\\\\'; DELETE FROM t; -- '"),
    ("mysql", "SELECT '\\' ; DELETE FROM t; -- '"),
    ("mysql", 'SELECT "\\""; DELETE FROM t; -- "'),
    ("sqlite", "SELECT `'`; DELETE FROM t; -- '"),
    ("sqlite", "SELECT [']; DELETE FROM t; -- ']"),
    ("oracle", "SELECT q'[']' FROM dual; DELETE FROM t; -- '"),
    ("bigquery", "SELECT '''a''b'''; DELETE FROM t; -- '"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
