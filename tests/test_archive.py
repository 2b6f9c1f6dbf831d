"""Archives: the chain runs through the files, the ledger verifies with them and without, and guards notice nothing."""

import json
import multiprocessing
import sqlite3
import threading
import time

import pytest
from conftest import leaf, policy, rule

from toolguard import Checkpoints, Guard, LedgerCorrupt, StoreError, verify
from toolguard.audit.anchor import ToFile, read_notes
from toolguard.audit.archive import archive
from toolguard.audit.prove import check_receipt, prove_growth, prove_record
from toolguard.cli import main
from toolguard.stores.file import seal_path
from toolguard.stores.seal import key_text
from toolguard.stores.sqlite import SqliteStore

EVERY = policy([rule(leaf("amount", "gt", 500))])
KEY = bytes(range(32))


def calls(guard, count):
    for amount in range(count):
        assert guard.evaluate("t", {"amount": amount}).allowed


def archived(ledger, to):
    store = SqliteStore(ledger)
    try:
        return archive(store, to, time.time_ns, "ops", "a new year")
    finally:
        store.close()


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "l.db"
    SqliteStore(path, seal_key=KEY).close()
    with Guard(EVERY, ledger=path, capture="full", checkpoints=Checkpoints(anchors=[ToFile(tmp_path / "anchor.txt")])) as guard:
        calls(guard, 10)
    return path


class ErasesMeanwhile(SqliteStore):
    """As if another process erased a value after its record was copied, and before the archive is finished."""

    erased = False

    def scan(self, after=None):
        yield from super().scan(after)
        if not self.erased:
            self.erased = True
            with Guard(EVERY, ledger=self.path) as guard:
                guard.erase([3], ["amount"], by="dpo", reason="asked for")
                guard.erase([5], by="dpo", reason="asked for")


def test_what_is_erased_meanwhile_is_not_in_the_archive(ledger, tmp_path):
    store, to = ErasesMeanwhile(ledger), tmp_path / "a.jsonl"
    archive(store, to, time.time_ns, "ops", "a new year")
    store.close()
    lines = [json.loads(line) for line in to.read_text().splitlines()]
    assert [line["seq"] for line in lines[1:-1] if "amount" in line.get("payload", "")] == [2, 4, *range(6, 12)]
    report = verify(ledger, key=key_text(KEY), archives=[to])
    assert (report.intact, report.remarks) == (True, ())


def test_it_goes_on_behind_the_archive_and_verifies_with_it_and_without(ledger, tmp_path):
    key, archive_file, before = key_text(KEY), tmp_path / "2025.jsonl", verify(ledger)
    record = archived(ledger, archive_file)
    assert (record.seq, record.content["archived"]) == (before.trusted + 1, before.trusted)
    assert record.content["summary"]["verdicts"] == {"allow": 10}
    assert record.content["summary"]["kinds"] == {"start": 1, "decision": 10, "stop": 1, "checkpoint": 1}
    assert verify(archive_file, key=key).head == before.head
    with Guard(EVERY, ledger=ledger) as guard:
        calls(guard, 5)
    alone = verify(ledger, key=key)
    together = verify(ledger, key=key, archives=[archive_file])
    assert (alone.intact, alone.archived, alone.sealed, alone.keyed) == (True, 13, 14 + 8, True)
    assert (together.intact, together.archived, together.head) == (True, 0, alone.head)
    assert verify(ledger, before.head, archives=[archive_file]).intact
    (tmp_path / "head").write_text(before.head)


def test_several_archives(ledger, tmp_path):
    for year in (2023, 2024, 2025):
        archived(ledger, tmp_path / f"{year}.jsonl")
        with Guard(EVERY, ledger=ledger) as guard:
            calls(guard, 5)
    archives = [tmp_path / f"{year}.jsonl" for year in (2023, 2024, 2025)]
    assert verify(ledger, key=key_text(KEY), archives=archives).archived == 0
    assert verify(ledger, key=key_text(KEY), archives=archives[1:]).archived == 13
    assert verify(ledger, archives=archives[:2]).finding.kind == "deleted"
    assert verify(ledger, archives=archives[::-1]).finding.kind in ("inserted", "deleted")
    assert verify(archives[1]).archived == 13


