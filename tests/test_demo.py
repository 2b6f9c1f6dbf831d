"""`toolguard demo` shows what it claims, and notices when it does not."""

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

EXAMPLE = Path(__file__).parent.parent / "examples" / "refunds"
WIDTH = 100

VERDICTS = {
    "cooperative": ["allow", "allow", "allow", "flag", "escalate"],
    "confused": ["deny", "deny", "deny", "deny", "escalate"],
    "injected": ["deny", "deny", "deny", "deny", "deny", "allow"],
}


def run(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def toolguard(*arguments, cwd):
    return run("-m", "toolguard", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "kept"


@pytest.fixture(scope="module")
def lines(kept):
    done = toolguard("demo", "--json", "--keep", kept, cwd=kept.parent)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def steps(lines):
    return lines[:-1]


@pytest.fixture(scope="module")
def summary(lines):
    return lines[-1]["summary"]


def step_of(steps, tool, **params):
    (found,) = [step for step in steps if step["tool"] == tool and params.items() <= step["params"].items()]
    return found


def test_every_proposal_gets_its_verdict(steps):
    found = {}
    for step in steps:
        found.setdefault(step["run"], []).append(step["verdict"])
    assert found == VERDICTS


def test_a_refund_of_1000_is_denied_with_its_rule_and_its_source(steps):
    step = step_of(steps, "issue_refund", amount=1000)
    assert (step["verdict"], step["rule"], step["ran"]) == ("deny", "rule-amount-cap", False)
    assert step["citation"].startswith("Refund SOP §2.3: ")
    assert step["rule"] in step["told"]
    assert step["citation"] in step["told"]


def test_an_amount_that_is_no_number_is_denied_because_nobody_can_tell(steps):
    step = step_of(steps, "issue_refund", amount="1,000")
    assert step["verdict"] == "deny"
    assert "cannot be evaluated" in step["reason"]


def test_a_person_approves_one_refund_and_refuses_another(steps):
    answers = {step["params"]["order_id"]: (step["approved"], step["ran"]) for step in steps if step["verdict"] == "escalate"}
    assert answers == {"A-1020": (True, True), "A-1019": (False, False)}


def test_a_tool_that_the_model_made_up_is_denied(steps):
    step = step_of(steps, "wire_transfer")
    assert (step["verdict"], step["rule"]) == ("deny", None)
    assert "no policy covers `wire_transfer`" in step["told"]


def test_refused_calls_are_reported_not_to_have_run_or_changed_anything(steps, summary):
    refused = [step for step in steps if step["told"] is not None]
    assert len(refused) == summary["refused"] == 10
    assert [step for step in refused if step["ran"] or step["database_changed"]] == []
    assert summary["refused_that_changed_the_database"] == 0


def test_the_database_holds_the_orders_of_the_file_plus_the_two_allowed_refunds(steps, summary, kept):
    with (EXAMPLE / "orders.csv").open(encoding="utf-8", newline="") as file:
        expected = {row["id"]: int(Decimal(row["refunded"]) * 100) for row in csv.DictReader(file)}
    assert summary["refunded_cents_before"] == sum(expected.values())
    for step in steps:
        if step["tool"] == "issue_refund" and step["ran"]:
            expected[step["params"]["order_id"]] += int(Decimal(str(step["params"]["amount"])) * 100)
    with closing(sqlite3.connect(kept / "orders.db")) as database:
        found = dict(database.execute("SELECT id, refunded FROM orders"))
        tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    assert found == expected
    assert tables == [("orders",)]
    assert summary["refunded_cents_after"] == sum(found.values()) == summary["refunded_cents_before"] + 4500 + 34900


def test_the_ledger_verifies(summary, kept):
    done = toolguard("verify", "--json", kept / "ledger.db", cwd=kept)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert summary["ledger"] == {"records": report["trusted"], "intact": True, "head": report["head"]}


@pytest.mark.parametrize("name", ["ledger-altered.db", "ledger-resealed.db"])
def test_each_forged_copy_is_found_and_the_record_named(name, steps, summary, kept):
    (forgery,) = [each for each in summary["forgeries"] if each["file"] == name]
    target = step_of(steps, "issue_refund", amount=1000)["record"]
    assert (forgery["altered"], forgery["named"]) == (target, True)
    with closing(sqlite3.connect(kept / name)) as database:
        (body,) = database.execute("SELECT body FROM record WHERE seq = ?", (target,)).fetchone()
    assert json.loads(body)["verdict"] == "allow"
    done = toolguard("verify", kept / name, cwd=kept)
    assert done.returncode == 5
    assert f"record {target}: altered: " in done.stdout
    assert forgery["finding"] in done.stdout


def test_a_second_run_does_not_write_into_the_first_ones_folder(steps, kept):
    assert steps
    before = (kept / "orders.db").read_bytes()
    done = toolguard("demo", "--keep", kept, cwd=kept)
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert (kept / "orders.db").read_bytes() == before


def test_the_prose_is_readable_in_a_terminal(tmp_path):
    done = toolguard("demo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "issue_refund(order_id='A-1019', amount=1000)\n  DENY        rule `rule-amount-cap`" in done.stdout
    assert "All as it should be: 10 of 16 calls refused, 2 forgeries found." in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= WIDTH
    assert "\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_every_citation_is_found_in_the_document():
    document = " ".join((EXAMPLE / "knowledge" / "refund_sop.md").read_text(encoding="utf-8").split())
    policies = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (EXAMPLE / "policies").glob("*.yaml")]
    citations = [rule["citation"] for policy in policies for rule in policy["rules"]]
    assert len(citations) == 9
    assert [each for each in citations if f"{each['section']} {each['excerpt']}" not in document] == []


@pytest.fixture
def spoiled(tmp_path):
    """A copy of the example, and a function that replaces text in one of its files and runs it."""
    copy = shutil.copytree(EXAMPLE, tmp_path / "refunds", ignore=shutil.ignore_patterns("__pycache__"))

    def spoil(name, old, new):
        text = (copy / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (copy / name).write_text(text.replace(old, new), encoding="utf-8")
        done = run(copy / "demo.py", cwd=tmp_path)
        return done.returncode, " ".join(done.stdout.split())

    return spoil


def test_a_policy_that_lets_more_through_fails_the_demo(spoiled):
    code, output = spoiled("policies/refund_cap.yaml", "operator: gt, value: 500}", "operator: gt, value: 50000}")
    assert code == 1
    assert "amount=1000): expected deny by rule-amount-cap, got escalate" in output


def test_a_refused_call_that_changes_the_database_fails_the_demo(spoiled):
    told = "told = denied.message_for_model()"
    sabotage = "orders.run(database, \"DELETE FROM orders WHERE id = 'A-1001'\")"
    code, output = spoiled("agent.py", told, f"{told}; {sabotage}")
    assert code == 1
    assert "was refused, and the database is another one than before" in output


def test_a_forgery_that_is_not_found_fails_the_demo(spoiled):
    code, output = spoiled("ledger.py", 'b\'"verdict":"allow"\'', 'b\'"verdict":"deny"\'')
    assert code == 1
    assert "the alteration of `ledger-altered.db` was not found" in output
