import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from conftest import leaf, policy, rule

from toolguard import Guard
from toolguard.cli import COMMANDS, main, parser
from toolguard.cli.terminal import DENIED, ESCALATED, INTERNAL, OK, POLICY_REFUSED, USAGE, VERIFICATION_FAILED

GOOD = """\
policy_id: p
scope: {tool_names: [t]}
rules:
  - {rule_id: r, effect: deny, conditions: {field: amount, operator: gt, value: 5}}
"""


@pytest.fixture
def files(tmp_path):
    """Writes files into this test's folder and returns their paths as text."""

    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def call(tool="issue_refund", **params):
    return {"tool": tool, "params": params}


VERDICTS = [
    (5, OK, "allow"),
    (300, ESCALATED, "escalate"),
    (1000, DENIED, "deny"),
    ("NaN", DENIED, "deny"),
    (-5, DENIED, "deny"),
]


@pytest.mark.parametrize(("amount", "code", "verdict"), VERDICTS)
def test_evaluate_one_call(files, capsys, amount, code, verdict):
    path = files("c.json", call(amount=amount))
    assert main(["evaluate", "--pack", "payments", "--call", path, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["verdict"] == verdict
    assert main(["evaluate", "--pack", "payments", "--call", path]) == code
    assert capsys.readouterr().out.startswith(verdict.upper())


STREAMS = str(Path(__file__).parent.parent / "examples" / "streams" / "policy.yaml")


RETURNED = [
    ({"mail": "jane@example.com"}, OK, ("FLAG", "people-are-masked"), {"mail": "[redacted email]"}),
    ("key AKIAIOSFODNN7EXAMPLE", DENIED, ("DENY", "no-secrets", "Keys in logs are never shown"), None),
    ("fine", OK, ("no rule over results fired",), "fine"),
]


@pytest.mark.parametrize("returned", RETURNED)
def test_evaluate_what_a_tool_would_have_returned(files, capsys, returned):
    result, code, parts, seen = returned
    words = [
        "evaluate",
        "--policy",
        STREAMS,
        "--call",
        files("c.json", call("tail_log")),
        "--result",
        files("r.json", json.dumps(result)),
    ]
    assert main(words) == code
    out = capsys.readouterr().out
    assert all(part in out.partition("What comes back:")[2] for part in parts)
    assert "AKIA" not in out
    assert main([*words, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["result"].get("seen") == seen


def test_a_result_goes_with_one_call_and_is_json(files, capsys):
    path = files("c.json", call("tail_log"))
    assert main(["evaluate", "--policy", STREAMS, "--calls", path, "--result", path]) == USAGE
    assert main(["evaluate", "--policy", STREAMS, "--call", path, "--result", files("r.json", "{")]) == USAGE
    assert "is no JSON" in capsys.readouterr().err


def test_evaluate_shows_what_the_tool_gets(files, capsys):
    removes = {"rule_id": "r", "effect": "flag", "conditions": leaf("a", "exists"), "redact": [{"field": "parameters.a"}]}
    text = json.dumps({"policy_id": "p", "rules": [removes]}, indent=1)
    assert main(["evaluate", "--policy", files("p.yaml", text), "--call", files("c.json", call("t", a="x"))]) == OK
    assert 'gets     {"a": "[redacted]"}' in capsys.readouterr().out


def test_a_denial_for_people(files, capsys):
    main(["evaluate", "--pack", "payments", "--call", files("c.json", call(amount=1000))])
    out = capsys.readouterr().out
    for part in ("refund-hard-cap in policy pack-payments", 'Refund SOP §2.3: "A single refund above $500', "open a ticket"):
        assert part in out


def test_a_batch_answers_every_line_in_order(files, capsys):
    lines = [
        json.dumps(call(amount=5)),
        "",
        "{",
        "[]",
        '{"tool": "t"}',
        '{"tool": "t", "params": {}, "extra": 1}',
        '{"tool": "t", "tool": "u", "params": {}}',
        "[" * 100_000,
        '{"tool": "issue_refund", "params": {"amount": 1e400}}',
        '{"tool": "issue_refund", "params": {"amount": ' + "9" * 5000 + "}}",
        '{"tool": "issue_refund", "params": {"amount": 5, "x": "\\ud800"}}',
        '{"tool": "issue_refund", "params": [5]}',
        '{"tool": 5, "params": {}}',
        json.dumps(call(amount=1000)),
    ]
    assert main(["evaluate", "--pack", "payments", "--calls", files("calls.jsonl", "\n".join(lines))]) == USAGE
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer.get("verdict") or "error" for answer in answers] == [
        "allow",
        *["error"] * 6,
        "deny",
        "error",
        "deny",
        "deny",
        "deny",
        "deny",
    ]
    assert all(answer["error"] for answer in answers if "error" in answer)
    assert [answer["line"] for answer in answers] == [1, *range(3, 15)]


def test_a_batch_of_bytes_that_are_no_text(tmp_path, capsys):
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b'\xff\xfe\n{"tool": "t", "params": {"a": "\xff"}}\n' + json.dumps(call(amount=5)).encode())
    assert main(["evaluate", "--pack", "payments", "--calls", str(path)]) == USAGE
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ["error" if "error" in a else a["verdict"] for a in answers] == ["error", "deny", "allow"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"tool": "t", "parameters": {}}', "unknown key `parameters` (known: tool, params, "),
        ('{"tool": "t", "parameters": {}}', "did you mean `params`?"),
        ('{"tool": "t"}', "the key `params` (its arguments, `{}` if it takes none) is missing"),
        ('{"params": {}}', "the key `tool` (the tool's name) is missing"),
    ],
)
def test_what_is_wrong_with_a_call(files, capsys, text, said):
    assert main(["evaluate", "--pack", "payments", "--call", files("c.json", text)]) == USAGE
    assert said in capsys.readouterr().err


