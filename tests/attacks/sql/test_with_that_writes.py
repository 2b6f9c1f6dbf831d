"""`WITH ...` looked like a read; what follows the names, or stands inside of them, wrote."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("sqlite", "WITH x AS (SELECT 1) DELETE FROM t"),
    ("mysql", "WITH x AS (SELECT 1) UPDATE t SET a = 1"),
    ("postgres", "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d"),
    ("postgres", "WITH a AS (WITH b AS (SELECT 1) DELETE FROM t RETURNING 1) SELECT * FROM a"),
    ("postgres", "SELECT * FROM (WITH d AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM d) x"),
    ("tsql", "WITH x AS (SELECT * FROM t) DELETE FROM x"),
    ("postgres", "EXPLAIN ANALYZE WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
