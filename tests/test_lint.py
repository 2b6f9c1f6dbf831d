import json
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import reference
from conftest import cases, leaf, policy, rule
from hypothesis import given
from hypothesis import strategies as st
from strategies import EFFECTS, RULES, numbered

from toolguard.cli import main
from toolguard.cli.terminal import OK, POLICY_REFUSED, USAGE
from toolguard.policy.advice import CHECKS, Severity
from toolguard.policy.fix import fixed
from toolguard.policy.lint import lint
from toolguard.policy.load import load_policies, pack_path

ROOT = Path(__file__).parent.parent
ROWS = cases("lint")


def tools_of(row):
    if "tools" not in row:
        return None
    return {name: None if known is None else frozenset(known) for name, known in row["tools"].items()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['code']}: {row['name']}")
def test_a_case(row):
    report = lint(row.get("policies") or row["policy"], tools_of(row))
    found = [f"{f.line or 0}:{f.column or 0}" for f in report.findings if f.code == row["code"]]
    assert found == row["finds"]
    others = {f.code for f in report.findings if f.severity == Severity.ERROR} - {row["code"]}
    assert not others


def test_every_code_has_a_case_that_fires_and_one_that_does_not():
    for code in CHECKS:
        fires = {bool(row["finds"]) for row in ROWS if row["code"] == code}
        assert fires == {True, False}, code
    assert {row["code"] for row in ROWS} == CHECKS.keys()


def test_every_check_says_what_it_means_and_what_to_do():
    for code, check in CHECKS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
        assert check.doc.endswith("."), code
        assert check.remedy, code
        assert check.remedy == check.remedy.strip()
        assert not check.remedy.endswith("."), code
        assert check.remedy[0].islower(), code


def test_no_finding_repeats_the_secret():
    row = next(row for row in ROWS if row["code"] == "secret-in-policy")
    (found,) = [f for f in lint(row["policy"]).findings if f.code == "secret-in-policy"]
    assert "AKIA" not in str(asdict(found))


# -- what is shipped, and the reference --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [ROOT / "examples/refunds/policies", pack_path("payments")], ids=lambda path: path.name)
def test_what_is_shipped_has_notes_at_most(path):
    assert {finding.severity for finding in lint(path).findings} <= {Severity.NOTE}


REFERENCE_CODES = {
    "policy-scope-leak",
    "global-scope-contradiction",
    "scope-no-tool-group",
    "amount-without-semantic-check",
    "rule-missing-citation",
    "writable-scope-no-self-protection",
    "rule-id-collision",
    "invalid-regex-syntax",
    "unknown-operator",
}
SEVERITIES = {"warn": "warning", "error": "error"}
# The reference warns of every policy that looks at amounts. A tool that only uses the amount is safe, and no policy can show
# what its tool does with text, so most of these warnings would be wrong: here it is a note.
QUIETER = {("amount-without-semantic-check", "warning"): ("amount-without-semantic-check", "note")}


def complete(given):
    """A fragment of the reference's tests with the keys that its linter does not ask for and ours cannot do without."""
    rules = [{"effect": "deny", **each} for each in given.get("rules", [])]
    neutral = {**rule(leaf("tool_name", "exists"), "flag"), "citation": {"document_id": "d"}}
    return {"policy_id": "p", **given, "rules": rules or [neutral]}


@pytest.mark.skipif(not reference.HOME.is_dir(), reason="the reference's cases are not here")
def test_the_reference_finds_the_same():
    loaded = refused = 0
    for row in reference.rows("lint"):
        report = lint(complete(reference.written(row["policy"])))
        found = {(f.code, str(f.severity)) for f in report.findings if f.code in REFERENCE_CODES}
        expected = {(each["rule"], SEVERITIES[each["severity"]]) for each in row["expected"]}
        if report.policies:
            loaded += 1
            assert found == {QUIETER.get(each, each) for each in expected}, row["id"]
        else:
            refused += 1
            codes = {f.code for f in report.findings}
            errors = {code for code, severity in expected if severity == "error"}
            assert errors <= codes | missed(row), row["id"]
    assert (loaded, refused) == EXPECTED_SPLIT


def missed(row):
    """Errors that only show once others are corrected: whether ids differ is asked of a policy whose parts are all valid."""
    parts = {"invalid-regex-syntax", "unknown-operator"} & {each["rule"] for each in row["expected"]}
    return {"rule-id-collision"} if parts else set()


EXPECTED_SPLIT = (32, 8)  # so that a row that stops loading shows


# -- the engine --------------------------------------------------------------------------------------------------------


