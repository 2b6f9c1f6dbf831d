"""The benchmarks run and check both sides before they time them. What they measure is for people to judge, not for tests."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A part of each row's name, and what has to have been checked before it was timed.
EXPECTED = [
    ("1 threshold rule", ["amount 100: allow", "amount 900: deny"]),
    ("the rule fires", ["amount 100: allow", "amount 900: deny"]),
    ("bare `amount`", ["amount 100: allow", "amount 900: deny"]),
    ("10,000 policies", ["policies: [10001, 1]", "amount 100: allow", "amount 900: deny"]),
    ("every leaf asked", ["amount 100 in EUR: allow", "amount 900 in EUR: deny", "word19 of silver: deny"]),
    ("settled by first leaves", ["amount 100 in EUR: allow", "amount 900 in EUR: deny", "word19 of silver: deny"]),
    ("bare durable inserts", ["amount 100: allow", "amount 900: deny", "bare inserts are WAL, synced in full: ('wal', 2)"]),
    (
        "1 bare insert of all its bytes",
        ["amount 100: allow", "amount 900: deny", "bare inserts are WAL, synced in full: ('wal', 2)"],
    ),
    ("guard.evaluate()", ["amount 100: allow", "amount 900: deny", "bare inserts are WAL, synced in full: ('wal', 2)"]),
    ("64 threads", ["chain: intact", "records of a thread that are missing: 0"]),
    ("each sync takes 2 ms more", ["chain: intact", "records of a thread that are missing: 0"]),
    ("one thread", ["chain: intact", "bare inserts are WAL, synced in full: ('wal', 2)"]),
    ("4 processes", ["chain: intact", "records that are missing: 0"]),
    ("verify 5,000", ["records: 5001", "memory beyond what is allowed, MiB: 0"]),
    ("a process on each", ["records: 5001", "memory beyond what is allowed, MiB: 0"]),
    ("prove 1 of", ["what is wrong with the receipt: None"]),
    ("bytes on disk", ["records in the file: 5001"]),
    ("checkpoint of", ["checkpoints: 1"]),
    ("halt check", ["nothing is halted: ()"]),
    ("seen by another process", ["halts that were seen: 5"]),
    ("a live stream ends", ["streams that were ended: 5"]),
    ("counts in a budget", ["amount 100: allow", "amount 1000000000: deny"]),
    ("uses in a sliding window", ["amount 100: allow", "amount 1000000000: deny"]),
    ("five limits", ["amount 100: allow", "amount 1000000000: deny"]),
    ("the same, leased", ["amount 100: allow", "amount 1000000000: deny"]),
    ("use up one budget", ["let through: 20", "chain: None"]),
    ("goes on after its answer", ["calls that went on: 4"]),
    ("facts of 60 bytes", ["60 bytes: (True, True)"]),
    ("facts of 200 bytes", ["200 bytes: (True, True)"]),
    ("facts of 700 bytes", ["700 bytes, 8 joins: (True, True)"]),
    ("facts of 2,000 bytes", ["2,000 bytes: (True, True)"]),
    ("a text seen before", ["the remembered facts are the same object: True"]),
    ("the worst text", ["union, a safe read: True", "words, a safe read: False"]),
    ("first SQL text", ["a safe read: True"]),
    ("facts of a plain command", ["a plain command: (False, 'ok')"]),
    ("facts of a pipeline", ["a pipeline: (False, 'ok')"]),
    ("facts of a script", ["a script: (False, 'ok')"]),
    ("a command seen before", ["the remembered facts are the same object: True"]),
    ("shell facts of the worst text", []),
    ("path facts of a file", ["inside: True"]),
    ("URL facts", ["host: api.example.com"]),
    ("write facts", ["inside: True"]),
    ("reversibility by a name", ["delete_user: irreversible"]),
    ("stream, 10 patterns / a window", ["10 patterns, let through before a key: 501"]),
    ("stream, 10 patterns / regex", ["10 patterns, let through of a harmless text: 1024"]),
    ("stream, 100 patterns / a window", ["100 patterns, let through before a key: 501"]),
    ("stream, 100 patterns / regex", ["100 patterns, let through before a key: 501"]),
    ("stream, 500 patterns / a window", ["500 patterns, let through before a key: 501"]),
    ("stream, 500 patterns / regex", ["500 patterns, let through before a key: 501"]),
    ("stream, the worst text", []),
    ("sensitive facts", ["kinds found: ('aws-key', 'email')"]),
    ("guard.stream of 1 KB", ["a harmless text comes out whole: True"]),
    ("a hook, with the daemon", ["exit codes of a harmless and a harmful command: (0, 2)"]),
    ("everything loaded anew", ["exit codes of an allowed and a denied call: (0, 2)"]),
    ("import Guard, guarded / ", ["loaded of sqlglot, bashlex, re2: none"]),
    ("BaseModel", ["loaded of sqlglot, bashlex, re2: none"]),
    ("what @guarded adds", ["amount 100: 100", "amount 900: deny"]),
    ("Signature.bind", ["amount 100: 100", "amount 900: deny"]),
]


def run(*options):
    command = [sys.executable, "-m", "bench", "--quick", *options]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def rows():
    return json.loads(run("--json"))["rows"]


def test_nothing_is_broken(rows):
    assert not [row for row in rows if "broken" in row]


def test_every_row_is_there(rows):
    assert len(rows) == len(EXPECTED)
    assert all(name in row["what"] for (name, _), row in zip(EXPECTED, rows, strict=True))


def test_ratios_are_positive_and_finite(rows):
    figures = [row[name] for row in rows for name in ("low", "ratio", "high")]
    assert all(math.isfinite(figure) and figure > 0 for figure in figures)
    assert all(row["low"] <= row["ratio"] <= row["high"] for row in rows)


@pytest.mark.parametrize("at", range(len(EXPECTED)), ids=[name for name, _ in EXPECTED])
def test_both_sides_were_checked(rows, at):
    assert set(EXPECTED[at][1]) <= set(rows[at]["checks"])


def test_a_verdict_goes_with_a_target(rows):
    assert all((row["verdict"] in ("ok", "over")) == bool(row["target"]) for row in rows)


def test_nothing_is_left_behind(rows):
    assert rows
    assert not list(ROOT.glob(".bench-*"))
