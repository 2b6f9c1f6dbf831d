"""A transaction that only reads ended with the first COMMIT in the text."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("postgres", "COMMIT; DROP SCHEMA public CASCADE"),
    ("postgres", "SELECT 1; SET TRANSACTION READ WRITE; DELETE FROM t"),
    ("mysql", "SELECT 1;DROP TABLE t"),
    ("sqlite", "SELECT 1;;;DELETE FROM t"),
    ("postgres", "SELECT 1\n;\n\n-- harmless\nTRUNCATE t"),
    ("snowflake", "SELECT 1; CALL system$wait(9)"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