def test_whom_to_ask(files, capsys):
    main(["evaluate", "--pack", "payments", "--call", files("c.json", call(amount=300))])
    assert "  ask      support-lead\n" in capsys.readouterr().out


def test_a_clean_batch_is_fine_whatever_the_verdicts(files, capsys):
    calls = files("calls.jsonl", "\n".join(json.dumps(call(amount=n)) for n in (5, 1000)))
    assert main(["evaluate", "--pack", "payments", "--calls", calls]) == OK
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_evaluate_can_record(files, tmp_path, capsys):
    ledger = str(tmp_path / "l.db")
    main(["evaluate", "--pack", "payments", "--call", files("c.json", call(amount=5)), "--ledger", ledger])
    assert main(["verify", ledger]) == OK
    assert "intact: 4 records" in capsys.readouterr().out


def test_unmatched(files, capsys):
    path = files("c.json", call("other"))
    assert main(["evaluate", "--pack", "payments", "--call", path]) == DENIED
    assert main(["evaluate", "--pack", "payments", "--call", path, "--unmatched", "allow"]) == OK
    assert "no policy covers `other`" in capsys.readouterr().out


USAGES = [
    (["evaluate", "--call", "c.json"], "say which policies"),
    (["evaluate", "--pack", "payments", "--call", "missing.json"], "missing.json"),
    (["evaluate", "--pack", "payments", "--calls", "missing.jsonl"], "missing.jsonl"),
    (["verify", "x.db", "--head", "nonsense"], "`nonsense` is not a head"),
]


@pytest.mark.parametrize(("argv", "says"), USAGES)
def test_wrong_usage(argv, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == USAGE
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["evaluate"], ["evaluate", "--pack", "p", "--call", "a", "--calls", "b"]])
def test_argparse_errors_are_usage_errors(argv):
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == USAGE


def test_a_call_file_that_is_no_call(files, capsys):
    assert main(["evaluate", "--pack", "payments", "--call", files("c.json", "{")]) == USAGE
    assert "is not a call" in capsys.readouterr().err


def test_a_refused_policy(files, capsys):
    bad = files("bad.yaml", "policy_id: p\nbogus: 1\n")
    path = files("c.json", call(amount=5))
    assert main(["evaluate", "--policy", bad, "--call", path]) == POLICY_REFUSED
    assert "bad.yaml:2:1: unknown key `bogus`" in capsys.readouterr().err
    assert main(["evaluate", "--pack", "nonsense", "--call", path]) == POLICY_REFUSED
    assert main(["lint", bad]) == POLICY_REFUSED
    assert "bad.yaml:2:1: error structural-validation: unknown key" in capsys.readouterr().out
    assert main(["lint", bad, "--json"]) == POLICY_REFUSED
    finding = json.loads(capsys.readouterr().out)["findings"][1]
    assert (finding["line"], finding["column"]) == (2, 1)


