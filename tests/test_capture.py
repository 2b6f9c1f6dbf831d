"""What a ledger keeps of parameters: sealed one by one, disclosed or erased one by one, and the chain holds all the same."""

import json
import re
import sqlite3
import threading
import time
from dataclasses import replace
from decimal import Decimal

import pytest
from conftest import leaf, policy, rule
from hypothesis import given
from hypothesis import strategies as st

from toolguard import Guard, LedgerCorrupt, StoreError, verify
from toolguard.audit.archive import archive
from toolguard.audit.capture import (
    CAPTURES,
    TOGETHER,
    capture,
    commitments,
    openings,
    redacted,
    seal_of_payload,
    without,
    wrong_opening,
)
from toolguard.audit.log import Log
from toolguard.audit.report import Head
from toolguard.audit.verify import verify as verify_records
from toolguard.cli import main
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.file import read_records
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore

SECRET = "correct-horse-battery-staple"
CARD = 4111111111111111
EVERY = policy([rule(leaf("amount", "gt", 500))])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def in_record(params, mode):
    captured = capture(params, mode)
    return {"call": captured.sealed}, captured.payload


NAMES = st.from_regex(r"[a-z_é][a-z0-9_.-]{0,3}", fullmatch=True)


@given(st.dictionaries(NAMES, PLAIN, max_size=5), st.sampled_from(CAPTURES))
def test_every_parameter_is_sealed_and_opens_what_was_sealed(params, mode):
    content, payload = in_record(params, mode)
    sealed, opened = commitments(content), openings(payload)
    assert wrong_opening(content, payload) is None
    assert set(opened) == set(sealed)
    if mode == "none":
        assert sealed == {}
    else:
        assert {name.removeprefix("params.") for name in sealed if name != "redacted"} == set(params)
        for name, value in params.items():
            text = json.dumps([name, value], separators=(",", ":"), ensure_ascii=False)
            kept = opened[f"params.{name}"].text
            assert (kept is not None) is (mode == "full")
            if kept is not None:
                assert json.loads(kept) == json.loads(text)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_kept_value_cannot_be_exchanged(value, other):
    content, payload = in_record({"note": value}, "full")
    kept = json.loads(payload)
    kept["params"]["note"]["text"] = json.dumps(["note", other])
    changed = json.dumps(kept).encode()
    same = json.loads(openings(payload)["params.note"].text) == json.loads(openings(changed)["params.note"].text)
    assert (wrong_opening(content, changed) is None) is (same and openings(payload) == openings(changed))


def test_two_calls_with_one_value_do_not_show_it():
    first, second = (commitments(in_record({"pin": 1234}, "digest")[0]) for _ in range(2))
    assert first != second


def test_many_parameters_and_long_names_are_sealed_together():
    secret = {"alice@example.com": 1}
    for params in ({f"p{i}": i for i in range(101)}, {"n" * 129: 1}, {TOGETHER: 1}, secret, {"n4111111111111111": 1}):
        content, payload = in_record(params, "full")
        assert list(commitments(content)) == [f"params.{TOGETHER}"]
        assert json.loads(openings(payload)[f"params.{TOGETHER}"].text) == [TOGETHER, params]


@given(PLAIN)
def test_a_redacted_view_has_no_text_of_the_value(value):
    shown = re.sub(r"<\d+ characters(, \d+)?>|true|false|null", " ", json.dumps(redacted(value)))  # what any value may show
    for text in texts(value):
        assert len(text) < 4 or json.dumps(text)[1:-1] not in shown


def texts(value):
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(item)


def test_what_redacted_shows():
    value = {"a": 12.5, "b": True, "c": None, "d": "hello", "e": CARD, "f": [b"xy", Decimal("123456789.5")]}
    value["g"] = {"alice@example.com": 5, "x-ray": 6, str(CARD): 7}
    assert redacted(value) == {
        "a": 12.5,
        "b": True,
        "c": None,
        "d": "<5 characters>",
        "e": "<number of 16 digits>",
        "f": ["<2 bytes>", "<number of 10 digits>"],
        "g": {"<17 characters, 1>": 5, "x-ray": 6, "<16 characters, 3>": 7},
    }


@pytest.mark.parametrize("mode", CAPTURES)
def test_what_is_written_in_each_mode(tmp_path, mode):
    path = tmp_path / "l.db"
    with Guard(EVERY, ledger=path, capture=mode) as guard:
        guard.evaluate("t", {"amount": 1, "password": SECRET, "card": CARD})
    assert verify(path).intact
    everything = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert (SECRET.encode() in everything) is (mode == "full")
    assert (str(CARD).encode() in everything) is (mode == "full")
    assert (b"<28 characters>" in everything) is (mode == "redacted")


MODES = [
    ("none", "full", None, "none"),
    ("full", "digest", None, "full"),
    (None, "full", "redacted", "redacted"),
    (None, "full", None, "full"),
    (None, None, None, "digest"),
    ("full", None, "none", "none"),
]


