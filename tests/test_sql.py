"""What is known of a SQL text, and that nothing that changes anything is ever called a safe read."""

import sys
import threading
from dataclasses import fields

import pytest
from conftest import cases
from hypothesis import example, given
from hypothesis import strategies as st

from toolguard import Guard, Verdict
from toolguard.classify.sql import CLASSIFIER, canary, classifier, second
from toolguard.classify.sql.classifier import classify
from toolguard.classify.sql.dialects import ASSUMED, DIALECTS, named
from toolguard.classify.sql.facts import SqlFacts
from toolguard.classify.sql.functions import EFFECTS, Call, effects_of, names_of
from toolguard.classify.sql.parse import MAX_LENGTH, MAX_TOKENS

CASES = cases("sql")
NAMES = list(DIALECTS)


def plain(value):
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['dialect']} {case['sql'][:40]}")
def test_a_text(case):
    facts = classify(case["sql"], case["dialect"])
    assert {name: plain(getattr(facts, name)) for name in case["facts"]} == case["facts"]


def test_every_fact_has_a_case():
    shown = {name for case in CASES for name in case["facts"]} | {"tables_complete", "fingerprint"}
    assert shown == set(CLASSIFIER.fact_names)


def test_every_dialect_has_a_case_and_a_list_of_functions():
    assert {named(case["dialect"]).name for case in CASES if case["dialect"] and named(case["dialect"])} == set(NAMES)
    for name in NAMES:
        assert effects_of(Call("count", empty=False), name) == frozenset()
        assert effects_of(Call("nobody_knows_it", empty=False), name) is None


def test_no_function_with_effects_is_in_a_list_of_those_that_only_read():
    for name in NAMES:
        for each in names_of(name):
            effects = effects_of(Call(each, empty=False), name)
            assert not effects, (name, each, effects)
    assert all(effects_of(Call(each.split()[0], empty=False), "oracle") for each in EFFECTS.values() if "glob" not in each)


# -- what follows from what --------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(cases("sql_pieces")["fragments"])
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map(" ".join), st.lists(PIECES, max_size=25).map("".join))


@given(TEXTS, st.sampled_from([*NAMES, None]))
def test_it_never_raises_and_its_facts_agree_with_each_other(text, dialect):
    facts = classify(text, dialect)
    assert isinstance(facts, SqlFacts)
    if facts.safe_read:
        assert facts.read_only
        assert set(facts.effects) <= {"read"}
        assert not facts.functions_effectful
    if facts.read_only:
        assert facts.parsed
        assert not facts.ambiguous
        assert facts.destructive is False
        assert facts.unbounded_write is False
        assert facts.tables_written == ()
        assert not facts.functions_unknown
    if not facts.parsed:
        assert facts.tables_read is None
        assert facts.why_unknown
        assert facts.reasons


WRAPPED = [
    "{}",
    "SELECT 1; {}",
    "WITH x AS ({}) SELECT * FROM x",
    "WITH x AS (SELECT 1) {}",
    "EXPLAIN ANALYZE {}",
    "EXPLAIN (ANALYZE) {}",
    "SELECT 1 /* c */; /* d */ {}",
    "SELECT 1 -- c\n; {}",
    "SELECT 'a' ;{}",
    "BEGIN; {}; COMMIT",
    "PREPARE p AS {}",
    "COPY ({}) TO STDOUT",
    "CREATE TABLE n AS {}",
    "DECLARE c CURSOR FOR {}",
    "DO $$ BEGIN {}; END $$",
    "IF 1=1 {}",
    "EXEC('{}')",
    "SELECT 1 GO\n{}",
    "SELECT 1\nGO\n{}",
    "BEGIN {}; END;",
    "(SELECT 1) UNION ({})",
    "SELECT * FROM ({}) x",
    "SELECT ({})",
    "\ufeff{}",
    "{} -- '",
    "ANALYZE {}",
    "SET STATEMENT max_statement_time=1 FOR {}",
]
WRITES = ["DELETE FROM t", "DELETE FROM t WHERE a = 1 RETURNING *", "DROP TABLE t", "UPDATE t SET a = 1"]


