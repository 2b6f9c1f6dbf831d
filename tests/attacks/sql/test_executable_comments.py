"""MySQL and MariaDB run what is in `/*! ... */`; everybody else skips it."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("mysql", "SELECT 1 /*! INTO OUTFILE '/tmp/x' */"),
    ("mysql", "SELECT /*!50000 load_file('/etc/passwd') */"),
    ("mysql", "/*! DELETE FROM t */"),
    ("mysql", "DELETE /*!50000 FROM */ t"),
    ("mysql", "SELECT 1 /*!; DROP TABLE t */"),
    ("mysql", "SELECT 1 /*!/*!*/;DELETE FROM t;/*!*/"),
    ("mysql", "SELECT 1 /*M!100100 UNION SELECT sleep(9) */"),
    ("mariadb", "SELECT 1 /*M! ; DELETE FROM t */"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
