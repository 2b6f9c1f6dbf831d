"""A query that only selects can call what reads files, writes, waits, or runs SQL."""

import pytest

from toolguard import Guard, Verdict

TEXTS = [
    ("postgres", "SELECT * FROM pg_read_file('/etc/passwd')"),
    ("postgres", "SELECT \"pg_read_file\"('/etc/passwd')"),
    ("postgres", "SELECT pg_catalog.pg_read_file('/etc/passwd')"),
    ("postgres", "SELECT U&\"pg\\005fread_file\"('/etc/passwd')"),
    ("postgres", "SELECT pg_read_file /* */ ('/etc/passwd')"),
    ("postgres", "VALUES (pg_read_file('/etc/passwd'))"),
    ("postgres", "SELECT * FROM ROWS FROM (pg_read_file('/x'), generate_series(1, 2))"),
    ("postgres", "SELECT 1 FROM t ORDER BY (SELECT lo_export(1, '/tmp/x'))"),
    ("postgres", "WITH pg_read_file(a) AS (SELECT 1) SELECT pg_read_file('/etc/passwd') FROM pg_read_file"),
    ("postgres", "SELECT ts_stat('SELECT pg_read_file(''/x'')')"),
    ("postgres", "SELECT query_to_xml('DELETE FROM t', true, true, '')"),
    ("postgres", "SELECT (t).write_a_row FROM t"),
    ("postgres", "SELECT 1 OPERATOR(public.%%) 2"),
    ("postgres", "SELECT nextval('s')"),
    ("postgres", "SELECT set_config('transaction_read_only', 'off', false)"),
    ("postgres", "SELECT own_function()"),
    ("postgres", "SELECT over(1)"),
    ("mysql", "SELECT `load_file`('/etc/passwd')"),
    ("mysql", "SELECT IF(1, sleep(9), 0)"),
    ("mysql", "SHOW TABLES WHERE sleep(9)"),
    ("mysql", "SELECT get_lock('a', 9)"),
    ("sqlite", "SELECT load_extension('x')"),
    ("sqlite", "SELECT writefile('/tmp/x', 'y')"),
    ("duckdb", "SELECT * FROM read_text('/etc/passwd')"),
    ("duckdb", "SELECT * FROM '/etc/passwd'"),
    ("duckdb", "FROM query('DROP TABLE t')"),
    ("tsql", "SELECT * FROM OPENROWSET(BULK 'C:/x', SINGLE_CLOB) a"),
    ("tsql", "SELECT * FROM OPENQUERY(s, 'DELETE FROM t')"),
    ("tsql", "SELECT * FROM s.d.dbo.t"),
    ("tsql", "SELECT NEXT VALUE FOR s"),
    ("tsql", "PRINT dbo.own()"),
    ("oracle", "SELECT utl_http.request('http://x') FROM dual"),
    ("oracle", "SELECT s.nextval FROM dual"),
    ("snowflake", "SELECT s.nextval"),
    ("bigquery", "SELECT * FROM EXTERNAL_QUERY('c', 'DELETE FROM t')"),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS, ids=[text[:40] for _, text in TEXTS])
def test_it_does_not_run(dialect, text):
    with Guard(pack="database", ledger=":memory:") as guard:
        decision = guard.evaluate("sql", {"sql": text}, context={"dialect": dialect})
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), decision.reason