@given(st.lists(st.sampled_from(WRAPPED), min_size=1, max_size=3), st.sampled_from(WRITES), st.sampled_from([*NAMES, None]))
@example(["EXEC('{}')", "EXPLAIN (ANALYZE) {}"], "DELETE FROM t", "mysql")
def test_a_write_in_any_wrapping_is_no_safe_read(wrappings, write, dialect):
    text = write
    for wrapping in wrappings:
        text = wrapping.format(text)
    facts = classify(text, dialect)
    assert not facts.read_only, facts


@pytest.mark.parametrize(
    ("dialect", "separator"),
    [
        ("tsql", " "),
        ("tsql", "\ngo 3\n"),
        ("oracle", "\n/\n"),
        (None, " "),
        ("mysql", " /*!/*!*/;"),
        ("mysql", "/*M!50000 ;*/"),
    ],
)
@pytest.mark.parametrize("write", WRITES)
def test_a_write_behind_what_ends_a_statement_without_a_semicolon(dialect, separator, write):
    assert not classify(f"SELECT 1{separator}{write}", dialect).safe_read


@given(st.sampled_from([name for names in EFFECTS.values() for name in names.split()]), st.sampled_from(NAMES), st.data())
def test_a_function_with_effects_is_seen_however_it_is_written(name, dialect, data):
    if not effects_of(Call(name, empty=False), dialect):
        return  # another dialect's
    spelt = data.draw(st.sampled_from([name, name.upper(), name + " ", name + "/**/", f"pg_catalog.{name}"]))
    where = data.draw(st.sampled_from(["SELECT {}", "SELECT 1 FROM t WHERE {} = 1", "SELECT * FROM {}", "SELECT (SELECT {})"]))
    assert not classify(where.format(f"{spelt}('a', 'b')"), dialect).safe_read


@given(st.text("abcxyz019 =<>()'\",", max_size=30), st.sampled_from(NAMES))
def test_every_assumed_reading_counts(text, dialect):
    sql = f"SELECT {text} FROM t"
    if classify(sql).safe_read:
        assert classify(sql, dialect).safe_read or dialect not in {each.name for each in ASSUMED}


# -- settings ----------------------------------------------------------------------------------------------------------------


def test_the_names_people_use_for_a_dialect():
    for name, meant in (("PostgreSQL", "postgres"), ("mssql", "tsql"), (" MariaDB ", "mysql"), ("sqlite3", "sqlite")):
        assert classify("SELECT 1", name).dialect == meant
    assert classify("SELECT 1", 5).dialect_source == "assumed"


@pytest.mark.parametrize("functions", ["st_distance, other.price", ["ST_Distance", "other.price"], "st_distance other.price"])
def test_functions_of_ones_own(functions):
    text = "SELECT st_distance(a, b), other.price(1) FROM t"
    assert classify(text, "postgres").destructive is None
    facts = classify(text, "postgres", functions)
    assert facts.safe_read
    assert facts.functions == ("other.price", "st_distance")
    assert not classify(text + ", third(1)", "postgres", functions).safe_read


def test_a_function_with_effects_cannot_be_declared_harmless():
    assert not classify("SELECT pg_read_file('/x')", "postgres", "pg_read_file").safe_read


# -- bounds ------------------------------------------------------------------------------------------------------------------