def test_lint_of_good_policies(files, capsys):
    good = (
        GOOD.replace("[t]}", "[t], tool_groups: [g]}")
        .replace("5}}", "5}, citation: {document_id: d}}")
        .replace("amount", "rows")
    )
    assert main(["lint", files("good.yaml", good)]) == OK
    assert capsys.readouterr().out == "ok: 1 policy with 1 rule\n"
    assert main(["lint", files("good.yaml", good), "--json"]) == OK
    assert json.loads(capsys.readouterr().out) == {"ok": True, "policies": 1, "rules": 1, "findings": [], "fixed": []}


def test_verify(tmp_path, capsys):
    path = tmp_path / "l.db"
    with Guard(policy([rule(leaf("a", "exists"))]), ledger=path) as guard:
        guard.evaluate("t", {})
    assert main(["verify", str(path), "--json"]) == OK
    head = json.loads(capsys.readouterr().out)["head"]
    assert main(["verify", str(path), "--head", head]) == OK
    assert head in capsys.readouterr().out
    assert main(["verify", str(path), "--head", "9:" + "0" * 64]) == VERIFICATION_FAILED
    assert "NOT INTACT: record 5: truncated tail" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "none.db")]) == INTERNAL
    (tmp_path / "text.db").write_text("not a database" * 100)
    assert main(["verify", str(tmp_path / "text.db")]) == INTERNAL
    path.write_text("not a database" * 100)
    assert main(["verify", str(path)]) == VERIFICATION_FAILED


def test_every_command_has_help_that_names_its_exit_codes():
    for name in COMMANDS:
        assert "Exit codes:" in import_module(f"toolguard.cli.{name}").__doc__
    assert "COMMAND" in parser().format_help()


def test_as_a_module_and_into_a_closed_pipe(files):
    calls = files("calls.jsonl", "\n".join(json.dumps(call(amount=n)) for n in range(5000)))
    command = f"{sys.executable} -m toolguard evaluate --pack payments --calls {calls} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent, check=False)
    assert done.stderr == ""
    assert json.loads(done.stdout)["verdict"] == "deny"


def test_a_terminal_that_cannot_show_a_character(files):
    command = [
        sys.executable,
        "-m",
        "toolguard",
        "evaluate",
        "--pack",
        "payments",
        "--call",
        files("c.json", call(amount=1000)),
    ]
    environment = {"PYTHONIOENCODING": "ascii", "PATH": ""}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=Path(__file__).parent.parent, check=False
    )
    assert (done.returncode, done.stderr) == (DENIED, "")
    assert "Refund SOP \\xa72.3" in done.stdout


def test_what_a_policy_or_a_file_is_called_cannot_draw_on_the_terminal(tmp_path, capsys):
    rules = 'rules: [{rule_id: "r\\e[2J", effect: deny, name: "n\\e[31m", conditions: {field: a, operator: exists}}]'
    path = tmp_path / "p\x1b[2J.yaml"
    path.write_text(f'policy_id: "p\\e]0;x\\a"\n{rules}\n')
    call = tmp_path / "c.json"
    call.write_text('{"tool": "t", "params": {"a": 1}}')
    for command in (["lint"], ["evaluate", "--call", str(call), "--policy"], ["explain", "--call", str(call), "--policy"]):
        main([*command, str(path)])
    path.write_text('policy_id: p\nstatus: "\\e[2J"\n"\\e[1m": 1\n')
    main(["lint", str(path)])
    main(["evaluate", "--call", str(call), "--policy", str(path)])
    printed = capsys.readouterr()
    assert "\\x1b" in printed.out
    assert "\x1b" not in printed.out + printed.err


MISTAKES = [
    (["verifies", "x.db"], "there is no command `verifies`; did you mean `verify`?"),
    (["nothing"], "there is no command `nothing`\n"),
    (["export", "x.db", "--verdict", "denny", "--format", "otel"], "there is no verdict `denny` (only "),
    (["export", "x.db", "--kind", "decisions", "--format", "otel"], "did you mean `decision`?"),
]


@pytest.mark.parametrize(("given", "said"), MISTAKES, ids=[" ".join(given[:3]) for given, _ in MISTAKES])
def test_a_word_that_is_none_gets_the_nearest_one(given, said, capsys):
    try:
        code = main(given)
    except SystemExit as stopped:
        code = stopped.code
    assert code == USAGE
    assert said in capsys.readouterr().err


def test_the_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == OK
    assert capsys.readouterr().out.startswith("toolguard 0.")
