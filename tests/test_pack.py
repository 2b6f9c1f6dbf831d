"""Evidence packs and events: what leaves the ledger for people and systems that have nothing of ours."""

import contextlib
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import zipfile

import pytest
from conftest import leaf, policy, rule

from toolguard import Approval, Checkpoints, Guard, ToolDenied, guarded
from toolguard.audit import summary
from toolguard.audit.anchor import ToFile, read_notes
from toolguard.audit.pack import check_pack
from toolguard.audit.select import moment, shown_time
from toolguard.audit.sign import Signer
from toolguard.cli import main

SIGNER = Signer("acme.example/agents", bytes(range(32)))
OTHER = Signer("acme.example/agents", bytes(32))
SECRET = "correct-horse-battery-staple"
EVIL = "<script>alert(1)</script>\x1b[2J"
CITED = {"document_id": "sop", "document_title": "Refund SOP", "section": "2.3", "excerpt": "No more than <b>500</b>."}
POLICIES = [
    policy([rule(leaf("amount", "gt", 500), rule_id="cap", citation=CITED, effect_config={"severity": "high"})], "money"),
    policy([rule(leaf("amount", "gt", 300), "escalate", rule_id="ask")], "asking"),
]
DAY = 86_400 * 10**9


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    key = folder / "signing.key"
    key.write_text(str(SIGNER))
    key.chmod(0o600)
    times = iter(range(moment("2026-01-01"), moment("2026-03-01"), DAY))
    plan = Checkpoints(signing_key=key, anchors=[ToFile(folder / "anchor.txt")], every=1000)
    options = {"capture": "full", "checkpoints": plan, "now": lambda: next(times), "approver": lambda _: Approval(True, "lead")}
    with Guard(POLICIES, ledger=folder / "l.db", **options) as guard:
        pay = guarded(guard, tool="t")(lambda amount, note: amount)
        with guard.acting_as(agent_id="bot", session_id="s-1", org_id="acme", context={"ip": EVIL}):
            for amount in (1, 400, 900):
                with contextlib.suppress(ToolDenied):
                    pay(amount, SECRET)
        guard.evaluate("other", {"x": EVIL}, agent_id="other-bot")
    return folder / "l.db", key


def packed(made, *args, name="pack.zip"):
    ledger, key = made
    path = ledger.parent / name
    given = ["--force", "--format", "pack", "--output", str(path), "--sign-with", str(key), *args]
    assert main(["export", str(ledger), *given]) == 0
    with zipfile.ZipFile(path) as archive:
        return path, {name: archive.read(name).decode() for name in archive.namelist()}


def test_it_is_whole_and_verifies_with_us_and_without(made, tmp_path, capsys):
    path, parts = packed(made)
    assert set(parts) >= {"README.txt", "verify.py", "summary.html", "records.jsonl", "checkpoint.txt", "manifest.txt"}
    assert [name for name in parts if name.startswith("policies/")]
    checked = check_pack(path, [SIGNER.verifier])
    assert (checked.holds, checked.records, checked.size, checked.vouched) == (True, 9, 9, True)
    assert checked.verdicts == {"allow": 1, "escalate": 1, "deny": 2}
    assert main(["verify", str(path), "--verifier", str(SIGNER.verifier)]) == 0
    assert "proved: 9 records of 9 (1 allow, 2 deny, 1 escalate)" in capsys.readouterr().out
    assert main(["verify", str(path)]) == 0
    assert "nobody vouches" in capsys.readouterr().out
    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(path).extractall(unpacked)
    assert "intact: 9 records, all among the 9" in alone(unpacked, str(SIGNER.verifier)).stdout
    assert "nobody vouches" in alone(unpacked).stdout
    assert "NOT INTACT: neither" in alone(unpacked, str(OTHER.verifier)).stderr
    (unpacked / "records.jsonl").write_text(parts["records.jsonl"].replace("deny", "none"))
    assert "NOT INTACT: records.jsonl is not the file" in alone(unpacked).stderr


def alone(folder, *keys):
    return subprocess.run([sys.executable, "verify.py", *keys], cwd=folder, capture_output=True, text=True, check=False)