DEEP = [
    "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
    "SELECT " + "ARRAY[" * 60 + "1" + "]" * 60,
    "SELECT " + "CASE WHEN a THEN " * 5000 + "1" + " END" * 5000,
    "SELECT " + "NOT " * 10_000 + "1",
    "SELECT " + "- " * 10_000 + "1",
    "SELECT " + "STRUCT(" * 500 + "1" + ")" * 500,
    "SELECT CAST(a AS " + "ARRAY<" * 900 + "INT" + ">" * 900 + ")",
    "SELECT a BETWEEN " * 900 + "1",
    "WITH a AS (" * 900 + "SELECT 1",
    "SELECT " + "f(" * 900,
    "EXPLAIN " * 9000 + "SELECT 1",
    "SELECT 1;" * 9000,
    "SELECT 1 " + "/*" * 40_000,
    "SELECT " + ".".join(["a"] * 40_000),
    "SELECT '" + "'" * 90_000,
    "BEGIN " * 10_000,
    "x" * (MAX_LENGTH + 1),
    "SELECT 1" + ", 1" * MAX_TOKENS,
]


@pytest.mark.parametrize("text", DEEP, ids=[text[:12] for text in DEEP])
@pytest.mark.parametrize("dialect", ["postgres", "tsql", "bigquery", None])
def test_what_is_too_large_is_not_understood(text, dialect):
    assert not classify(text, dialect).safe_read


def test_a_deep_caller_makes_it_unknown_and_is_not_remembered():
    text = "SELECT " + "(" * 30 + "1" + ")" * 30
    seen = []

    def deeper(left):
        if left:
            return deeper(left - 1)
        seen.append(classify(text, "postgres"))
        return None

    deeper(sys.getrecursionlimit() - 200)
    assert not seen[0].safe_read
    found = []
    thread = threading.Thread(target=lambda: found.append(classify(text, "postgres")))  # a stack of its own
    thread.start()
    thread.join()
    assert found[0].safe_read


# -- the parser --------------------------------------------------------------------------------------------------------------


def test_the_parser_reads_the_canaries_as_it_did():
    assert canary.trouble() == ""
    assert len(canary.CANARIES) >= 40
    assert {name for name, *_ in canary.CANARIES} == set(NAMES)


@pytest.mark.parametrize("part", [1, 2, 3, 4])
def test_where_one_canary_is_read_otherwise_nothing_is_known(monkeypatch, part):
    changed = list(canary.CANARIES[0])
    changed[part] = not changed[part] if isinstance(changed[part], bool) else "something_else"
    monkeypatch.setattr(canary, "CANARIES", (*canary.CANARIES[1:], tuple(changed)))
    canary.trouble.cache_clear()
    classifier._kept.cache_clear()
    try:
        facts = classify("SELECT 1", "postgres")
        assert facts.reasons == ("parser_changed",)
        assert not facts.safe_read
        assert facts.destructive is None
    finally:
        canary.trouble.cache_clear()
        classifier._kept.cache_clear()


def test_the_fingerprint_is_of_the_words():
    def of(text):
        return classify(text, "postgres").fingerprint

    one = of("SELECT a FROM t WHERE b = 'x' AND c = 5 -- c")
    assert one == of("select a\nfrom T where b='y''z' and c = 77")
    assert one != of("SELECT a FROM u WHERE b = 'x' AND c = 5")
    assert len(one) == 16


# -- the second opinion ------------------------------------------------------------------------------------------------------


@pytest.fixture
def without_our_own(monkeypatch):
    """Everything is a safe read to the first reading, so that only the server's grammar can object."""
    pytest.importorskip("pgparse")

    def objects(text):
        found = classifier.Found(["select"] * text.count(";") or ["select"], {"read"})
        return second.objects(text, found, {"price_of"})

    return objects


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("SELECT a, count(*) FROM t WHERE b LIKE 'c' GROUP BY a", False),
        ("SELECT price_of(a), extract(year FROM b) FROM t", False),
        ("EXPLAIN DELETE FROM t", False),
        ("EXPLAIN (ANALYZE, ANALYZE 0) DELETE FROM t", False),
        ("SELECT * FROM t WHERE id = %s", False),
        ("SELECT unknown(a) FROM t", True),
        ("SELECT U&\"pg_re\\0061d_file\"('/x')", True),
        ("SELECT * FROM t FOR SHARE", True),
        ("SELECT * INTO n FROM t", True),
        ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", True),
        ("EXPLAIN ANALYZE DELETE FROM t", True),
        ("DROP TABLE t", True),
        ("SELECT 1 UNION SELECT 2; SELECT 3", True),
    ],
)
def test_the_servers_own_grammar_can_object(without_our_own, text, objects):
    assert without_our_own(text) is objects


