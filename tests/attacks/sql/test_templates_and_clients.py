"""What is filled in later, or meant for a client, is not what was judged."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("postgres", "SELECT * FROM {{ table }}"),
    ("postgres", "SELECT 1 {# x\n#} ; DELETE FROM t {# #}"),
    ("postgres", "SELECT ${column} FROM t"),
    ("postgres", "\\! rm -rf /"),
    ("postgres", "\\copy t to '/tmp/x'"),
    ("sqlite", ".shell id"),
    ("mysql", "DELIMITER //\nDROP TABLE t//"),
    ("postgres", "SELECT 1\u00a0; DELETE FROM t"),
    ("postgres", "SELECT\u2028 1"),
    ("postgres", "SELECT 1\uff1b DELETE FROM t"),
    ("postgres", "SELECT 1\u0000; DELETE FROM t"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