def test_anchors_from_before_and_after(ledger, tmp_path):
    plan = Checkpoints(anchors=[ToFile(tmp_path / "later.txt")])
    archived(ledger, tmp_path / "2025.jsonl")
    with Guard(EVERY, ledger=ledger, checkpoints=plan) as guard:
        calls(guard, 5)
    alone = verify(ledger, anchors=[tmp_path / "anchor.txt", tmp_path / "later.txt"])
    assert (alone.intact, alone.anchored) == (True, 21)
    assert [each.kind for each in alone.remarks] == ["not checked"]
    both = verify(ledger, anchors=[tmp_path / "anchor.txt", tmp_path / "later.txt"], archives=[tmp_path / "2025.jsonl"])
    assert (both.intact, both.anchored, both.remarks) == (True, 21, ())


def test_proofs_before_and_after(ledger, tmp_path):
    archived(ledger, tmp_path / "2025.jsonl")
    with Guard(EVERY, ledger=ledger, capture="full") as guard:
        calls(guard, 5)
    for file, seqs in ((tmp_path / "2025.jsonl", range(1, 13)), (ledger, range(14, 22))):
        for seq in seqs:
            proved = check_receipt(json.dumps(prove_record(file, seq, None)))
            assert (proved.holds, proved.seq) == (True, seq)
    with pytest.raises(StoreError, match="record 5 is in an archive"):
        prove_record(ledger, 5)
    (older,) = read_notes((tmp_path / "anchor.txt").read_text())
    with pytest.raises(StoreError, match="are in an archive"):
        prove_growth(ledger, older)


def forget(database, seq):
    database.execute("DROP TRIGGER record_is_never_deleted")
    database.execute("DELETE FROM record WHERE seq = ?", (seq,))


def test_a_head_that_is_cut_off_is_no_archive(ledger, tmp_path):
    archived(ledger, tmp_path / "2025.jsonl")
    with Guard(EVERY, ledger=ledger) as guard:
        calls(guard, 5)
    database = sqlite3.connect(ledger, isolation_level=None)
    forget(database, 14)
    database.close()
    assert (verify(ledger).finding.kind, verify(ledger).trusted) == ("truncated head", 0)
    with pytest.raises(LedgerCorrupt, match="truncated head"):
        Guard(EVERY, ledger=ledger)


def test_an_archive_that_was_altered_shows(ledger, tmp_path):
    archived(ledger, tmp_path / "2025.jsonl")
    lines = (tmp_path / "2025.jsonl").read_text()
    (tmp_path / "2025.jsonl").write_text(lines.replace('[\\\\\\"amount\\\\\\",3]', '[\\\\\\"amount\\\\\\",4]'))
    assert (tmp_path / "2025.jsonl").read_text() != lines
    finding = verify(ledger, archives=[tmp_path / "2025.jsonl"]).finding
    assert (finding.kind, finding.seq) == ("altered", 5)


def test_what_is_not_archived(ledger, tmp_path):
    (tmp_path / "there.jsonl").write_text("")
    with pytest.raises(StoreError, match="is there already"):
        archived(ledger, tmp_path / "there.jsonl")
    with pytest.raises(StoreError, match="cannot be written"):
        archived(ledger, tmp_path / "nowhere" / "x.jsonl")
    empty = tmp_path / "empty.db"
    with pytest.raises(StoreError, match="there are no records"):
        archived(empty, tmp_path / "empty.jsonl")
    before = verify(ledger).head
    database = sqlite3.connect(ledger, isolation_level=None)
    database.execute("DROP TRIGGER record_is_never_changed")
    database.execute("UPDATE record SET body = CAST(replace(CAST(body AS TEXT), 'allow', 'denyx') AS BLOB) WHERE seq = 5")
    with pytest.raises(LedgerCorrupt, match="so it is not archived: record 5: altered"):
        archived(ledger, tmp_path / "2025.jsonl")
    assert database.execute("SELECT count(*) FROM record").fetchone() == (13,)
    database.close()
    assert before.startswith("13:")
    assert sorted(path.name for path in tmp_path.glob("*.part")) == []