def test_a_package_that_has_changed_objects(monkeypatch):
    monkeypatch.setattr(second, "_opinion", lambda: type("Changed", (), {"parse": lambda _: [{}], "PGQueryError": ValueError}))
    assert second.objects("SELECT 1", classifier.Found(["select"], {"read"}), ())
    monkeypatch.setattr(second, "_opinion", lambda: None)
    assert not second.objects("SELECT 1", classifier.Found(["select"], {"read"}), ())


# -- the pack ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "dialect", "verdict"),
    [
        ({"sql": "SELECT a FROM t"}, "postgres", Verdict.ALLOW),
        ({"query": "SELECT a FROM t"}, "postgres", Verdict.ALLOW),
        ({"query": "SELECT a FROM t"}, None, Verdict.ALLOW),
        ({"query": "SELECT a FROM t", "sql": "DROP TABLE t"}, "postgres", Verdict.DENY),
        ({"sql": "INSERT INTO t VALUES (1)"}, "postgres", Verdict.ESCALATE),
        ({"sql": "UPDATE t SET a = 1 WHERE b = 2"}, "postgres", Verdict.ESCALATE),
        ({"sql": "UPDATE t SET a = 1"}, "postgres", Verdict.DENY),
        ({"sql": "DELETE FROM t WHERE b = 2"}, "postgres", Verdict.DENY),
        ({"sql": "CREATE TABLE n (a int)"}, "postgres", Verdict.DENY),
        ({"sql": "GRANT ALL ON t TO x"}, "postgres", Verdict.DENY),
        ({"sql": "COPY t TO PROGRAM 'x'"}, "postgres", Verdict.DENY),
        ({"sql": "SELECT pg_read_file('/x')"}, "postgres", Verdict.DENY),
        ({"sql": "SET a = 1"}, "postgres", Verdict.DENY),
        ({"sql": "SELECT own(1)"}, "postgres", Verdict.DENY),
        ({"sql": "SELECT * FROM pg_shadow"}, "postgres", Verdict.DENY),
        ({"sql": "SELECT ("}, "postgres", Verdict.DENY),
        ({"sql": ["SELECT 1"]}, "postgres", Verdict.DENY),
        ({"sql": None}, "postgres", Verdict.DENY),
        ({"text": "SELECT 1"}, "postgres", Verdict.DENY),
        ({}, "postgres", Verdict.DENY),
    ],
)
def test_the_pack(params, dialect, verdict):
    with Guard(pack="database", ledger=":memory:") as guard:
        context = {} if dialect is None else {"dialect": dialect}
        assert guard.evaluate("run_sql", params, context=context).verdict == verdict


def test_a_person_reads_what_it_does():
    words = list(CLASSIFIER.in_words(classify("UPDATE t SET a = 1; SELECT own(1)", "postgres")))
    assert "it changes or removes every row of t" in words
    assert any("own" in each for each in words)
    assert list(CLASSIFIER.in_words(classify("SELECT 1 FROM t", "postgres"))) == ["it reads t and does nothing else"]
    for case in CASES:
        assert all(isinstance(each, str) for each in CLASSIFIER.in_words(classify(case["sql"], case["dialect"])))


def test_its_facts_are_frozen():
    assert SqlFacts.__dataclass_params__.frozen
    assert len(fields(SqlFacts)) == len(CLASSIFIER.fact_names) + 1
