"""Somebody owns the machine: the ledger, the seal beside it and its present key. Whoever kept the first key still sees it.

Eleven things to do to the records, each with the seal left alone and with six ways to make it fit again.
"""

import json
import sqlite3

import pytest

from toolguard import Guard, LedgerCorrupt, verify
from toolguard.audit.chain import link
from toolguard.canonical import keyed_digest
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.file import seal_of, seal_path
from toolguard.stores.seal import Seal, key_text
from toolguard.stores.sqlite import SqliteStore

KEY = bytes(range(32))
N = 40


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "l.db"
    store = SqliteStore(path, seal_key=KEY)
    for i in range(N):
        store.append(lambda seq, last, i=i: link(seq, last, "note", 1000 + i, {"n": i, "verdict": "deny"}), durable=i % 3 > 0)
    store.close()
    assert verify(path, key=key_text(KEY)).sealed == N
    return path


def chained(contents):
    """Records with these contents, chained as the library would."""
    made, last = [], EMPTY_HASH
    for seq, content in enumerate(contents):
        own = {key: value for key, value in content.items() if key not in ("v", "seq", "prev", "kind", "time")}
        record = link(seq, last, "note", 1000 + content["n"], own)
        made.append(record)
        last = record.hash
    return made


def changed(contents, at, **changes):
    return [content | changes if i == at else content for i, content in enumerate(contents)]


HARM = {
    "edit one": lambda c: changed(c, 5, verdict="allow"),
    "edit the last": lambda c: changed(c, N - 1, verdict="allow"),
    "delete one": lambda c: c[:7] + c[8:],
    "insert one": lambda c: [*c[:7], {"n": 99, "verdict": "allow"}, *c[7:]],
    "swap two": lambda c: [*c[:7], c[8], c[7], *c[9:]],
    "drop the last": lambda c: c[:-1],
    "drop the last three": lambda c: c[:-3],
    "drop the last half": lambda c: c[: N // 2],
    "drop the first": lambda c: c[1:],
    "drop all": lambda _: [],
    "write all anew": lambda c: [content | {"verdict": "allow"} for content in c],
}


def left_alone(seal, _):
    return seal


def moved(seal, records):
    """Number and head as they are now, tag and key as found."""
    return Seal(len(records), records[-1].hash if records else EMPTY_HASH, seal.tag, seal.key, seal.commitment)


def tagged_with_todays_key(seal, records):
    tag = EMPTY_HASH
    for record in records:
        tag = keyed_digest(seal.key, tag + record.seq.to_bytes(8, "big") + record.hash)
    return Seal(len(records), records[-1].hash if records else EMPTY_HASH, tag, seal.key, seal.commitment)


def sealed_from_todays_key(seal, records):
    made = Seal.begin(seal.key).over([(record.seq, record.hash) for record in records])
    return Seal(made.seq, made.head, made.tag, made.key, seal.commitment)


def begun_anew(seal, records):
    made = Seal.begin(b"\7" * 32).over([(record.seq, record.hash) for record in records])
    return Seal(made.seq, made.head, made.tag, made.key, seal.commitment)


def begun_anew_openly(_, records):
    return Seal.begin(b"\7" * 32).over([(record.seq, record.hash) for record in records])


def removed(*_):
    return None


FITTED = (left_alone, moved, tagged_with_todays_key, sealed_from_todays_key, begun_anew, begun_anew_openly, removed)


@pytest.mark.parametrize("fitted", FITTED, ids=lambda f: f.__name__)
@pytest.mark.parametrize("harm", HARM)
def test_the_first_key_shows_it(ledger, harm, fitted):
    database = sqlite3.connect(ledger, isolation_level=None)
    contents = [json.loads(body) for (body,) in database.execute("SELECT body FROM record ORDER BY seq")]
    records = chained(HARM[harm](contents))
    for trigger in ("record_is_never_changed", "record_is_never_deleted"):
        database.execute(f"DROP TRIGGER {trigger}")
    database.execute("DELETE FROM record")
    database.executemany("INSERT INTO record VALUES (?, ?, ?, NULL)", [(r.seq, r.body, r.hash) for r in records])
    database.close()
    seal = fitted(seal_of(ledger), records)
    if seal is None:
        seal_path(ledger).unlink()
    else:
        seal_path(ledger).write_bytes(seal.to_bytes())
    report = verify(ledger, key=key_text(KEY))
    assert not report.intact
    assert report.finding.kind in ("truncated tail", "rewritten", "re-forged", "wrong key", "unsealed")
    if fitted is left_alone:  # then everybody sees it, and nobody can go on writing
        assert not verify(ledger).intact
        with pytest.raises(LedgerCorrupt, match=r"was cut short|was written anew"):
            Guard(ledger=ledger)
    if fitted is removed and records:
        with pytest.raises(LedgerCorrupt, match="has to stay beside it"):
            Guard(ledger=ledger)


def test_an_untouched_ledger_verifies_and_goes_on(ledger):
    with Guard(ledger=ledger) as guard:
        guard.evaluate("x", {})
        assert verify(ledger, key=key_text(KEY)).intact, "also while it is in use"
    report = verify(ledger, key=key_text(KEY))
    assert (report.intact, report.trusted, report.sealed, report.keyed) == (True, N + 4, N + 4, True)


def test_another_key_is_named(ledger):
    assert verify(ledger, key=key_text(b"\1" * 32)).finding.kind == "wrong key"
    with pytest.raises(ValueError, match="not a key"):
        verify(ledger, key="tgseal1-12")


@pytest.mark.parametrize("bytes_", [b"", b"x", b"tgseal1\n" + bytes(10), bytes(200)])
def test_a_damaged_seal_is_no_seal(ledger, bytes_):
    seal_path(ledger).write_bytes(bytes_)
    with pytest.raises(LedgerCorrupt, match=r"damaged|missing"):
        Guard(ledger=ledger)
    with pytest.raises(LedgerCorrupt, match="damaged"):
        verify(ledger)


def test_a_write_ahead_log_that_was_lost_after_a_crash_shows(tmp_path):
    """The records were acknowledged, the process died, and somebody removed the log that held them."""
    path = tmp_path / "l.db"
    store = SqliteStore(path)
    for i in range(5):
        store.append(lambda seq, last, i=i: link(seq, last, "note", i, {}))
    seal_before = seal_path(path).read_bytes()
    kept = path.read_bytes()
    store.close()
    path.write_bytes(kept)  # the database as it was without its log
    seal_path(path).write_bytes(seal_before)
    assert Seal.from_bytes(seal_before).seq == 4, "the last one is sealed with the next"
    assert verify(path).finding.kind == "truncated tail"
    with pytest.raises(LedgerCorrupt, match="was cut short: 4 records were sealed, and it ends with record 0"):
        SqliteStore(path)
