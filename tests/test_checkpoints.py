"""Checkpoints: made in the background, signed, copied elsewhere; what they show, and how a ledger is opened from them."""

import gc
import http.server
import json
import os
import sqlite3
import subprocess
import threading
import time

import pytest
from conftest import leaf, policy, rule

from toolguard import Checkpoints, Guard, LedgerCorrupt, verify
from toolguard.audit import checkpoint as checkpoint_module
from toolguard.audit.anchor import ToFile, ToGit, ToHttp, ToSyslog, read_notes
from toolguard.audit.chain import link
from toolguard.audit.merkle import Tree
from toolguard.audit.note import Note
from toolguard.audit.sign import Signer
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.file import read_records, seal_path
from toolguard.stores.seal import Seal
from toolguard.stores.sqlite import SqliteStore

EVERY = policy([rule(leaf("amount", "gt", 500))])
SIGNER = Signer("acme.example/agents", bytes(range(32)))
VERIFIER = str(SIGNER.verifier)
OTHER = str(Signer("acme.example/agents", bytes(32)).verifier)


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "signing.key"
    path.write_text(f"{SIGNER}\n")
    path.chmod(0o600)
    return path


def calls(guard, count):
    for amount in range(count):
        guard.evaluate("t", {"amount": amount})


def wait_until(holds):
    end = time.monotonic() + 10
    while not holds() and time.monotonic() < end:
        time.sleep(0.005)
    assert holds()


def of_kind(store, kind):
    records = store.scan() if hasattr(store, "scan") else read_records(store)
    return [record.content for record in records if record.content["kind"] == kind]


def test_one_every_so_many_records_and_one_at_the_end(tmp_path):
    path = tmp_path / "l.db"
    with Guard(EVERY, ledger=path, checkpoints=Checkpoints(every=10)) as guard:
        for n in range(1, 4):
            calls(guard, 12)
            wait_until(lambda n=n: len(of_kind(guard.store, "checkpoint")) >= n)
    report = verify(path)
    assert report.intact
    assert report.checkpoints >= 4
    last = list(read_records(path))[-1].content
    assert (last["kind"], last["size"]) == ("checkpoint", last["seq"] - 1)


def test_one_every_so_often_but_only_when_there_was_something(guard):
    made = guard(EVERY, checkpoints=Checkpoints(seconds=0.02))
    wait_until(lambda: len(of_kind(made.store, "checkpoint")) == 1)
    time.sleep(0.1)
    assert len(of_kind(made.store, "checkpoint")) == 1
    calls(made, 1)
    wait_until(lambda: len(of_kind(made.store, "checkpoint")) == 2)


def test_the_root_is_that_of_the_records(tmp_path):
    path = tmp_path / "l.db"
    with Guard(EVERY, ledger=path) as guard:
        calls(guard, 7)
    *records, last = read_records(path)
    tree = Tree()
    for record in records:
        tree.add(record.hash)
    found = Note.parse(last.content["note"]).checkpoint
    assert (found.size, found.root) == (len(records), tree.root())
    assert found.origin == f"toolguard/{records[0].content['ledger'][:32]}"


def test_signed_it_says_by_whom_and_how_far(tmp_path, key):
    path = tmp_path / "l.db"
    with Guard(EVERY, ledger=path, checkpoints=Checkpoints(signing_key=key, every=5)) as guard:
        calls(guard, 20)
    report = verify(path, verifiers=[VERIFIER])
    assert (report.intact, report.trusted - report.signed) == (True, 1)
    assert verify(path, verifiers=[OTHER, VERIFIER]).intact
    assert verify(path, verifiers=[OTHER]).finding.kind == "bad signature"
    with Guard(EVERY, ledger=path) as guard:  # somebody goes on without the key
        calls(guard, 1)
    assert verify(path).intact
    assert verify(path, verifiers=[VERIFIER]).finding.kind == "bad signature"


def test_unsigned_is_not_signed(tmp_path):
    with Guard(EVERY, ledger=tmp_path / "l.db"):
        pass
    report = verify(tmp_path / "l.db", verifiers=[VERIFIER])
    assert (report.finding.kind, report.trusted) == ("unsigned", 0)