def test_only_what_is_disclosed_is_in_it(made, tmp_path):
    assert all(SECRET not in text for text in packed(made)[1].values())
    path, parts = packed(made, "--disclose", "amount")
    assert all(SECRET not in text for text in parts.values())
    assert '["amount",900]' in json.dumps(parts["records.jsonl"]).replace("\\", "")
    assert "amount = 900" in parts["summary.html"]
    path, parts = packed(made, "--disclose-all")
    assert SECRET in parts["records.jsonl"]
    zipfile.ZipFile(path).extractall(tmp_path)
    assert "intact: 9 records" in alone(tmp_path, str(SIGNER.verifier)).stdout


def test_what_the_model_wrote_is_text_on_the_page(made):
    page = packed(made, "--disclose-all")[1]["summary.html"]
    assert "<script" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page
    assert "No more than &lt;b&gt;500&lt;/b&gt;." in page
    assert "http" not in page


SELECTED = [
    (["--tool", "t"], ["decision", "outcome", "decision", "approval", "outcome", "decision"]),
    (["--agent", "other-bot"], ["decision"]),
    (["--session", "s-1", "--verdict", "deny"], ["decision"]),
    (["--kind", "start", "--kind", "stop"], ["start", "stop"]),
    (["--since", "2026-01-03", "--until", "2026-01-05"], ["outcome", "decision"]),
    (["--tool", "none"], []),
]


