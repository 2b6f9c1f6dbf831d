"""A SELECT with INTO makes a table, a file or a variable."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("postgres", "SELECT * INTO n FROM t"),
    ("postgres", "WITH q AS (SELECT 1) SELECT * INTO TEMP n FROM q"),
    ("tsql", "SELECT * INTO n FROM t"),
    ("mysql", "SELECT 1 INTO/**/OUTFILE '/tmp/x'"),
    ("mysql", "SELECT 1 INTO @x"),
    ("mysql", "SELECT * FROM t INTO DUMPFILE '/tmp/x'"),
    ("postgres", "SELECT * FROM t FOR UPDATE"),
    ("tsql", "SELECT * FROM t WITH (TABLOCKX)"),
    ("oracle", "SELECT * FROM t FOR UPDATE NOWAIT"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
