"""Real databases run what we call a safe read, and may change nothing. (Searches of any length: `make deep`.)"""

import random
import tempfile
from contextlib import nullcontext
from pathlib import Path

import engines
import pytest
from conftest import cases

from toolguard.classify.sql.classifier import classify

FOUND = cases("sql_pieces")


def texts(chance):
    """One text after another, without an end."""
    pieces, words = FOUND["pieces"], FOUND["words"]
    while True:
        yield "SELECT 1" + "".join(chance.choice(pieces) + chance.choice(["", " "]) for _ in range(chance.randint(2, 9)))
        yield " ".join(chance.choice(words) for _ in range(chance.randint(2, 12)))


@pytest.fixture(scope="module", params=["sqlite", "duckdb", "postgres", "mysql"])
def engine(request):
    # A short path: that of a socket may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="tg-") as name:
        started = {
            "sqlite": lambda _: nullcontext(engines.Sqlite()),
            "duckdb": lambda _: nullcontext(engines.DuckDB()),
            "postgres": engines.postgres,
            "mysql": engines.mariadb,
        }[request.param]
        with started(Path(name)) as one:
            yield one


def test_it_sees_what_changes(engine):
    assert engine.changed_by("DELETE FROM t")
    assert engine.changed_by("SELECT 1; DROP TABLE t")
    assert not engine.changed_by("SELECT * FROM t")
    assert not engine.changed_by("DELETE FROM")


def test_our_own_cases(engine):
    own = [case["sql"] for case in cases("sql")]
    assert [text for text in own if classify(text, engine.dialect).read_only and engine.changed_by(text)] == []


def search(engine, chance, seen):
    """Run that many texts which we call harmless."""
    harmless = (text for text in texts(chance) if classify(text, engine.dialect).read_only)
    for _ in range(seen):
        text = next(harmless)
        assert not engine.changed_by(text), text


def test_what_we_call_harmless_changes_nothing(engine):
    search(engine, random.Random(7), {"sqlite": 1500, "duckdb": 150, "postgres": 150, "mysql": 40}[engine.dialect])


@pytest.mark.deep
def test_a_long_search_for_what_changes_something(engine):
    search(engine, random.Random(), {"sqlite": 60_000, "duckdb": 4000, "postgres": 4000, "mysql": 1500}[engine.dialect])