def forged(path, change):
    """The whole ledger written anew by somebody who owns the machine, but neither the signing key nor the seal's first key."""
    contents = [record.content for record in read_records(path)]
    made, last, tree = [], EMPTY_HASH, Tree()
    for seq, content in enumerate(change(contents)):
        own = {name: value for name, value in content.items() if name not in ("v", "seq", "prev", "time", "kind")}
        if content["kind"] == "checkpoint":
            first = made[0].content["ledger"][:32]
            note = Note(f"acme.example/agents/{first}\n{tree.size}\n{base64(tree.root())}\n")
            own = {"size": tree.size, "note": str(note), "peaks": [peak.hex() for peak in tree.peaks]}
        record = link(seq, last, content["kind"], content["time"], own)
        made.append(record)
        tree.add(record.hash)
        last = record.hash
    database = sqlite3.connect(path, isolation_level=None)
    for trigger in ("record_is_never_changed", "record_is_never_deleted"):
        database.execute(f"DROP TRIGGER {trigger}")
    database.execute("DELETE FROM record")
    database.executemany("INSERT INTO record VALUES (?, ?, ?, NULL)", [(r.seq, r.body, r.hash) for r in made])
    database.close()
    old = Seal.from_bytes(seal_path(path).read_bytes())
    fresh = Seal.begin(bytes(32)).over([(record.seq, record.hash) for record in made])
    seal_path(path).write_bytes(Seal(fresh.seq, fresh.head, fresh.tag, fresh.key, old.commitment).to_bytes())


def base64(data):
    return __import__("base64").b64encode(data).decode()


def other_verdicts(contents):
    return [content | {"verdict": "deny"} if content["kind"] == "decision" else content for content in contents]


@pytest.mark.parametrize("change", [other_verdicts, lambda contents: contents[:9], lambda contents: contents[:1]])
def test_a_ledger_written_anew_shows_against_an_anchor_and_a_signature(tmp_path, key, change):
    path, anchor = tmp_path / "l.db", tmp_path / "anchor.txt"
    plan = Checkpoints(signing_key=key, anchors=[ToFile(anchor)])
    with Guard(EVERY, ledger=path, checkpoints=plan) as guard:
        calls(guard, 20)
    report = verify(path, anchors=[anchor], verifiers=[VERIFIER])
    assert (report.intact, report.trusted, report.signed, report.anchored) == (True, 23, 22, 22)
    forged(path, change)
    assert verify(path).intact, "nothing on this machine can tell"
    assert verify(path, anchors=[anchor]).finding.kind in ("rewritten", "truncated tail")
    assert verify(path, verifiers=[VERIFIER]).finding.kind in ("unsigned", "bad signature")


def test_an_anchor_of_another_ledger_and_a_forged_one(tmp_path, key):
    for name in ("a", "b"):
        plan = Checkpoints(signing_key=key, anchors=[ToFile(tmp_path / f"{name}.txt")])
        with Guard(EVERY, ledger=tmp_path / f"{name}.db", checkpoints=plan) as guard:
            calls(guard, 3)
    assert verify(tmp_path / "a.db", anchors=[tmp_path / "a.txt"]).intact
    assert verify(tmp_path / "a.db", anchors=[tmp_path / "b.txt"]).finding.kind == "another ledger's"
    assert verify(tmp_path / "a.db", anchors=[tmp_path / "a.txt"], verifiers=[OTHER]).finding.kind == "bad signature"
    (tmp_path / "none.txt").write_text("nothing here\n")
    with pytest.raises(ValueError, match="there is no checkpoint in it"):
        verify(tmp_path / "a.db", anchors=[tmp_path / "none.txt"])


def test_the_seal_of_another_ledger(tmp_path):
    for name in ("a", "b"):
        with Guard(EVERY, ledger=tmp_path / f"{name}.db") as guard:
            calls(guard, 3)
    seal_path(tmp_path / "a.db").write_bytes(seal_path(tmp_path / "b.db").read_bytes())
    assert verify(tmp_path / "a.db").finding.kind == "another ledger's"
    with pytest.raises(LedgerCorrupt, match="another ledger's"):
        Guard(EVERY, ledger=tmp_path / "a.db")


def test_an_anchor_that_fails_is_on_record_and_the_next_one_makes_up_for_it(tmp_path):
    path, anchor = tmp_path / "l.db", tmp_path / "later" / "anchor.txt"
    with Guard(EVERY, ledger=path, checkpoints=Checkpoints(anchors=[ToFile(anchor)], every=5)) as guard:
        calls(guard, 6)
        wait_until(lambda: of_kind(guard.store, "anchor"))
        failed = of_kind(guard.store, "anchor")[0]
        assert (failed["anchor"], failed["error"]) == (repr(ToFile(anchor)), "FileNotFoundError")
        anchor.parent.mkdir()
    report = verify(path, anchors=[anchor])
    assert (report.intact, report.trusted - report.anchored) == (True, 1)


