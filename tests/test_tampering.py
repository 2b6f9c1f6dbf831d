"""Anything done to the records of a sealed ledger shows: every byte, every order, every cut."""

import json
import sqlite3

import pytest
import reference
from conftest import leaf, policy, rule
from hypothesis import given
from hypothesis import strategies as st

import toolguard
from toolguard import Guard
from toolguard.audit.coverage import Evidence
from toolguard.audit.verify import verify
from toolguard.model import Record
from toolguard.stores.memory import MemoryStore
from toolguard.stores.seal import Seal

KEY = bytes(range(32))


def six_records():
    rules = [rule(leaf("amount", "gt", 500), citation={"document_id": "sop", "excerpt": "x"}, name="Cap")]
    store = MemoryStore()
    store.ledger_id = Seal.begin(KEY).commitment.hex()
    with Guard([policy(rules)], ledger=store, now=lambda: 5, new_id=lambda: "c") as guard:
        for amount in (85, 900, 1, 2, 501):
            guard.evaluate("t", {"amount": amount}, agent_id="bot", org_id="acme", context={"environment": "test"})
        return tuple(guard.store.scan())


RECORDS = six_records()
SEAL = Seal.begin(KEY).over([(record.seq, record.hash) for record in RECORDS])


def found(records):
    return not verify(records, Evidence(seal=SEAL, key=KEY)).intact


def test_untouched_it_holds():
    assert len(RECORDS) == 6
    assert not found(RECORDS)


@given(st.integers(0, 5), st.sampled_from(["body", "hash"]), st.integers(0, 10_000), st.integers(1, 255))
def test_any_byte(index, part, at, flip):
    record = RECORDS[index]
    data = bytearray(getattr(record, part))
    data[at % len(data)] ^= flip
    changed = Record(record.seq, bytes(data), record.hash) if part == "body" else Record(record.seq, record.body, bytes(data))
    assert found([*RECORDS[:index], changed, *RECORDS[index + 1 :]])


@given(st.integers(0, 5), st.integers(-3, 10))
def test_any_number(index, seq):
    record = RECORDS[index]
    assert found([*RECORDS[:index], Record(seq, record.body, record.hash), *RECORDS[index + 1 :]]) is (seq != record.seq)


@given(st.permutations(RECORDS))
def test_any_order(records):
    assert found(records) is (tuple(records) != RECORDS)
    renumbered = [Record(i, record.body, record.hash) for i, record in enumerate(records, 1)]
    assert found(renumbered) is (tuple(records) != RECORDS)


@given(st.sets(st.integers(0, 5), min_size=1))
def test_any_cut(gone):
    kept = [record for i, record in enumerate(RECORDS) if i not in gone]
    assert found(kept)
    assert found([Record(i, record.body, record.hash) for i, record in enumerate(kept, 1)])


@given(st.integers(0, 5), st.integers(0, 5))
def test_any_copy(index, at):
    assert found([*RECORDS[:at], RECORDS[index], *RECORDS[at:]])


def paths(value, path=()):
    """Every place in a record's content."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


EVERY_PLACE = [(index, path) for index, record in enumerate(RECORDS) for path in paths(record.content)]


@pytest.mark.parametrize("forged", ["FORGED", None, 85.004, []], ids=str)
def test_every_field_there_is(forged):
    assert len(EVERY_PLACE) > 100
    for index, path in EVERY_PLACE:
        changed = with_set(RECORDS, index, path, forged)
        assert found(changed) is (changed != list(RECORDS)), path


def with_set(records, index, path, value):
    """The records with one value replaced, or added, and its record hashed as it was."""
    content = records[index].content
    place = content
    for step in path[:-1]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    place[path[-1]] = value
    changed = Record(
        records[index].seq, json.dumps(content, separators=(",", ":")).encode(), records[index].hash, records[index].payload
    )
    return [*records[:index], changed, *records[index + 1 :]]


OURS = {"rule_results": ["hits"], "tool_name": ["call", "tool"], "decision": ["verdict"], "trace_hash": ["prev"]}
TAMPER = reference.HOME.parent / "adversarial" / "audit_tamper.jsonl"
ROWS = [json.loads(line) for line in TAMPER.read_text().splitlines()] if TAMPER.exists() else []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_what_was_done_to_the_references_log_shows_on_ours(row):
    records = list(RECORDS)
    for op in row["ops"]:
        match op["op"]:
            case "set":
                path = [*OURS.get(op["path"][0], op["path"][:1]), *op["path"][1:]]
                records = with_set(records, op["record"], path, op["value"])
            case "delete":
                records = [record for i, record in enumerate(records) if i not in op["records"]]
            case "dup":
                records.insert(op["record"], records[op["record"]])
            case "reverse":
                records = with_set(records, op["record"], ["hits"], [{"x": 1}, *RECORDS[op["record"]].content["hits"]])
    assert found(records) is (row["expected"] != "intact")


def test_a_page_of_the_file_cannot_change_unseen(tmp_path):
    """Bytes of the file itself, one at a time: SQLite notices, or the chain does, or it is a byte that holds nothing."""
    path = tmp_path / "l.db"
    with Guard([policy([rule(leaf("amount", "gt", 500))])], ledger=path) as guard:
        for amount in range(5):
            guard.evaluate("t", {"amount": amount})
    whole = path.read_bytes()
    before = rows(path)
    missed = []
    for at in range(0, len(whole), 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        if intact(path) and rows(path) != before:
            missed.append(at)
    assert not missed


def intact(path):
    try:
        return toolguard.verify(path).intact
    except toolguard.ToolGuardError:
        return False


def rows(path):
    database = sqlite3.connect(path)
    try:
        return database.execute("SELECT seq, body, hash FROM record ORDER BY seq").fetchall()
    finally:
        database.close()