@pytest.mark.parametrize(("first", "of_the_guard", "second", "expected"), MODES)
def test_policies_go_before_the_guard_and_the_one_that_keeps_least_counts(first, of_the_guard, second, expected):
    given = {"1": first, "2": second}
    kept = {name: {"capture": mode} if mode else {} for name, mode in given.items()}
    policies = [policy([rule(leaf("a", "exists"))], name, **kept[name]) for name in given]
    options = {"capture": {"t": of_the_guard}} if of_the_guard else {}
    with Guard(policies, ledger=":memory:", **options) as guard:
        guard.evaluate("t", {"b": 1})
        assert guard.store.last().content["call"]["capture"] == expected


def test_a_shadow_policy_does_not_say_what_is_kept():
    shadow = policy([rule(leaf("a", "exists"))], "s", mode="shadow", capture="full")
    with Guard([shadow, EVERY], ledger=":memory:", capture={"*": "none"}) as guard:
        guard.evaluate("t", {"b": 1})
        assert guard.store.last().content["call"]["capture"] == "none"


def test_a_mode_that_is_none():
    with pytest.raises(ValueError, match="`capture` cannot be `all`"):
        Guard(EVERY, ledger=":memory:", capture={"t": "all"})


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "l.db"
    with Guard(EVERY, ledger=path, capture="full") as guard:
        for amount in range(3):
            guard.evaluate("t", {"amount": amount, "password": SECRET})
    return path


def payload_of(path, seq):
    return next(record.payload for record in read_records(path) if record.seq == seq)


def everything(path):
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_an_erased_value_is_gone_from_the_disk_and_the_chain_holds(kept):
    before = verify(kept).head
    assert everything(kept).count(SECRET.encode()) == 3
    with Guard(EVERY, ledger=kept) as guard:
        record = guard.erase([2, 3], ["password"], by="dpo", reason="asked for")
        assert everything(kept).count(SECRET.encode()) == 1
        guard.erase([4], by="dpo", reason="asked for")
        assert everything(kept).count(SECRET.encode()) == 0
    assert record.content | {"time": 0, "prev": ""} == {
        "v": 2,
        "seq": record.seq,
        "prev": "",
        "time": 0,
        "kind": "erasure",
        "records": [2, 3],
        "params": ["password"],
        "kept": [seal_of_payload(payload_of(kept, seq)) for seq in (2, 3)],
        "by": "dpo",
        "reason": "asked for",
    }
    report = verify(kept, before)
    assert (report.intact, report.remarks) == (True, ())
    with Guard(EVERY, ledger=kept) as guard:
        left = openings(list(guard.store.scan())[1].payload)
        assert left["params.amount"].text == '["amount",0]'
        assert "params.password" not in left


@pytest.mark.parametrize(("records", "params"), [([99], []), ([2], ["nothing"]), ([1], []), ([2, 99], [])])
def test_what_cannot_be_erased_leaves_everything_as_it_was(kept, records, params):
    before = verify(kept).trusted
    with Guard(EVERY, ledger=kept) as guard, pytest.raises(StoreError, match=r"there is no record 99|does not keep"):
        guard.erase(records, params, by="dpo", reason="asked for")
    assert everything(kept).count(SECRET.encode()) == 3
    assert verify(kept).trusted == before + 3  # start, stop, checkpoint


def test_the_memory_store_erases_alike():
    with Guard(EVERY, ledger=MemoryStore(), capture="full") as guard:
        guard.evaluate("t", {"amount": 1, "password": SECRET})
        guard.erase([2], ["password"], by="dpo", reason="asked for")
        assert list(openings(list(guard.store.scan())[1].payload)) == ["params.amount"]
        with pytest.raises(StoreError, match="there is no record 99"):
            guard.erase([99], by="dpo", reason="asked for")


def test_a_copy_that_a_reader_holds_back_is_not_hushed_up(kept):
    reader = sqlite3.connect(kept)
    with Guard(EVERY, ledger=kept) as guard:
        guard.evaluate("t", {"amount": 5})
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM record").fetchone()
        guard.evaluate("t", {"amount": 5})
        with pytest.raises(StoreError, match="a copy stays in the write-ahead log"):
            guard.erase([2], by="dpo", reason="asked for")
        reader.close()
        assert guard.evaluate("t", {"amount": 5}).allowed


@pytest.mark.parametrize("doing", ["erase", "archive"])
def test_while_a_reader_holds_the_log_back_others_go_on(kept, doing, tmp_path):
    reader = sqlite3.connect(kept)
    with Guard(EVERY, ledger=kept) as guard:
        guard.evaluate("t", {"amount": 5})
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM record").fetchone()
        waits, done = [], threading.Event()

        def decide():
            while not done.is_set():
                begun = time.monotonic()
                assert guard.evaluate("t", {"amount": 5}).allowed
                waits.append(time.monotonic() - begun)

        thread = threading.Thread(target=decide)
        thread.start()
        store = SqliteStore(kept, timeout=1.5)
        if doing == "erase":
            with pytest.raises(StoreError, match="a copy stays"):
                Log(store, time.time_ns, {}).erasure([2], [], "dpo", "asked for")
        else:
            archive(store, tmp_path / "a.jsonl", time.time_ns, "ops", "x")
        done.set()
        thread.join()
        store.close()
        reader.close()
    assert len(waits) > 20
    assert max(waits) < 1


