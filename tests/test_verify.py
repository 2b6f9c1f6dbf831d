"""What can be done to a ledger file, and what the verifier says it was."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from conftest import leaf, opened, policy, rule
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolguard import Guard, LedgerCorrupt, StoreError, guarded, verify
from toolguard.audit.chain import VERSIONS, link, seal
from toolguard.audit.coverage import Evidence
from toolguard.audit.sign import Verifier
from toolguard.audit.verify import verify as verify_records
from toolguard.model import Record
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.file import seal_path
from toolguard.stores.seal import Seal

GOLDEN = Path(__file__).parent / "golden"
WRITTEN_ONCE = sorted(path.stem for path in GOLDEN.glob("records_*.jsonl"))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """A ledger with starts, decisions, outcomes, an approval, stops and checkpoints: 14 records."""
    path = tmp_path_factory.mktemp("ledger") / "l.db"
    policies = [policy([rule(leaf("amount", "gt", 500)), rule(leaf("amount", "gt", 200), "escalate", "ask")])]
    with Guard(policies, ledger=path, approver=lambda _: True) as guard:
        pay = guarded(guard, tool="t")(lambda amount: amount)
        for amount in (1, 300, 2):
            pay(amount)
        guard.evaluate("t", {"amount": 900})
    with Guard(policies, ledger=path):
        pass
    assert verify(path).trusted == 14
    return path


@pytest.fixture
def copy(ledger, tmp_path):
    """(path of a copy, function that runs SQL on it as somebody with the file would)."""
    path = Path(shutil.copy(ledger, tmp_path / "copy.db"))
    shutil.copy(seal_path(ledger), seal_path(path))
    database = sqlite3.connect(path, isolation_level=None)
    for trigger in ("record_is_never_changed", "record_is_never_deleted"):
        database.execute(f"DROP TRIGGER {trigger}")
    yield path, database.execute
    database.close()


def edited(record, **changes):
    """A record with other content, hashed anew as a forger would."""
    body = json.dumps(json.loads(record.body) | changes, separators=(",", ":")).encode()
    return Record(record.seq, body, seal(body))


def put(sql, record):
    sql("INSERT OR REPLACE INTO record VALUES (?, ?, ?, NULL)", (record.seq, record.body, record.hash))


def records_of(sql):
    return [Record(*row) for row in sql("SELECT seq, body, hash FROM record ORDER BY seq")]


def flip_a_byte(sql):
    sql("UPDATE record SET body = CAST(replace(CAST(body AS TEXT), 'allow', 'denyx') AS BLOB) WHERE seq = 2")


def edit_and_rehash(sql):
    put(sql, edited(records_of(sql)[3], reason="nothing to see"))


def delete_in_the_middle(sql):
    sql("DELETE FROM record WHERE seq IN (4, 5)")


def delete_and_renumber(sql):
    sql("DELETE FROM record WHERE seq = 4")
    sql("UPDATE record SET seq = seq - 1 WHERE seq > 4")


def cut_the_head(sql):
    sql("DELETE FROM record WHERE seq <= 3")


def cut_the_head_and_renumber(sql):
    sql("DELETE FROM record WHERE seq <= 3")
    sql("UPDATE record SET seq = seq - 3")


def swap(sql):
    sql("UPDATE record SET seq = 100 WHERE seq = 4")
    sql("UPDATE record SET seq = 4 WHERE seq = 5")
    sql("UPDATE record SET seq = 5 WHERE seq = 100")


def insert_between(sql):
    records = records_of(sql)
    sql("UPDATE record SET seq = seq + 100 WHERE seq > 4")
    sql("UPDATE record SET seq = seq - 99 WHERE seq > 100")
    put(sql, link(4, records[3].hash, "decision", 0, {"verdict": "allow"}))


def repeat_a_record(sql):
    sql("UPDATE record SET seq = seq + 100 WHERE seq > 4")
    sql("UPDATE record SET seq = seq - 99 WHERE seq > 100")
    sql("INSERT INTO record SELECT 5, body, hash, payload FROM record WHERE seq = 4")


def another_version(sql):
    put(sql, edited(records_of(sql)[13], v=3))


def not_json(sql):
    put(sql, Record(14, b"\xff\xfe", seal(b"\xff\xfe")))


def other_hash(sql):
    sql("UPDATE record SET hash = zeroblob(32) WHERE seq = 7")


def before_the_first(sql):
    body = link(-1, EMPTY_HASH, "decision", 0, {"verdict": "allow"})
    put(sql, body)


MANIPULATIONS = {
    flip_a_byte: ("altered", 2),
    edit_and_rehash: ("altered", 4),
    delete_in_the_middle: ("deleted", 4),
    delete_and_renumber: ("reordered", 4),
    cut_the_head: ("truncated head", 1),
    cut_the_head_and_renumber: ("reordered", 1),
    swap: ("reordered", 4),
    insert_between: ("inserted", 5),
    repeat_a_record: ("inserted", 4),  # which of the two is the copy cannot be told
    before_the_first: ("inserted", 0),
    another_version: ("unknown version", 14),
    not_json: ("unknown version", 14),
    other_hash: ("altered", 7),
}


@pytest.mark.parametrize("harm", MANIPULATIONS, ids=lambda f: f.__name__)
def test_a_manipulation_is_named_with_its_record(copy, harm):
    path, sql = copy
    harm(sql)
    report = verify(path)
    assert not report.intact
    assert (report.finding.kind, report.finding.seq) == MANIPULATIONS[harm]
    assert report.trusted == max(0, report.finding.seq - 1)
    with pytest.raises(LedgerCorrupt, match=r"does not verify|was cut short|was written anew"):
        Guard(policy([rule(leaf("a", "exists"))]), ledger=path)


def test_what_only_a_head_noted_elsewhere_shows(ledger, copy):
    """Without a seal, cutting the tail and forging everything anew leave a chain that holds; the noted head tells."""
    noted = verify(ledger).head
    path, sql = copy
    seal_path(path).unlink()
    sql("DELETE FROM record WHERE seq > 8")
    assert verify(path).finding.kind == "unsealed"
    assert verify(path, noted).finding.kind == "truncated tail"
    last = EMPTY_HASH
    for record in records_of(sql):
        forged = link(record.seq - 1, last, "decision", 0, {"verdict": "allow"})
        put(sql, forged)
        last = forged.hash
    assert verify(path).finding.kind == "unsealed"
    assert verify(path, verify(ledger).head).finding.kind == "truncated tail"
    eighth = f"8:{read(ledger)[7].hash.hex()}"
    assert (verify(path, eighth).finding.kind, verify(path, eighth).finding.seq) == ("rewritten", 8)
    assert verify(ledger, eighth).intact


def read(path):
    database = sqlite3.connect(path)
    rows = database.execute("SELECT seq, body, hash FROM record ORDER BY seq").fetchall()
    database.close()
    return [Record(*row) for row in rows]


def test_a_table_of_another_shape_is_damage_and_no_crash(copy):
    path, sql = copy
    sql("ALTER TABLE record RENAME TO old")
    sql("CREATE TABLE record (seq, body, hash, payload)")
    sql("INSERT INTO record SELECT seq, CAST(body AS TEXT), hash, payload FROM old")
    with pytest.raises(LedgerCorrupt, match="not those of a ledger"):
        verify(path)


ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n AS seq, x'' AS body, x'' AS hash FROM t"


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TRIGGER z BEFORE INSERT ON record BEGIN SELECT RAISE(IGNORE); END"],
        ["CREATE TABLE other (x)"],
        ["DROP TABLE record"],
        ["DROP TABLE record", f"CREATE VIEW record AS {ENDLESS} WHERE n < 0"],
    ],
)
def test_nothing_else_in_the_file_can_answer_for_the_ledger(copy, statements):
    path, sql = copy
    for statement in statements:
        sql(statement)
    with pytest.raises(LedgerCorrupt, match="not those of a ledger"):
        verify(path)
    with pytest.raises(LedgerCorrupt):
        Guard(policy([rule(leaf("a", "exists"))]), ledger=path)


def test_an_emptied_ledger_shows_against_its_head(ledger, copy):
    path, sql = copy
    sql("DELETE FROM record")
    assert verify(path, verify(ledger).head).finding.kind == "truncated tail"
    assert verify(path).trusted == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.data())
def test_no_changed_byte_goes_unnoticed(ledger, data):
    records = read(ledger)
    index = data.draw(st.integers(0, len(records) - 1))
    record = records[index]
    part = data.draw(st.sampled_from(["body", "hash"]))
    changed = bytearray(getattr(record, part))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    forged = Record(record.seq, **{"body": record.body, "hash": record.hash, part: bytes(changed)})
    records[index] = forged
    report = verify_records(records)
    assert not report.intact
    assert report.trusted == index


@given(st.data())
def test_no_cut_swap_or_copy_inside_goes_unnoticed(ledger, data):
    records = read(ledger)
    a, b = sorted(data.draw(st.lists(st.integers(0, len(records) - 2), min_size=2, max_size=2, unique=True)))
    kind = data.draw(st.sampled_from(["swap", "cut", "copy", "renumbered cut"]))
    if kind == "swap":
        records[a], records[b] = records[b], records[a]
    elif kind == "copy":
        records.insert(b + 1, records[a])
    else:
        del records[a : b + 1]
    if kind != "cut":
        records = [Record(i + 1, r.body, r.hash) for i, r in enumerate(records)]
    assert not verify_records(records).intact


def test_there_is_a_golden_file_of_every_version():
    assert {f"v{version}" for version in VERSIONS} == {name.split("_")[1] for name in WRITTEN_ONCE}


@pytest.mark.parametrize("name", WRITTEN_ONCE)
def test_old_formats_verify_forever(name):
    """Written once by the version that introduced the format, and never edited. Sealed with the first key 00 01 02 ... 1f."""
    rows = [json.loads(line) for line in (GOLDEN / f"{name}.jsonl").read_text().splitlines()]
    payloads = [row.get("payload") for row in rows]
    records = [
        Record(row["seq"], row["body"].encode(), bytes.fromhex(row["hash"]), payload and payload.encode())
        for row, payload in zip(rows, payloads, strict=True)
    ]
    report = verify_records(records, payloads="v1" not in name)
    assert report.intact
    assert report.remarks == ()
    assert report.head == f"{len(rows)}:{rows[-1]['hash']}" == (GOLDEN / f"{name}.head").read_text().strip()


def test_what_the_golden_checkpoint_says_still_holds():
    rows = [json.loads(line) for line in (GOLDEN / "records_v2.jsonl").read_text().splitlines()]
    records = [Record(row["seq"], row["body"].encode(), bytes.fromhex(row["hash"])) for row in rows]
    evidence = Evidence(
        verifiers=[Verifier.parse("golden.example/ledger+f87079b5+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4")]
    )
    report = verify_records(records, evidence)
    assert (report.intact, report.checkpoints, report.signed) == (True, 1, len(rows) - 1)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM document", "which record 1 says were in force, are gone"),
        ("UPDATE document SET body = CAST(replace(CAST(body AS TEXT), '500', '900') AS BLOB)", "is something else"),
        ("UPDATE document SET body = x'00'", "is something else"),
        ("UPDATE document SET name = 'x'", "is something else"),
        ("INSERT INTO document VALUES ('policies 00', x'7b7d')", "is something else"),
    ],
)
def test_the_policies_that_are_kept_are_those_that_the_records_name(copy, sql, said):
    path, execute = copy
    execute(sql)
    report = verify(path)
    assert (report.finding.kind, report.trusted) == ("altered", 14)
    assert said in report.finding.message


def written(most):
    leaf = {"field": "parameters.amount", "operator": "gt", "value": most}
    rules = [{"rule_id": "cap", "name": "Cap", "effect": "deny", "conditions": leaf}]
    return json.dumps({"policy_id": "p", "scope": {"tool_names": ["t"]}, "rules": rules})


def test_policies_of_which_only_a_reload_tells(tmp_path):
    path, source = tmp_path / "l.db", tmp_path / "p.yaml"
    source.write_text(written(500))
    with Guard(source, ledger=path) as guard:
        source.write_text(written(100))
        revision = guard.reload()
    assert list(verify(path).revisions.values()) == [1, 2]
    with opened(path) as database:
        database.execute("DELETE FROM document WHERE name = ?", (f"policies {revision}",))
    assert f"the policies of revision {revision[:12]}, which record 2 says" in verify(path).finding.message


def test_without_its_seal_a_ledger_needs_something_else_that_holds_its_end(ledger, copy):
    path, _ = copy
    head = verify(path).head
    seal_path(path).unlink()
    report = verify(path)
    assert (report.finding.kind, report.trusted, report.head) == ("unsealed", 14, head)
    assert "give a head or a checkpoint" in report.finding.message
    assert verify(path, head).intact


def test_a_head_that_is_none(ledger):
    for text in ("", "5", "0:" + "f" * 64, "5:ab", "x:" + "0" * 64, "5:" + "g" * 64):
        if text:
            with pytest.raises(ValueError, match="is not a head"):
                verify(ledger, text)


def test_a_ledger_that_cannot_be_read(tmp_path):
    with pytest.raises(StoreError, match="there is no ledger"):
        verify(tmp_path / "none.db")


def test_what_is_no_ledger_at_all_is_not_called_a_damaged_one(tmp_path):
    """Unless a seal lies beside it: then it was one."""
    text, other = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("notes " * 1000)
    with opened(other) as database:
        database.execute("CREATE TABLE record (x)")
    for path in (text, other):
        with pytest.raises(StoreError, match=r"no ledger|not a ledger") as raised:
            verify(path)
        assert not isinstance(raised.value, LedgerCorrupt)
        seal_path(path).write_bytes(Seal.begin(bytes(32)).to_bytes())
        with pytest.raises(LedgerCorrupt):
            verify(path)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO state VALUES (CAST(x'ff41' AS TEXT), x'00')",
        "INSERT INTO document VALUES (CAST(x'ff41' AS TEXT), x'00')",
        "INSERT INTO halt VALUES (CAST(x'ff' AS TEXT), x'00')",
    ],
)
def test_a_text_that_is_none_is_damage(copy, sql):
    path, execute = copy
    execute(sql)
    with pytest.raises(LedgerCorrupt, match="UTF-8"):
        verify(path)
