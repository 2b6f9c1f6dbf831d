"""An export can be checked alone, and what was done to it shows."""

import json
import re
from pathlib import Path

import pytest
from conftest import leaf, policy, rule

from toolguard import Guard, LedgerCorrupt, StoreError, verify
from toolguard.audit.select import KINDS
from toolguard.cli import main
from toolguard.cli.terminal import INTERNAL, OK, VERIFICATION_FAILED
from toolguard.model import Record
from toolguard.stores.seal import key_text
from toolguard.stores.sqlite import SqliteStore

KEY = bytes(range(32))
HERE = Path(__file__).parent


@pytest.fixture
def exported(tmp_path, capsys):
    """(path of an export of 11 records, its lines)"""
    ledger, path = tmp_path / "l.db", tmp_path / "l.jsonl"
    SqliteStore(ledger, seal_key=KEY).close()
    with Guard([policy([rule(leaf("amount", "gt", 500), name="Grenze für Erstattungen")])], ledger=ledger) as guard:
        for amount in range(400, 1400, 100):
            guard.evaluate("t", {"amount": amount})
    assert main(["export", str(ledger), "--output", str(path)]) == OK
    assert main(["export", str(ledger)]) == OK
    said, _, out = capsys.readouterr().out.partition("\n")
    assert (said, out) == (f"wrote 13 records to `{path}`", path.read_text())
    return path, path.read_text().splitlines()


def test_it_verifies_alone_with_and_without_the_key(exported, tmp_path):
    path, lines = exported
    (tmp_path / "l.db").unlink()
    assert len(lines) == 15
    report = verify(path, key=key_text(KEY))
    assert (report.intact, report.trusted, report.sealed, report.keyed) == (True, 13, 13, True)
    assert verify(path).head == report.head
    assert verify(path, key=key_text(b"\1" * 32)).finding.kind == "wrong key"
    assert KEY.hex() not in path.read_text()


def test_the_present_key_stays_behind(exported, tmp_path):
    path, _ = exported
    present = (tmp_path / "l.db-seal").read_bytes()[80:112]
    assert present.hex() not in path.read_text()


def changed(lines, at, **changes):
    return [*lines[:at], json.dumps(json.loads(lines[at]) | changes), *lines[at:][1:]]


def end(lines):
    return json.loads(lines[-1])["end"]


def hash_in(line):
    return json.loads(line)["hash"]


HARM = {
    "a body": lambda lines: changed(lines, 3, body=json.loads(lines[3])["body"].replace("allow", "denyx")),
    "a hash": lambda lines: changed(lines, 3, hash="00" * 32),
    "a line less": lambda lines: [*lines[:4], *lines[5:]],
    "two lines swapped": lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]],
    "a line twice": lambda lines: [*lines[:4], *lines[3:]],
    "the last records": lambda lines: [
        *lines[:-3],
        json.dumps({"end": end(lines) | {"records": 11, "head": "11:" + json.loads(lines[11])["hash"]}}),
    ],
    "the seal": lambda lines: changed(lines, -1, end=end(lines) | {"seal": end(lines)["seal"] | {"tag": "00" * 32}}),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_was_done_to_it_shows(exported, harm):
    path, lines = exported
    path.write_text("\n".join(HARM[harm](lines)) + "\n")
    assert not verify(path, key=key_text(KEY)).intact
    assert main(["verify", str(path)]) == (OK if harm == "the seal" else VERIFICATION_FAILED), "the seal needs its key"


NO_EXPORT = {
    "the end is missing": lambda lines: "\n".join(lines[:-1]),
    "the end says otherwise": lambda lines: "\n".join([*lines[:-1], '{"end": {"records": 3, "head": "x"}}']),
    "not JSON": lambda lines: "\n".join([*lines[:3], "{", *lines[3:]]),
    "no mapping": lambda lines: "\n".join([*lines[:3], "5", *lines[3:]]),
    "no record": lambda lines: "\n".join([*lines[:3], '{"seq": "x"}', *lines[3:]]),
    "another version": lambda lines: "\n".join(['{"toolguard_export": 2}', *lines[1:]]),
    "a broken seal": lambda lines: "\n".join(changed(lines, -1, end=end(lines) | {"seal": {"seq": 1}})),
    "nothing": lambda _: "",
    "records behind the end": lambda lines: "\n".join([*lines, lines[3]]),
    "nested without end": lambda lines: "[" * 100_000 + "\n".join(lines),
}


@pytest.mark.parametrize("harm", NO_EXPORT)
def test_what_is_no_whole_export_is_refused_with_its_line(exported, harm):
    path, lines = exported
    path.write_text(NO_EXPORT[harm](lines))
    with pytest.raises(LedgerCorrupt, match=r"line|cut off"):
        verify(path)
    assert main(["verify", str(path)]) == VERIFICATION_FAILED


def test_what_cannot_be_read_says_so(tmp_path):
    with pytest.raises(StoreError, match="cannot be read"):
        verify(tmp_path / "none.jsonl")
    lines = ['{"toolguard_export": 1}', "\xff", '{"end": {"records": 0, "head": "0:x"}}']
    (tmp_path / "binary.jsonl").write_text("\n".join(lines), encoding="latin-1")
    with pytest.raises(LedgerCorrupt, match="not UTF-8"):
        verify(tmp_path / "binary.jsonl")
    assert main(["export", str(tmp_path / "none.db")]) == INTERNAL


def test_every_kind_of_record_can_be_selected():
    kinds = {record.content["kind"] for name in (HERE / "golden").glob("records_*.jsonl") for record in golden(name)}
    assert kinds <= set(KINDS)
    written = {
        word
        for source in (HERE.parent / "toolguard" / "audit").glob("*.py")
        for word in re.findall(r'_(?:append|build|write|draft)\("(\w+)"', source.read_text())
    }
    assert written
    assert written <= set(KINDS)


def golden(path):
    rows = map(json.loads, path.read_text().splitlines())
    return [Record(row["seq"], row["body"].encode(), bytes.fromhex(row["hash"])) for row in rows]


@pytest.mark.parametrize("form", ["jsonl", "otel", "pack"])
def test_a_file_is_not_written_over_by_accident(exported, tmp_path, capsys, form):
    ledger, path = tmp_path / "l.db", tmp_path / "out"
    given = ["export", str(ledger), "--format", form, "--output", str(path)]
    assert main(given) == 0
    records = verify(ledger).trusted - (form == "pack")  # all that the newest checkpoint covers
    assert re.match(rf"wrote {records} records .*to `{path}`\n", capsys.readouterr().out)
    before = path.read_bytes()
    path.write_text("mine")
    assert main(given) == 2
    assert "is there already: say --force" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main([*given, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == records
    assert path.read_bytes() == before


def test_payloads_that_the_first_line_denies_are_not_let_pass(tmp_path):
    ledger, path = tmp_path / "l.db", tmp_path / "l.jsonl"
    with Guard([policy([rule(leaf("amount", "gt", 500))])], ledger=ledger, capture="full") as guard:
        guard.evaluate("t", {"amount": 1})
    main(["export", str(ledger), "--payloads", "--output", str(path)])
    assert verify(path).intact
    path.write_text(path.read_text().replace('"payloads": true', '"payloads": false', 1))
    with pytest.raises(LedgerCorrupt, match="line 3: a payload, and the first line says that there are none"):
        verify(path)
