"""Statements whose facts are known, asked once, before the first answer: every sqlglot release moves trees."""

from __future__ import annotations

from functools import lru_cache

from toolguard.classify.sql.dialects import DIALECTS
from toolguard.classify.sql.statements import look

# Dialect, whether it is a safe read, whether it destroys, what it reads, what it writes, the text.
CANARIES: tuple[tuple[str, bool, bool, str, str, str], ...] = (
    ("postgres", True, False, "a", "", "SELECT x FROM a WHERE y = 1 ORDER BY z LIMIT 5"),
    ("postgres", True, False, "a b", "", "WITH c AS (SELECT * FROM a) SELECT count(*) FROM c JOIN b USING (id)"),
    ("postgres", True, False, "a b", "", "SELECT 1 FROM a UNION ALL SELECT 2 FROM b"),
    ("postgres", True, False, "a b", "", "SELECT * FROM a WHERE id IN (SELECT id FROM b) AND EXISTS (SELECT 1)"),
    ("postgres", False, True, "", "a", "DELETE FROM a WHERE x = 1"),
    ("postgres", False, True, "", "a", "WITH d AS (DELETE FROM a RETURNING *) SELECT * FROM d"),
    ("postgres", False, False, "b", "a", "INSERT INTO a (x) SELECT y FROM b"),
    ("postgres", False, False, "", "a", "UPDATE a SET x = 1 WHERE y = 2"),
    ("postgres", False, True, "", "a", "UPDATE a SET x = 1 WHERE true"),
    ("postgres", False, True, "", "a", "UPDATE a SET x = 1 WHERE y IS NOT NULL"),
    ("postgres", False, True, "", "a", "DELETE FROM a WHERE x = x"),
    ("postgres", False, False, "a", "n", "SELECT * INTO n FROM a"),
    ("postgres", False, False, "a", "", "SELECT * FROM a FOR UPDATE"),
    ("postgres", False, False, "", "", "SELECT pg_read_file('/x')"),
    ("postgres", False, False, "", "", "SELECT 1 OPERATOR(s.%%) 2"),
    ("postgres", False, False, "a", "", "SELECT (a).f FROM a"),
    ("postgres", False, True, "b", "a", "MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN DELETE"),
    ("postgres", False, True, "", "a", "EXPLAIN ANALYZE DELETE FROM a"),
    ("postgres", False, True, "", "a", "SELECT 1 /*/**/-- */ ; DELETE FROM a"),
    ("mysql", True, False, "a", "", 'SELECT `x` FROM `a` WHERE y = "z" # c'),
    ("mysql", False, True, "b", "a", "DELETE a FROM a JOIN b ON a.i = b.i WHERE b.x = 1"),
    ("mysql", False, False, "b", "a", "UPDATE a JOIN b ON a.i = b.i SET a.x = 1"),
    ("mysql", False, True, "", "a", "REPLACE INTO a VALUES (1)"),
    ("mysql", False, True, "", "a", "DELETE /*!50000 FROM */ a"),
    ("mysql", False, False, "", "", "SELECT @x := 1"),
    ("sqlite", True, False, "a", "", "SELECT [x], \"y\", `z` FROM a WHERE n GLOB 'q*'"),
    ("sqlite", False, True, "", "a", "WITH x AS (SELECT 1) DELETE FROM a"),
    ("sqlite", False, True, "", "a", "INSERT OR REPLACE INTO a (i) VALUES (1)"),
    ("tsql", True, False, "dbo.a", "", "SELECT TOP 5 [x] FROM [dbo].[a] WITH (NOLOCK)"),
    ("tsql", False, True, "", "a", "SELECT 1 DELETE FROM a"),
    ("tsql", False, True, "b", "a", "DELETE x FROM a AS x JOIN b ON x.i = b.i WHERE b.y = 1"),
    ("tsql", False, False, "s.d.o.a", "", "SELECT * FROM s.d.o.a"),
    ("duckdb", True, False, "a", "", "SELECT list_sum([1, 2]) FROM a"),
    ("duckdb", False, True, "", "t", "SELECT 1 `--`; DROP TABLE t"),
    ("duckdb", False, False, "", "", "SELECT * FROM 'x.parquet'"),
    ("snowflake", True, False, "a", "", "SELECT v:x::string FROM a QUALIFY row_number() OVER (PARTITION BY b ORDER BY c) = 1"),
    ("bigquery", True, False, "p.d.a", "", "SELECT * EXCEPT (x) FROM `p.d.a`, UNNEST([1])"),
    ("oracle", True, False, "a", "", "SELECT nvl(x, 1) FROM a WHERE rownum < 5"),
    ("oracle", False, False, "a", "", "SELECT * FROM a@l"),
    ("redshift", True, False, "a", "", "SELECT listagg(x, ',') FROM a"),
)


@lru_cache(maxsize=1)
def trouble() -> str:
    """The first canary whose facts are not what they were, empty if there is none."""
    for name, safe, destroys, reads, writes, text in CANARIES:
        found = look(text, DIALECTS[name])
        seen = (found.safe_read, found.destructive, found.tables_read, found.tables_written)
        if seen[:2] != (safe, destroys) or (found.known and seen[2:] != (set(reads.split()), set(writes.split()))):
            return text
    return ""
