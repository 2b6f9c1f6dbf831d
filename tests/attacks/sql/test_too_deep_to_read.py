"""A text of 148 bytes took a parser more than a minute; a deeper one ended the process."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("duckdb", "SELECT " + "[" * 60 + "1" + "]" * 60),
    ("postgres", "SELECT " + "ARRAY[" * 24 + "1" + "]" * 24),
    ("tsql", "SELECT * FROM " + "(" * 3000 + "t" + ")" * 3000),
    ("bigquery", "SELECT " + "STRUCT(" * 500 + "1" + ")" * 500),
    ("mysql", "SELECT " + "NOT " * 9000 + "1"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