def test_errors_of_one_file_and_advice_on_another(tmp_path):
    (tmp_path / "bad.yaml").write_text("policy_id: p\nbogus: 1\n")
    (tmp_path / "good.yaml").write_text(
        "policy_id: q\nrules: [{rule_id: r, effect: deny, conditions: {field: a, operator: exists}}]\n"
    )
    codes = {(Path(f.source).name, f.code) for f in lint(tmp_path).findings}
    assert ("bad.yaml", "structural-validation") in codes
    assert ("good.yaml", "policy-scope-leak") in codes


def test_policies_given_as_objects_have_no_place():
    findings = lint(policy([rule(leaf("a", "exists"))])).findings
    assert findings
    assert {finding.line for finding in findings} == {None}


SOME_TOOLS = st.sampled_from([None, {"t": None}, {"t": frozenset({"amount", "tier"})}, {}])


@given(st.lists(RULES, min_size=1, max_size=4), SOME_TOOLS, st.sampled_from(["approved", "draft"]), EFFECTS)
def test_lint_never_raises_on_what_loads(rules, tools, status, effect):
    made = {"policy_id": "p", "status": status, "rules": numbered([*rules, {**rules[0], "effect": effect}])}
    text = json.dumps(made, indent=1)
    load_policies(text)
    for source in (made, text):
        assert all(finding.severity != Severity.ERROR for finding in lint(source, tools).findings)


LONG = ["a" * 300_000, "sk-" * 100_000, "[" * 300_000, "([" * 150_000, "(a+" * 100_000, "password=" * 30_000, "AKIA" * 75_000]


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:9])
def test_long_texts_are_read_in_a_moment(text):
    begin = time.perf_counter()
    lint({"policy_id": "p", "description": text, "rules": [rule(leaf("a", "regex", re.escape(text[:300_000])))]})
    lint(
        {"policy_id": "p", "description": text, "rules": [rule(leaf("a", "regex", text.replace("(", "x").replace("[", "[]]")))]}
    )
    assert time.perf_counter() - begin < 5


# -- the command -------------------------------------------------------------------------------------------------------

CLEAN = """\
policy_id: p
scope: {tool_names: [t], tool_groups: [g]}
rules:
  - {rule_id: r, effect: deny, conditions: {field: a, operator: gt, value: 5}, citation: {document_id: d}}
"""
WARNED = CLEAN.replace(", citation: {document_id: d}", "")
REFUSED = CLEAN.replace("gt", "gtt")


@pytest.mark.parametrize(
    ("text", "strict", "code"),
    [
        (CLEAN, False, OK),
        (CLEAN, True, OK),
        (WARNED, False, OK),
        (WARNED, True, POLICY_REFUSED),
        (REFUSED, False, POLICY_REFUSED),
    ],
)
def test_exit_codes(text, strict, code, tmp_path, capsys):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    for form in ("text", "json", "sarif"):
        assert main(["lint", str(path), "--format", form, *["--strict"] * strict]) == code
    capsys.readouterr()


def test_text_for_people(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text(WARNED)
    (tmp_path / "b.yaml").write_text(REFUSED)
    main(["lint", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{tmp_path}/a.yaml:4:5: warning rule-missing-citation: the rule `r` has no citation"
    assert lines[1].startswith("    add `citation:")
    assert lines[3].startswith(f"{tmp_path}/b.yaml:4:55: error unknown-operator: unknown operator `gtt`")
    assert lines[-1] == "refused: 1 error, 1 warning"


def test_packs_and_no_policies(capsys):
    assert main(["lint", "--pack", "payments"]) == OK
    assert "ok: 1 policy with 3 rules; 2 notes" in capsys.readouterr().out
    assert main(["lint"]) == USAGE
    assert main(["lint", "--pack", "nonsense"]) == POLICY_REFUSED


def test_json_is_a_synonym(tmp_path, capsys):
    path = tmp_path / "p.yaml"
    path.write_text(WARNED)
    main(["lint", str(path), "--json"])
    one = capsys.readouterr().out
    main(["lint", str(path), "--format", "json"])
    assert one == capsys.readouterr().out
    (finding,) = json.loads(one)["findings"]
    assert finding.keys() == {"code", "severity", "message", "remedy", "source", "line", "column"}


def test_sarif(tmp_path, capsys, monkeypatch):
    (tmp_path / "my policies").mkdir()
    (tmp_path / "my policies" / "p.yaml").write_text(WARNED)
    monkeypatch.chdir(tmp_path)
    main(["lint", "my policies", "--pack", "payments", "--format", "sarif"])
    log = json.loads(capsys.readouterr().out)
    assert (log["version"], log["$schema"][:8]) == ("2.1.0", "https://")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [each["id"] for each in rules] == list(CHECKS)
    assert all(each["shortDescription"]["text"] and each["help"]["text"] for each in rules)
    results = {result["ruleId"]: result for result in run["results"]}
    warned = results["rule-missing-citation"]
    assert (warned["level"], rules[warned["ruleIndex"]]["id"]) == ("warning", "rule-missing-citation")
    assert warned["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "my%20policies/p.yaml"},
                "region": {"startLine": 4, "startColumn": 5},
            }
        }
    ]
    elsewhere = results["money-without-limit"]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert elsewhere.startswith("file:///")


# -- --tools -----------------------------------------------------------------------------------------------------------

TOOLS = """\
import functools

def logged(f):
    @functools.wraps(f)
    def inner(*args, **kwargs):
        return f(*args, **kwargs)
    return inner

@logged
def t(b): ...

def anything(**more): ...

BY_NAME = {"T": t}
LISTED = [t, anything]
OPEN = {"t": anything}
WRONG = 5
UNNAMED = [5]
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A module with tools and a policy in the working directory."""
    (tmp_path / "some_tools.py").write_text(TOOLS)
    (tmp_path / "broken_tools.py").write_text("1 / 0")
    (tmp_path / "p.yaml").write_text(CLEAN.replace(", tool_groups: [g]", ""))
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("some_tools", "broken_tools"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize(("name", "found"), [("BY_NAME", True), ("LISTED", True), ("OPEN", False)])
def test_tools(name, found, capsys):
    main(["lint", "p.yaml", "--tools", f"some_tools:{name}"])
    assert ("unknown-parameter: no tool in the scope has a parameter `a` (known: b)" in capsys.readouterr().out) is found


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("some_tools", "not of the form"),
        ("none_such:X", "cannot be imported: ModuleNotFoundError"),
        ("broken_tools:X", "cannot be imported: ZeroDivisionError"),
        ("some_tools:NONE", "has no `NONE`"),
        ("some_tools:WRONG", "neither a mapping"),
        ("some_tools:UNNAMED", "not a function with a name"),
    ],
)
@pytest.mark.usefixtures("program")
def test_tools_that_are_none(reference, says, capsys):
    assert main(["lint", "p.yaml", "--tools", reference]) == USAGE
    assert says in capsys.readouterr().err


