"""What the facts of a SQL text cost, against parsing it with sqlglot and nothing else; and how long the worst texts take."""

import subprocess
import sys
import time

import sqlglot

from bench.measure import QUICK, US, agree, compute, percentile, row
from toolguard.classify.sql.classifier import classify
from toolguard.classify.sql.parse import MAX_TOKENS

JOINS = "SELECT c.id, sum(o.total) FROM customers c " + "".join(
    f"JOIN orders{i} o{i} ON o{i}.customer = c.id AND o{i}.status IN ('a', 'b', {i}) " for i in range(8)
)
TEXTS = {
    "60 bytes": "SELECT id, name FROM customers WHERE id = 5 ORDER BY name -- x",
    "200 bytes": "WITH recent AS (SELECT * FROM orders WHERE at > now() - interval '1 day') SELECT c.name, count(*) "
    "FROM recent r JOIN customers c ON c.id = r.customer GROUP BY c.name HAVING count(*) > 5",
    "700 bytes, 8 joins": JOINS + "WHERE c.active GROUP BY c.id",
    "2,000 bytes": "SELECT " + ", ".join(f"coalesce(column_{i}, {i}) AS c{i}" for i in range(50)) + " FROM t WHERE a = 1",
}
SIZE = MAX_TOKENS // 4 - 10
WORST = {  # and whether it is a safe read
    "parentheses": ("SELECT " + "(" * 40 + "1" + ")" * 40, True),
    "brackets": ("SELECT " + "ARRAY[" * 6 + "1" + "]" * 6, True),
    "list": ("SELECT 1 WHERE a IN (" + ",".join(map(str, range(2 * SIZE))) + ")", True),
    "dots": ("SELECT " + ".".join(["a"] * 2 * SIZE), True),
    "and": ("SELECT 1 WHERE " + " AND ".join(["a=1"] * SIZE), True),
    "union": (" UNION ALL ".join(["SELECT 1"] * SIZE), True),
    "commands": ("COMMIT;" * 190, False),
    "comments": ("SELECT 1 " + "/*" * 40_000, False),
    "quotes": ("SELECT '" + "''" * 40_000, False),
    "words": ("a " * 49_000, False),
}


def rows(pace):
    counted = iter(range(10**9))
    for what, text in TEXTS.items():
        facts = classify(text, "postgres")
        checks = [agree(what, (True, True), (facts.parsed, facts.safe_read))]

        def ours(text=text):
            return classify(f"{text} -- {next(counted)}", "postgres")  # another text each time: nothing is remembered

        def plain(text=text):
            return sqlglot.parse(f"{text} -- {next(counted)}", read="postgres")

        note = f"p50 {percentile(ours, pace, 50):,.0f} us, p99 {percentile(ours, pace, 99):,.0f} (design: p99 at most 1,000)"
        yield row(f"SQL facts of {what} / sqlglot.parse", compute(pace, ours, plain), checks, note=note)
    yield remembered(pace)
    yield worst(pace)
    yield first(pace)


def remembered(pace):
    text = TEXTS["60 bytes"]
    kept = {(text, "postgres"): classify(text, "postgres")}
    figures = compute(pace, lambda: classify(text, "postgres"), lambda: kept[text, "postgres"])
    note = f"{min(ours for ours, _ in figures) * US:.2f} us (design: at most 2)"
    checks = [
        agree("the remembered facts are the same object", "True", str(kept[text, "postgres"] is classify(text, "postgres")))
    ]
    return row("SQL facts of a text seen before / a dict", figures, checks, note=note)


def worst(pace):
    slowest, which, checks = 0.0, "", []
    for name, (text, expected) in WORST.items():
        for _ in range(1 if pace == QUICK else 3):
            begun = time.perf_counter()
            facts = classify(text + " ", "postgres")
            took = time.perf_counter() - begun
            if took > slowest:
                slowest, which = took, name
        checks.append(agree(f"{name}, a safe read", expected, facts.safe_read))
    quick = TEXTS["2,000 bytes"]
    (plain,) = (percentile(lambda: sqlglot.parse(quick, read="postgres"), pace, 50) / US,)
    note = f"{slowest * 1000:.0f} ms: {which} (design: at most 50)"
    return row("SQL facts of the worst text / sqlglot.parse of 2,000 bytes", [(slowest, plain)], checks, note=note)


def first(pace):
    code = """if True:
        import time, pydantic, yaml, blake3
        begun = time.perf_counter()
        import sqlglot
        sqlglot.parse("SELECT 1", read="postgres")
        loaded = time.perf_counter()
        from toolguard.classify.sql.classifier import classify
        facts = classify("SELECT 1", "postgres")
        print(facts.safe_read, time.perf_counter() - loaded, loaded - begun)
    """
    figures = []
    for _ in range(pace.fresh_turns):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        read, ours, plain = done.stdout.split()
        checks = [agree("a safe read", "True", read)]
        figures.append((float(ours), float(plain)))
    note = f"{min(ours for ours, _ in figures) * 1000:.0f} ms: 40 canaries in 9 dialects"
    return row("first SQL text of a process, after sqlglot / importing sqlglot", figures, checks, note=note)