def test_to_git(tmp_path):
    repository = tmp_path / "repository"
    environment = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "n"), ("EMAIL", "e@x"))}

    def git(*args):
        return subprocess.run(["git", *args], check=True, capture_output=True, text=True).stdout

    with pytest.MonkeyPatch.context() as patch:
        for name, value in (environment | who).items():
            patch.setenv(name, value)
        git("init", "-q", str(repository))
        git("-C", str(repository), "commit", "-q", "--allow-empty", "-m", "one")
        path = tmp_path / "l.db"
        with Guard(EVERY, ledger=path, checkpoints=Checkpoints(anchors=[ToGit(repository)], every=3)) as guard:
            calls(guard, 4)
            wait_until(lambda: of_kind(guard.store, "checkpoint"))
        (tmp_path / "notes.txt").write_text(git("-C", str(repository), "notes", "--ref=toolguard", "show"))
    report = verify(path, anchors=[tmp_path / "notes.txt"])
    assert (report.intact, report.trusted - report.anchored) == (True, 1)
    assert len(read_notes((tmp_path / "notes.txt").read_text())) == 2


def test_to_an_address(tmp_path):
    received = []

    class Witness(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.headers["Authorization"], self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(200 if len(received) > 1 else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Witness)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    anchor = ToHttp(f"http://127.0.0.1:{server.server_port}/", {"Authorization": "Bearer secret"})
    with Guard(EVERY, ledger=tmp_path / "l.db", checkpoints=Checkpoints(anchors=[anchor], every=3)) as guard:
        calls(guard, 4)
        wait_until(lambda: of_kind(guard.store, "anchor"))
    server.shutdown()
    server.server_close()
    assert of_kind(tmp_path / "l.db", "anchor")[0]["error"] == "HTTPError"
    assert b"secret" not in (tmp_path / "l.db").read_bytes()
    (tmp_path / "received.txt").write_text("".join(note for _, note in received))
    assert received[-1][0] == "Bearer secret"
    assert verify(tmp_path / "l.db", anchors=[tmp_path / "received.txt"]).anchored > 0
    with pytest.raises(ValueError, match="https://"):
        ToHttp("file:///etc/passwd")("x")


def test_what_a_system_log_gives_back(tmp_path, monkeypatch):
    syslog = pytest.importorskip("syslog")
    path, anchor = tmp_path / "l.db", tmp_path / "syslog"
    lines, opened = [], []
    monkeypatch.setattr(syslog, "openlog", lambda *given: opened.append(given))
    monkeypatch.setattr(syslog, "syslog", lambda priority, line: lines.append(f"Nov 25 host toolguard: {line}"))
    with Guard(EVERY, ledger=path, checkpoints=Checkpoints(anchors=[ToSyslog("agents")])):
        pass
    assert opened == [("agents", 0, syslog.LOG_AUTH)]
    assert all("\n" not in line for line in lines)
    anchor.write_text("\n".join(lines) + "\n")
    assert verify(path, anchors=[anchor]).anchored == 2


@pytest.fixture
def long_ledger(tmp_path, key, monkeypatch):
    """A ledger that is long for what is checked when it is opened."""
    monkeypatch.setattr(checkpoint_module, "CHECKED", 20)
    path = tmp_path / "l.db"
    for _ in range(4):
        with Guard(EVERY, ledger=path, checkpoints=Checkpoints(signing_key=key)) as guard:
            calls(guard, 25)
    return path


def edited(path, seq):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("DROP TRIGGER record_is_never_changed")
    database.execute(
        "UPDATE record SET body = CAST(replace(CAST(body AS TEXT), 'allow', 'denyx') AS BLOB) WHERE seq = ?", (seq,)
    )
    database.close()


@pytest.mark.parametrize(("seq", "opens"), [(5, True), (60, True), (90, False), (110, False)])
def test_a_long_ledger_is_checked_from_a_checkpoint_on(long_ledger, key, seq, opens):
    edited(long_ledger, seq)
    assert verify(long_ledger).finding.seq == seq
    if opens:
        Guard(EVERY, ledger=long_ledger, checkpoints=Checkpoints(signing_key=key)).close()
    else:
        with pytest.raises(LedgerCorrupt, match=f"record {seq}: altered"):
            Guard(EVERY, ledger=long_ledger, checkpoints=Checkpoints(signing_key=key))


def test_with_another_key_it_is_checked_from_the_beginning(long_ledger, tmp_path):
    other = tmp_path / "other.key"
    other.write_text(str(Signer("acme.example/agents", bytes(32))))
    other.chmod(0o600)
    edited(long_ledger, 5)
    with pytest.raises(LedgerCorrupt, match="record 5: altered"):
        Guard(EVERY, ledger=long_ledger, checkpoints=Checkpoints(signing_key=other))


def test_checkpoints_go_on_from_where_the_ledger_was_opened(long_ledger, key):
    with Guard(EVERY, ledger=long_ledger, checkpoints=Checkpoints(signing_key=key)) as guard:
        calls(guard, 3)
    report = verify(long_ledger, verifiers=[VERIFIER])
    assert (report.intact, report.checkpoints, report.trusted - report.signed) == (True, 5, 1)


def test_several_processes_make_checkpoints_of_one_ledger(tmp_path):
    path = tmp_path / "l.db"
    first, second = (Guard(EVERY, ledger=path, checkpoints=Checkpoints(every=10)) for _ in range(2))
    for _ in range(40):
        calls(first, 1)
        calls(second, 1)
    second.close()
    first.close()
    report = verify(path)
    assert report.intact
    assert report.checkpoints >= 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_makes_its_own(tmp_path):
    path = tmp_path / "l.db"
    guard = Guard(EVERY, ledger=path, checkpoints=Checkpoints(every=10))
    calls(guard, 3)
    child = os.fork()
    if not child:
        status = 1
        try:
            calls(guard, 12)
            wait_until(lambda: of_kind(guard.store, "checkpoint"))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    guard.close()
    assert verify(path).intact


def test_a_forgotten_guard_ends_its_thread(tmp_path):
    guard = Guard(EVERY, ledger=tmp_path / "l.db")
    calls(guard, 1)
    thread = guard._log._checkpointer._thread
    assert thread.is_alive()
    database = guard.store._handle.database
    del guard
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()
    database.close()


@pytest.mark.parametrize("options", [{"every": 0}, {"seconds": 0}])
def test_plans_that_are_none(options):
    with pytest.raises(ValueError, match="at least one record and some time"):
        Checkpoints(**options)


def test_what_a_checkpoint_of_another_ledgers_records_is(tmp_path):
    """A checkpoint in the chain whose root is not that of the records before it."""
    store = SqliteStore(tmp_path / "l.db")
    for _ in range(3):
        store.append(lambda seq, last: link(seq, last, "note", 1, {}))
    tree = Tree()
    for _ in range(3):
        tree.add(b"another")
    note = Note(f"x/{'0' * 32}\n3\n{base64(tree.root())}\n")
    peaks = [peak.hex() for peak in tree.peaks]
    store.append(lambda seq, last: link(seq, last, "checkpoint", 1, {"size": 3, "note": str(note), "peaks": peaks}))
    store.close()
    assert (verify(tmp_path / "l.db").finding.kind, verify(tmp_path / "l.db").trusted) == ("rewritten", 0)


ONE = f"a\n1\n{'A' * 43}=\n\n"


@pytest.mark.parametrize("content", [{}, {"note": 5}, {"note": "x", "peaks": []}, {"note": ONE, "peaks": []}])
def test_a_checkpoint_that_cannot_be_read(tmp_path, content):
    store = SqliteStore(tmp_path / "l.db")
    store.append(lambda seq, last: link(seq, last, "checkpoint", 1, content))
    store.close()
    assert verify(tmp_path / "l.db").finding.kind == "altered"


def test_a_clock_that_went_back_is_remarked(tmp_path):
    times = iter([5_000_000_000, 2_500_000_000, *range(6_000_000_000, 6_000_000_100)])
    with Guard(EVERY, ledger=tmp_path / "l.db", now=lambda: next(times)) as guard:
        calls(guard, 1)
    report = verify(tmp_path / "l.db")
    assert report.intact
    assert [(each.kind, each.seq, each.message) for each in report.remarks] == [
        ("clock went back", 2, "by 2.500 s since the record before it")
    ]


def test_the_policies_are_kept_with_their_revision(guard):
    made = guard(EVERY)
    kept = json.loads(made.store.kept(f"policies {made.revision}"))
    assert kept["policies"][0]["policy_id"] == "p"