def harmed(path, sql, *values):
    """What verification says after somebody who owns the file did this to it."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(sql, values)
    database.close()
    return verify(path)


def test_a_payload_that_is_gone_without_a_record_is_remarked(kept):
    report = harmed(kept, "UPDATE record SET payload = NULL WHERE seq = 3")
    assert report.intact
    assert [(each.kind, each.seq) for each in report.remarks] == [("erased without a record", 3)]


OTHER_PAYLOADS = [
    b"",
    b"\x00",
    b"\xff",
    b"[]",
    b"{}",
    b'{"params":{}}',
    b'{"params": {"amount": {"salt": 5, "text": 6}}}',
    b'{"params": 5, "text": 1}',
    b'{"params":{"other":{"salt":"%s","text":"[1]"}}}' % (b"00" * 32),
]


@pytest.mark.parametrize("payload", OTHER_PAYLOADS)
@pytest.mark.parametrize("seq", [1, 3], ids=["start", "decision"])
def test_a_payload_that_was_written_over_is_found(kept, payload, seq):
    report = harmed(kept, "UPDATE record SET payload = ? WHERE seq = ?", payload, seq)
    assert (report.finding.kind, report.finding.seq, report.trusted) == ("altered", seq, seq - 1)
    assert report.head == str(Head(seq - 1, record_at(kept, seq - 1)))


def record_at(path, seq):
    return next((record.hash.hex() for record in read_records(path) if record.seq == seq), EMPTY_HASH.hex())


@pytest.mark.parametrize("mode", ["digest", "redacted", "full"])
@given(data=st.data())
def test_no_byte_beside_a_record_changes_unseen(mode, data):
    store = MemoryStore()
    with Guard(EVERY, ledger=store, capture=mode) as guard:
        guard.evaluate("t", {"amount": 1, "note": "x"})
        if data.draw(st.booleans(), "erased"):
            guard.erase([2], ["note"], by="dpo", reason="asked for")
    records = list(store.scan())
    payload = records[1].payload
    at, flip = data.draw(st.integers(0, len(payload) - 1)), data.draw(st.integers(1, 255))
    changed = payload[:at] + bytes([payload[at] ^ flip]) + payload[at + 1 :]
    assert verify_records(records, payloads=True).intact
    report = verify_records([records[0], replace(records[1], payload=changed), *records[2:]], payloads=True)
    assert (report.finding.kind, report.finding.seq, report.trusted) == ("altered", 2, 1)


def test_what_an_erasure_left_cannot_be_put_back_or_taken_away(kept):
    before = payload_of(kept, 3)
    with Guard(EVERY, ledger=kept) as guard:
        guard.erase([3], ["password"], by="dpo", reason="asked for")
    assert verify(kept).intact
    report = harmed(kept, "UPDATE record SET payload = ? WHERE seq = 3", before)
    assert str(report.finding) == f"record {report.trusted + 1}: altered: what an erasure took from record 3 is there again"
    assert [each.seq for each in harmed(kept, "UPDATE record SET payload = NULL WHERE seq = 3").remarks] == [3]
    with Guard(EVERY, ledger=kept) as guard:
        guard.erase([4], by="dpo", reason="asked for")
    assert harmed(kept, "UPDATE record SET payload = ? WHERE seq = 4", before).finding.seq == 4


def test_a_ledger_beside_whose_records_something_else_lies_is_not_archived(kept, tmp_path):
    assert not harmed(kept, "UPDATE record SET payload = x'00' WHERE seq = 3").intact
    store = SqliteStore(kept)
    with pytest.raises(LedgerCorrupt, match="record 3: altered"):
        archive(store, tmp_path / "a.jsonl", time.time_ns, "ops", "x")
    store.close()
    assert not (tmp_path / "a.jsonl").exists()


def test_from_the_command_line(kept, capsys):
    given = [str(kept), "2", "3", "--param", "password", "--by", "dpo", "--reason", "asked for"]
    assert main(["erase", *given]) == 0
    assert "erased from 2 records; that is record 7" in capsys.readouterr().out
    assert main(["erase", *given]) == 1
    assert "does not keep params.password" in capsys.readouterr().err
    assert everything(kept).count(SECRET.encode()) == 1
    assert main(["erase", str(kept) + "x", "1", "--by", "x", "--reason", "y"]) == 2


def test_nothing_left_is_nothing_kept():
    _, payload = in_record({"a": 1}, "full")
    assert without(payload, ["params.a"]) is None


def test_what_cannot_be_judged_does_not_leave_its_values_in_the_reason(tmp_path):
    path = tmp_path / "l.db"
    with Guard(EVERY, ledger=path, capture="none") as guard:
        for params in ({str(CARD): float("inf")}, {"order": {"alice@example.com": [object()]}}, {"note": {SECRET: "\ud800"}}):
            decision = guard.evaluate("t", params)
            assert not decision.allowed
            assert "characters>" in decision.reason
    everything = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not any(secret in everything for secret in (str(CARD).encode(), b"alice@example.com", SECRET.encode()))
