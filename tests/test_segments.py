"""A long ledger that several processes check: the same report as from one, whatever was done to it."""

import sqlite3
from functools import partial

import pytest
from conftest import leaf, policy, rule

from toolguard import Checkpoints, Guard, verify
from toolguard.audit import segments
from toolguard.audit.anchor import ToFile, read_notes
from toolguard.audit.archive import archive
from toolguard.audit.coverage import Evidence
from toolguard.audit.segments import verify_long
from toolguard.audit.sign import Signer
from toolguard.audit.verify import verify as verify_records
from toolguard.stores.file import read_records, seal_of
from toolguard.stores.sqlite import SqliteStore

EVERY = policy([rule(leaf("amount", "gt", 500))])
KEY = bytes(range(32))
SIGNER = Signer("acme.example/agents", KEY)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    key = folder / "signing.key"
    key.write_text(str(SIGNER))
    key.chmod(0o600)
    SqliteStore(folder / "l.db", seal_key=KEY).close()
    plan = Checkpoints(signing_key=key, anchors=[ToFile(folder / "anchor.txt")], every=40)
    for _ in range(3):
        with Guard(EVERY, ledger=folder / "l.db", checkpoints=plan, capture="full", durability="process") as guard:
            decisions = [guard.evaluate("t", {"amount": amount}) for amount in range(60)]
            guard.erase([decisions[-1].record.seq], by="x", reason="y")
    return folder


@pytest.fixture
def ledger(original, tmp_path):
    for name in ("l.db", "l.db-seal", "anchor.txt"):
        (tmp_path / name).write_bytes((original / name).read_bytes())
    return tmp_path / "l.db"


def evidence_for(ledger):
    notes = read_notes(ledger.with_name("anchor.txt").read_text())
    return Evidence(seal=seal_of(ledger), key=KEY, notes=notes, verifiers=[SIGNER.verifier])


def last_of(ledger):
    return next(read_records(ledger, newest_first=True)).seq


def both(ledger, **options):
    evidence, total = evidence_for(ledger), last_of(ledger)
    options = {"processes": 2, "length": 30} | options
    return verify_long(ledger, evidence, total, **options), verify_records(read_records(ledger), evidence, payloads=True)


@pytest.mark.parametrize(("processes", "length"), [(1, 30), (2, 30), (3, 7), (2, 1000)])
def test_the_report_is_the_same(ledger, processes, length):
    seen = []
    several, one = both(ledger, processes=processes, length=length, progress=seen.append)
    assert several == one
    assert several.intact
    assert several.signed == several.anchored == several.trusted - 1
    assert seen[-1] == several.trusted


def test_behind_an_archive_too(ledger, tmp_path):
    store = SqliteStore(ledger)
    archive(store, tmp_path / "a.jsonl", lambda: 2**62, "ops", "x")
    store.close()
    with Guard(EVERY, ledger=ledger, now=lambda: 2**62) as guard:
        for amount in range(60):
            guard.evaluate("t", {"amount": amount})
    total = last_of(ledger)
    evidence = Evidence(seal=seal_of(ledger), key=KEY)
    several = verify_long(ledger, evidence, total, processes=2, length=20)
    assert several == verify_records(read_records(ledger), evidence, payloads=True)
    assert several.archived > 0


def test_what_is_written_meanwhile_is_checked_too(ledger):
    several = verify_long(ledger, evidence_for(ledger), 100, processes=2, length=30)
    assert several == verify_records(read_records(ledger), evidence_for(ledger), payloads=True)


def changed(seq, part, database):
    column, other = {
        "body": ("body", "CAST(replace(CAST(body AS TEXT), 'allow', 'denyx') AS BLOB)"),
        "hash": ("hash", "zeroblob(32)"),
        "payload": ("payload", "CAST(replace(CAST(payload AS TEXT), 'amount\\\"', 'amounx\\\"') AS BLOB)"),
    }[part]
    database.execute(f"UPDATE record SET {column} = {other} WHERE seq = ?", (seq,))


HARM = {
    **{f"{part} of {seq}": partial(changed, seq, part) for part in ("body", "hash", "payload") for seq in (5, 30, 31, 60, 185)},
    "cut": lambda database: database.execute("DELETE FROM record WHERE seq > 150"),
    "deleted": lambda database: database.execute("DELETE FROM record WHERE seq IN (30, 31)"),
    "the head": lambda database: database.execute("DELETE FROM record WHERE seq < 10"),
    "all": lambda database: database.execute("DELETE FROM record"),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_was_done_is_left_to_one_process_to_name(ledger, harm, monkeypatch):
    database = sqlite3.connect(ledger, isolation_level=None)
    for trigger in ("record_is_never_changed", "record_is_never_deleted"):
        database.execute(f"DROP TRIGGER {trigger}")
    HARM[harm](database)
    database.close()
    evidence = evidence_for(ledger)
    assert verify_long(ledger, evidence, 190, processes=2, length=30) is None
    expected = verify_records(read_records(ledger), evidence, payloads=True)
    assert not expected.intact
    monkeypatch.setattr(segments, "LONG", 1)
    assert verify(ledger, processes=2).finding is not None


def test_a_process_that_dies_is_no_verdict(ledger, monkeypatch):
    monkeypatch.setattr(segments, "_CODE", "raise SystemExit(1)")
    assert verify_long(ledger, evidence_for(ledger), 190, processes=2, length=30) is None
    monkeypatch.setattr(segments, "LONG", 1)
    assert verify(ledger, processes=2).intact


def test_long_ledgers_are_checked_that_way(ledger, monkeypatch):
    monkeypatch.setattr(segments, "LONG", 1)
    reports = []
    real = segments.verify_long
    monkeypatch.setattr(segments, "verify_long", lambda *args, **options: reports.append(real(*args, **options)) or reports[-1])
    assert verify(ledger, processes=2) == reports[0]
    assert reports[0].intact
    assert verify(ledger, processes=1).intact
    assert len(reports) == 1