# -- --fix -------------------------------------------------------------------------------------------------------------

SLIPS = """\
# A comment at the top.
policy_id: p
Status: Approved   # kept
scope:
  Tool_Names: [" issue_refund ", 'té ']
  intentionally_global: off
rules:
  - rule_id: a
    "Effect": Deny  # kept
    enabled: yes
    effect_config: {severity: "HIGH"}
    conditions:
      and:
        - {field: amount, operator: ">", value: 10}
        - {field: amount, Operator: <=, value: 5}
        - not: {field: a, operator: EQ, value: Deny}
"""
FIXED = """\
# A comment at the top.
policy_id: p
status: approved   # kept
scope:
  tool_names: ["issue_refund", 'té']
  intentionally_global: false
rules:
  - rule_id: a
    "effect": deny  # kept
    enabled: true
    effect_config: {severity: high}
    conditions:
      and:
        - {field: amount, operator: gt, value: 10}
        - {field: amount, operator: lte, value: 5}
        - not: {field: a, operator: eq, value: Deny}
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_fix_keeps_comments_and_layout(newline):
    made, fixes = fixed(SLIPS.replace("\n", newline))
    assert made == FIXED.replace("\n", newline)
    assert len(fixes) == 14
    assert fixed(made) == (made, ())
    load_policies(made)


LEFT = [
    "not: [yaml",
    "policy_id: p\nEffect: Deny\n",  # not a key of a policy
    "policy_id: p\nStatus: draft\nSTATUS: approved\n",  # either could be meant
    "policy_id: p\nstatus:\n  Approved\n",  # not where it is looked for
    'policy_id: p\nstatus: "Appro\\x76ed"\n',
    CLEAN,
    "- a\n",
]


@pytest.mark.parametrize("text", LEFT)
def test_fix_leaves_what_is_not_certain(text):
    assert fixed(text) == (text, ())


def test_fix_in_place(tmp_path, capsys):
    path = tmp_path / "p.yaml"
    path.write_text(SLIPS)
    path.chmod(0o640)
    assert main(["lint", str(path), "--fix"]) == OK
    assert f"{path}:3:9: fixed: `Approved` -> `approved`" in capsys.readouterr().out
    assert path.read_text() == FIXED
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]
    before = path.stat().st_ino
    assert main(["lint", str(path), "--fix", "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["fixed"] == []
    assert path.stat().st_ino == before


def test_fix_never_touches_a_pack(monkeypatch, capsys):
    monkeypatch.setattr("toolguard.cli.lint._replace", lambda *_: pytest.fail("a pack was written"))
    monkeypatch.setattr("toolguard.cli.lint.fixed", lambda text: (text + "#", ("x",)))
    assert main(["lint", str(pack_path("payments")), "--pack", "payments", "--fix"]) == POLICY_REFUSED  # loaded twice
    assert "policy-id-collision" in capsys.readouterr().out