def test_guards_go_on_meanwhile(ledger, tmp_path):
    done = threading.Event()
    with Guard(EVERY, ledger=ledger, checkpoints=Checkpoints(every=20)) as guard:

        def work():
            while not done.is_set():
                calls(guard, 3)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for year in range(3):
            archived(ledger, tmp_path / f"{year}.jsonl")
        done.set()
        for thread in threads:
            thread.join()
    report = verify(ledger, key=key_text(KEY), archives=[tmp_path / f"{year}.jsonl" for year in range(3)])
    assert report.intact, report.finding
    assert report.archived == 0
    assert verify(ledger, key=key_text(KEY)).intact


def deciding(path, ready, done):
    with Guard(EVERY, ledger=path) as guard:
        ready.set()
        while not done.is_set():
            calls(guard, 3)


def test_guards_in_other_processes_go_on_meanwhile(ledger, tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=deciding, args=(ledger, ready, done))
    process.start()
    assert ready.wait(30)
    for year in range(3):
        archived(ledger, tmp_path / f"{year}.jsonl")
    done.set()
    process.join(30)
    assert process.exitcode == 0
    report = verify(ledger, key=key_text(KEY), archives=[tmp_path / f"{year}.jsonl" for year in range(3)])
    assert report.intact, report.finding


def test_the_space_is_given_back(ledger, tmp_path):
    with Guard(EVERY, ledger=ledger, durability="process") as guard:
        calls(guard, 400)
    before = ledger.stat().st_size
    archived(ledger, tmp_path / "2025.jsonl")
    assert ledger.stat().st_size < before / 5


def test_with_the_seal_of_the_wrong_ledger_it_is_not_archived(ledger, tmp_path):
    with Guard(EVERY, ledger=tmp_path / "other.db") as guard:
        calls(guard, 10)
    seal_path(ledger).write_bytes(seal_path(tmp_path / "other.db").read_bytes())
    with pytest.raises(LedgerCorrupt, match="another ledger's"):
        archived(ledger, tmp_path / "2025.jsonl")


def test_from_the_command_line(ledger, tmp_path, capsys):
    given = [str(ledger), str(tmp_path / "2025.jsonl"), "--by", "ops", "--reason", "a new year"]
    assert main(["archive", *given]) == 0
    assert "moved 13 records" in capsys.readouterr().out
    assert main(["archive", *given]) == 1
    assert main(["verify", str(ledger)]) == 0
    assert "it begins behind 13 records that are in an archive" in capsys.readouterr().out
    assert main(["verify", str(ledger), "--archive", str(tmp_path / "2025.jsonl")]) == 0
    assert "archive" not in capsys.readouterr().out
    assert main(["archive", str(ledger), "x.db", "--by", "ops", "--reason", "x"]) == 2
    assert main(["archive", str(ledger) + "x", "x.jsonl", "--by", "ops", "--reason", "x"]) == 2


def test_a_beginning_that_was_cut_off_in_the_guise_of_an_archive(ledger, tmp_path):
    """Whoever owns the machine can archive, and throw the archive away. What was noted or kept elsewhere before asks for it."""
    noted = verify(ledger).head
    archived(ledger, tmp_path / "2025.jsonl")
    assert verify(ledger, noted).intact, "the very end of the archive is in the ledger"
    with Guard(EVERY, ledger=ledger) as guard:
        calls(guard, 5)
    middle = "5:" + "0" * 64
    for given in ({"head": middle}, {"anchors": [tmp_path / "anchor.txt"]}):
        report = verify(ledger, **given)
        assert (report.intact, report.finding.kind) == (False, "not checked")
    assert verify(ledger, middle, archives=[tmp_path / "2025.jsonl"]).finding.kind == "rewritten"
    assert verify(ledger, "13:" + "0" * 64).finding.kind == "rewritten"
    assert verify(ledger, anchors=[tmp_path / "anchor.txt"], archives=[tmp_path / "2025.jsonl"]).intact
