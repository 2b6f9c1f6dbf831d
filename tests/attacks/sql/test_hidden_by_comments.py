"""A parser that ends a comment elsewhere than the server hides a statement: it saw one harmless SELECT, the server deleted."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("postgres", "SELECT 1 /*/**/-- */ ; DELETE FROM t"),
    ("postgres", "SELECT 1 AS a /*/**/ , ' */ ; DELETE FROM t; -- '"),
    ("redshift", "SELECT 1 /*/**/-- */ ; DELETE FROM t"),
    ("duckdb", "SELECT 1 /*/**/ , $$ */ ; DELETE FROM t; -- $$"),
    ("tsql", "SELECT 1 /*/**/-- */ ; DELETE FROM t"),
    ("mysql", "SELECT 1 /* /* */ ; DELETE FROM t; -- */ */"),
    ("mysql", "SELECT 1--1; DELETE FROM t"),
    ("mysql", "# '\n; DELETE FROM t; # '"),
    ("postgres", "SELECT 1 -- x\r; DELETE FROM t"),
    ("bigquery", "SELECT 1 -- x\r; DELETE FROM t"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
