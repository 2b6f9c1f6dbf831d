"""EXPLAIN was taken for harmless; with ANALYZE it runs what it explains."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("postgres", "EXPLAIN ANALYZE DELETE FROM t"),
    ("postgres", "EXPLAIN (ANALYZE off, ANALYZE) DELETE FROM t"),
    ("postgres", "EXPLAIN (\"analyze\" 'true') DELETE FROM t"),
    ("postgres", "EXPLAIN ANALYZE EXECUTE p"),
    ("mysql", "EXPLAIN ANALYZE SELECT sleep(9)"),
    ("mysql", "ANALYZE FORMAT=JSON DELETE FROM t"),
    ("duckdb", "EXPLAIN (ANALYZE false) DELETE FROM t"),
    ("sqlite", "EXPLAIN PRAGMA user_version = 5"),
    ("oracle", "EXPLAIN PLAN FOR SELECT 1 FROM t"),
    ("postgres", "EXPLAIN SELECT own_function()"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
