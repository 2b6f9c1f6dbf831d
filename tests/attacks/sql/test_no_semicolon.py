"""T-SQL needs no semicolon; clients have separators of their own."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("tsql", "SELECT 1 DROP TABLE t"),
    ("tsql", "SELECT 1 DELETE FROM t"),
    ("tsql", "SELECT 1 EXEC [xp_cmdshell] 'dir'"),
    ("tsql", "SELECT a FROM t UPDATE t SET a = 1"),
    ("tsql", "SELECT 1\nGO\nDROP TABLE t"),
    ("tsql", "SELECT 1\n go 5 \nDROP TABLE t"),
    ("tsql", "SELECT 1 SHUTDOWN"),
    ("tsql", "SELECT 1 SELECT * INTO n FROM t"),
    ("tsql", "xp_cmdshell 'dir'"),
    ("tsql", "SET NOCOUNT ON DELETE FROM t"),
    ("tsql", "IF 1=1 DROP TABLE t"),
    ("oracle", "SELECT 1 FROM dual\n/\nDROP TABLE t\n/"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