@pytest.mark.parametrize(("args", "kinds"), SELECTED)
def test_a_selection(made, args, kinds, capsys):
    path, parts = packed(made, *args, name="selected.zip")
    lines = [json.loads(line) for line in parts["records.jsonl"].splitlines()]
    assert [json.loads(line["body"])["kind"] for line in lines] == kinds
    checked = check_pack(path, [SIGNER.verifier])
    assert (checked.holds, checked.records) == (True, len(kinds))
    capsys.readouterr()
    assert main(["export", str(made[0]), "--format", "ocsf", *args]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(kinds)


def changed(path, to, **parts):
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(to, "w") as other:
        kept = {name: archive.read(name).decode() for name in archive.namelist()}
        for name, text in (kept | {name.replace("__", "."): text for name, text in parts.items()}).items():
            if text is not None:
                other.writestr(name, text)
    return to


def test_what_was_done_to_it_shows(made, tmp_path):
    path, parts = packed(made, "--disclose-all")
    to = tmp_path / "changed.zip"
    unsigned = parts["manifest.txt"].partition("\n\n")[0] + "\n\n"
    harm = {
        "is not the file": {"records__jsonl": parts["records.jsonl"].replace("deny", "none")},
        "other files": {"extra__txt": "more"},
        "not the file that": {"summary__html": "<html>"},
        "nobody that was given": {"manifest__txt": unsigned, "checkpoint__txt": str(OTHER.sign("x/y\n9\n" + "A" * 43 + "=\n"))},
        "not a whole": {"manifest__txt": "nothing"},
    }
    for finding, given in harm.items():
        checked = check_pack(changed(path, to, **given), [SIGNER.verifier])
        assert not checked.holds
        assert finding in checked.finding or "is not the file" in checked.finding
    assert main(["verify", str(to)]) == 5


def test_a_pack_made_anew_shows_against_the_key_and_the_anchor(made, tmp_path):
    """Somebody writes records of their own, makes a ledger of them, and a pack of that."""
    with Guard(POLICIES, ledger=tmp_path / "l.db", checkpoints=Checkpoints(every=5)) as guard:
        guard.evaluate("t", {"amount": 1})
    path = tmp_path / "p.zip"
    assert main(["export", str(tmp_path / "l.db"), "--format", "pack", "--output", str(path)]) == 0
    notes = read_notes((made[0].parent / "anchor.txt").read_text())
    assert check_pack(path).holds
    assert not check_pack(path, [SIGNER.verifier]).holds
    assert not check_pack(path, notes=notes).holds
    assert check_pack(packed(made)[0], notes=notes).vouched


def test_policies_that_were_exchanged_show(made, tmp_path):
    path, parts = packed(made)
    (name,) = (name for name in parts if name.startswith("policies/"))
    other = parts[name].replace("500", "900")
    digest, old = (hashlib.sha256(text.encode()).hexdigest() for text in (other, parts[name]))
    manifest = parts["manifest.txt"].partition("\n\n")[0].replace(old, digest) + "\n\n"
    to = changed(path, tmp_path / "changed.zip", **{name.replace(".", "__"): other, "manifest__txt": manifest})
    assert "is not what this revision is the digest of" in check_pack(to).finding
    zipfile.ZipFile(to).extractall(tmp_path)
    assert "is not what this revision is the digest of" in alone(tmp_path).stderr
    database = sqlite3.connect(shutil.copy(made[0], tmp_path / "l.db"), isolation_level=None)
    database.execute("UPDATE document SET body = CAST(replace(CAST(body AS TEXT), '500', '900') AS BLOB)")
    database.close()
    assert main(["export", str(tmp_path / "l.db"), "--format", "pack", "--output", str(tmp_path / "p.zip")]) == 5


def test_the_page_of_many_records_says_how_many_more_there_are(made, monkeypatch):
    monkeypatch.setattr(summary, "MAX_ROWS", 2)
    page = packed(made)[1]["summary.html"]
    assert "and 2 more in" in page
    assert "and 3 more in" in page


@pytest.mark.parametrize("data", [b"", b"PK", b"nothing at all"])
def test_what_is_no_pack(tmp_path, data):
    (tmp_path / "p.zip").write_bytes(data)
    assert not check_pack(tmp_path / "p.zip").holds


def test_bad_requests(made, tmp_path, capsys):
    ledger, _ = made
    assert main(["export", str(ledger), "--tool", "t"]) == 2
    assert "a chain can only be followed whole" in capsys.readouterr().err
    assert main(["export", str(ledger), "--format", "ocsf", "--since", "yesterday"]) == 2
    assert main(["export", str(ledger), "--format", "pack"]) == 2
    assert main(["export", str(ledger), "--format", "pack", "--output", str(tmp_path / "no" / "p.zip")]) == 1
    assert main(["export", str(ledger), "--format", "pack", "--output", "x.zip", "--sign-with", str(ledger)]) == 2
    with Guard(POLICIES, ledger=tmp_path / "open.db"):
        assert main(["export", str(tmp_path / "open.db"), "--format", "pack", "--output", str(tmp_path / "p.zip")]) == 1


def test_events_for_ocsf(made, capsys):
    assert main(["export", str(made[0]), "--format", "ocsf"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(events) == 10
    denied = next(event for event in events if event.get("status_detail") == "deny" and "policy" in event)
    assert (denied["class_uid"], denied["category_uid"], denied["type_uid"]) == (6003, 6, 600399)
    assert (denied["action_id"], denied["disposition_id"], denied["severity_id"], denied["status_id"]) == (2, 2, 4, 2)
    assert denied["time"] == moment("2026-01-07") // 1_000_000
    assert denied["actor"] == {"user": {"uid": "bot", "org": {"uid": "acme"}}, "session": {"uid": "s-1"}}
    assert denied["api"]["operation"] == "t"
    assert denied["policy"] == {"name": "money", "uid": "cap"}
    assert denied["unmapped"]["verdict"] == "deny"
    assert [event["metadata"]["sequence"] for event in events] == list(range(1, 11))


def test_events_for_opentelemetry(made, capsys):
    assert main(["export", str(made[0]), "--format", "otel", "--verdict", "deny", "--tool", "t"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    (resource,) = json.loads(line)["resourceLogs"]
    (record,) = resource["scopeLogs"][0]["logRecords"]
    attributes = {each["key"]: each["value"] for each in record["attributes"]}
    assert (record["severityNumber"], record["eventName"]) == (17, "toolguard.decision")
    assert record["timeUnixNano"] == str(moment("2026-01-07"))
    assert attributes["gen_ai.tool.name"] == {"stringValue": "t"}
    assert attributes["toolguard.record"] == {"intValue": "7"}
    assert attributes["toolguard.rules"] == {"stringValue": "cap,ask"}
    assert json.loads(record["body"]["stringValue"])["verdict"] == "deny"


def test_times():
    assert moment("1970-01-02") == DAY
    assert moment("1970-01-01T01:00:00+01:00") == 0
    assert moment("2026-01-01T00:00:00.000001") - moment("2026-01-01") == 1000
    assert shown_time(DAY + 5_000_000) == "1970-01-02 00:00:00.005 UTC"
    assert shown_time("x") == "at an unknown time"
    assert shown_time(10**30) == "at an impossible time"
