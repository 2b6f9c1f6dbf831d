"""What a parser does not know it may take for an expression: SHUTDOWN became a column."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("mysql", "SHUTDOWN"),
    ("mysql", "RESET MASTER"),
    ("mysql", "FLUSH PRIVILEGES"),
    ("mysql", "BINLOG 'x'"),
    ("mysql", "HANDLER t OPEN"),
    ("mysql", "INSTALL SONAME 'x'"),
    ("mysql", "CALL p()"),
    ("mysql", "DO sleep(9)"),
    ("postgres", "DISCARD ALL"),
    ("postgres", "CLUSTER t"),
    ("postgres", "LISTEN c"),
    ("postgres", "DEALLOCATE ALL"),
    ("postgres", "LOAD 'x'"),
    ("postgres", "SECURITY LABEL ON TABLE t IS 'x'"),
    ("oracle", "PURGE RECYCLEBIN"),
    ("oracle", "HOST id"),
    ("oracle", "NOAUDIT ALL"),
    ("tsql", "DBCC DROPCLEANBUFFERS"),
    ("tsql", "RECONFIGURE"),
    ("duckdb", "FORCE CHECKPOINT"),
    ("snowflake", "REMOVE @s/x"),
    ("postgres", "FROBNICATE"),
    ("postgres", "1"),
    ("postgres", ""),
    ("postgres", ";"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
