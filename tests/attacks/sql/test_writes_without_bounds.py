"""A WHERE that leaves nothing out looked like a bounded write."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("postgres", "UPDATE t SET a = 1 WHERE true"),
    ("postgres", "UPDATE t SET a = 1 WHERE 1=1"),
    ("postgres", "UPDATE t SET a = 1 WHERE a=a"),
    ("postgres", "UPDATE t SET a = 1 WHERE a=a OR a IS NULL"),
    ("postgres", "UPDATE t SET a = 1 WHERE a IS NOT NULL"),
    ("postgres", "UPDATE t SET a = 1 WHERE NOT false"),
    ("postgres", "UPDATE t SET a = 1 WHERE 'x'='x'"),
    ("postgres", "UPDATE t SET a = 1 WHERE a LIKE '%'"),
    ("postgres", "UPDATE t SET a = 1 WHERE a = 1 OR 1 = 1"),
    ("postgres", "UPDATE t SET a = 1 WHERE a = 1 OR NOT a = 1"),
    ("postgres", "UPDATE t SET a = 1 WHERE a < 5 OR a >= 5"),
    ("postgres", "UPDATE t SET a = 1 WHERE length(b) >= 0"),
    ("postgres", "UPDATE t SET a = 1 WHERE coalesce(a, 0) = coalesce(a, 0)"),
    ("postgres", "UPDATE t SET a = 1 WHERE now() > '2000-01-01'"),
    ("postgres", "UPDATE t SET a = 1 WHERE a IN (a)"),
    ("postgres", "UPDATE t SET a = 1 WHERE a BETWEEN a AND a"),
    ("postgres", "UPDATE t SET a = 1 WHERE id IN (SELECT id FROM t)"),
    ("postgres", "UPDATE t SET a = 1 WHERE EXISTS (SELECT 1)"),
    ("postgres", "UPDATE t SET a = 1 WHERE EXISTS (SELECT 1 FROM t)"),
    ("postgres", "UPDATE t SET a = 1 WHERE a IS NOT DISTINCT FROM a"),
    ("postgres", "UPDATE t SET a = 1 WHERE CASE WHEN true THEN true ELSE a = 1 END"),
    ("postgres", "UPDATE t SET a = 1 WHERE (((true)))"),
    ("postgres", "UPDATE t SET a = 1 WHERE a::int = a"),
    ("postgres", "UPDATE t SET a = 1 WHERE a + 0 = a"),
    ("mysql", "UPDATE t SET a = 1 WHERE 1"),
    ("mysql", "UPDATE t SET a = 1 WHERE a <=> a"),
    ("mysql", "UPDATE t SET a = 1 WHERE !0"),
    ("mysql", "UPDATE t JOIN u ON 1=1 SET t.a = 1"),
    ("sqlite", "UPDATE t SET a = 1 WHERE a IS a"),
    ("tsql", "UPDATE TOP (9999999) t SET a = 1"),
    ("oracle", "UPDATE t SET a = 1 WHERE ROWID = ROWID"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict == Verdict.DENY, decision.reason
