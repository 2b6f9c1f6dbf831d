"""Hooks of coding agents: what each client says and is told, the process it starts, the daemon, the settings, the doctor."""

import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from toolguard import Guard
from toolguard.approvals import answer as answering
from toolguard.cli import main
from toolguard.hooks import thin
from toolguard.hooks.answers import Answers
from toolguard.hooks.clients import ALLOW, CLIENTS
from toolguard.hooks.daemon import serve
from toolguard.hooks.doctor import examine
from toolguard.hooks.install import SettingsError, command_of, settings_of
from toolguard.hooks.options import PACKS, Options
from toolguard.policy.load import pack_files

HARMLESS, HARMFUL, ASKED = "git status --short", "rm -rf ~", "git push --force"


def said_by(client, command, folder="/work/repo", **more):
    """A call as the client writes it."""
    if client == "copilot":
        return {"sessionId": "s", "cwd": folder, "toolName": "bash", "toolArgs": {"command": command}, **more}
    if client == "cursor":
        return {"conversation_id": "s", "workspace_roots": [folder], "command": command, "hook_event_name": "x", **more}
    tool = "run_shell_command" if client == "gemini" else "Bash"
    return {"session_id": "s", "cwd": folder, "tool_name": tool, "tool_input": {"command": command}, "tool_use_id": "c", **more}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TOOLGUARD_HOME", str(tmp_path / ".toolguard"))
    for name in ("CLAUDE_PROJECT_DIR", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    for path in (tmp_path / ".toolguard" / "run").glob("*.pid"):
        os.kill(int(path.read_text()), signal.SIGKILL)


@pytest.fixture
def answers():
    with Guard(pack_files(*PACKS), ledger=":memory:", unmatched="escalate") as guard:
        yield Answers(guard, Options())


def told(answers, client, command, **more):
    return answers.to(client, json.dumps(said_by(client, command, **more)).encode(), "/work/repo")


# -- what a client is told ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", CLIENTS)
def test_an_allowed_call_is_answered_with_nothing(answers, client):
    assert told(answers, client, HARMLESS) == ALLOW == ("", "", 0)


FORMS = {
    "gemini": lambda said: (said["decision"], said["reason"]),
    "copilot": lambda said: (said["permissionDecision"], said["permissionDecisionReason"]),
    "cursor": lambda said: (said["permission"], said["agent_message"]),
}


def form(client, stdout):
    def nested(said):
        assert set(said) == {"hookSpecificOutput"}  # Codex takes a form with anything else in it for no answer
        return said["hookSpecificOutput"]["permissionDecision"], said["hookSpecificOutput"]["permissionDecisionReason"]

    return FORMS.get(client, nested)(json.loads(stdout))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_denied_call_is_told_in_the_clients_form_on_standard_error_and_by_the_exit_code(answers, client):
    reply = told(answers, client, HARMFUL)
    verdict, reason = form(client, reply.stdout)
    assert (verdict, reply.code) == ("deny", 2)
    assert "outside-stays-as-it-is" in reason
    assert reason in reply.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_what_needs_a_person_is_put_before_the_clients_user_or_denied(answers, client):
    reply = told(answers, client, ASKED)
    if CLIENTS[client].asks:
        assert form(client, reply.stdout)[0] == "ask"
        assert reply.code == 0
    else:
        assert form(client, reply.stdout)[0] == "deny"
        assert "nobody is there" in reply.stderr


def test_where_the_clients_user_is_not_asked_it_is_denied(answers):
    assert told(answers, "claude", ASKED, permission_mode="bypassPermissions").code == 2


def test_people_who_may_answer_are_waited_for(tmp_path):
    dana = pytest.importorskip("toolguard.audit.sign").Signer("dana", bytes(32))
    with Guard(pack_files(*PACKS), ledger=tmp_path / "l.db", approvers={str(dana.verifier): ["*"]}) as guard:
        got = []
        waiting = threading.Thread(target=lambda: got.append(told(Answers(guard, Options()), "codex", ASKED)))
        waiting.start()
        while not guard.pending():
            time.sleep(0.01)
        guard.withdraw(guard.pending()[0].id, by="ops", reason="no")
        waiting.join()
    assert got[0].code == 2
    assert "withdrawn" in got[0].stderr


def test_an_approval_that_comes_too_late_is_for_the_same_call_again(tmp_path, monkeypatch):
    monkeypatch.setattr("toolguard.hooks.answers.WAIT", 0.2)
    dana = pytest.importorskip("toolguard.audit.sign").Signer("dana", bytes(32))
    with Guard(pack_files(*PACKS), ledger=tmp_path / "l.db", approvers={str(dana.verifier): ["*"]}) as guard:
        answers = Answers(guard, Options())
        late = told(answers, "codex", ASKED)
        (asked,) = guard.pending()
        assert late.code == 2
        assert asked.id in late.stderr
        answering.answer(guard._log, asked.key, dana, answering.Reply(granted=True, by="dana", where="here"))
        assert told(answers, "codex", f"{ASKED} origin x").code == 2  # another call
        assert told(answers, "codex", ASKED) == ALLOW
        assert told(answers, "codex", ASKED).code == 2  # once


@pytest.mark.parametrize("client", [*CLIENTS, "unheard-of"])
@pytest.mark.parametrize(
    "text", [b"", b"not JSON", b"{}", b"[]", b'{"tool_name": "Bash"}', b'{"tool_name": 5, "tool_input": {}}', b"\xff\x00"]
)
def test_what_cannot_be_understood_is_denied(answers, client, text):
    reply = answers.to(client, text)
    assert reply.code == 2
    assert reply.stderr.strip()
    assert form(client, reply.stdout)[0] == "deny"


def test_a_name_that_stands_twice_is_denied(answers):
    text = b'{"tool_name": "Bash", "tool_input": {"command": "rm -rf ~", "command": "ls"}, "cwd": "/work/repo"}'
    assert answers.to("claude", text).code == 2


def test_a_guard_that_fails_denies():
    reply = Answers(None, Options()).to("claude", json.dumps(said_by("claude", HARMLESS)).encode())
    assert reply.code == 2
    assert "the guard failed" in reply.stderr


@pytest.mark.parametrize(
    ("tool", "params", "code"),
    [
        ("Read", {"file_path": "/work/repo/src/a.py"}, 0),
        ("Read", {"file_path": "/work/other/a.py"}, 2),
        ("TodoWrite", {"todos": []}, 0),
        ("WebFetch", {"url": "http://169.254.169.254/"}, 2),
        ("WebFetch", {"url": "https://docs.python.org/3/", "prompt": "x"}, 0),
        ("Bash", {"command": "cat ~/.ssh/id_ed25519"}, 2),
        ("Bash", {"command": "rm -rf ~/.toolguard"}, 2),
    ],
)
def test_the_packs_for_coding_agents(answers, tool, params, code):
    call = {"session_id": "s", "cwd": "/work/repo", "tool_name": tool, "tool_input": params}
    assert answers.to("claude", json.dumps(call).encode(), "/work/repo").code == code


@pytest.mark.parametrize("path", [".claude/settings.json", ".codex/hooks.json", ".gemini/settings.json", ".toolguard/hook.db"])
def test_its_own_files_and_the_settings_of_clients_are_changed_with_a_person(answers, tmp_path, path):
    call = {"session_id": "s", "cwd": str(tmp_path), "tool_name": "Write", "tool_input": {"file_path": path, "content": "{}"}}
    reply = answers.to("claude", json.dumps(call).encode(), str(tmp_path))
    assert form("claude", reply.stdout)[0] == "ask"


@pytest.mark.parametrize("command", ["rm -rf build", "rm notes", "rm -rf ~"])
def test_a_folder_that_the_model_chose_is_no_workspace(answers, command):
    """Codex says the model's `workdir` as the folder of the call."""
    call = said_by("codex", command, "/home/somebody")
    assert answers.to("codex", json.dumps(call).encode(), "/work/repo").code == 2
    beside = {**said_by("gemini", command), "tool_input": {"command": command, "dir_path": "../../home/somebody"}}
    assert answers.to("gemini", json.dumps(beside).encode(), "/work/repo").code == 2


def test_without_a_project_nothing_is_inside(answers):
    call = {"session_id": "s", "cwd": "/home/somebody", "tool_name": "Read", "tool_input": {"file_path": "a.py"}}
    assert answers.to("codex", json.dumps(call).encode()).code == 2


def test_an_unknown_tool_is_put_before_a_person(answers):
    call = {"session_id": "s", "cwd": "/work/repo", "tool_name": "mcp__pay__refund", "tool_input": {}}
    assert form("claude", answers.to("claude", json.dumps(call).encode()).stdout)[0] == "ask"


def test_the_project_is_the_workspace_wherever_the_agent_has_gone(answers, tmp_path):
    call = {"session_id": "s", "cwd": "/", "tool_name": "Read", "tool_input": {"file_path": str(tmp_path / "a.py")}}
    assert answers.to("claude", json.dumps(call).encode(), str(tmp_path)) == ALLOW


# -- what comes back ---------------------------------------------------------------------------------------------------

KEY = "AKIAIOSFODNN7EXAMPLE"
WITHHELD = """
policy_id: w
facts: {card: {sensitive: result, kinds: card-number}, note: {sensitive: parameters.command, kinds: iban}}
rules:
  - {rule_id: no-cards, phase: result, conditions: {field: card.found, operator: eq, value: true}, effect: deny}
  - {rule_id: cut, conditions: {field: note.found, operator: eq, value: true}, effect: flag, redact: [{facts: note}]}
"""


@pytest.fixture
def content():
    with Guard([WITHHELD, *pack_files(*PACKS, "data-protection")], ledger=":memory:", unmatched="escalate") as guard:
        yield Answers(guard, Options())


def after(response, command=HARMLESS, **more):
    return {**said_by("claude", command), "hook_event_name": "PostToolUse", "tool_response": response, **more}


def seen(answers, response):
    reply = answers.to("claude", json.dumps(after(response)).encode(), "/work/repo")
    assert (reply.stderr, reply.code) == ("", 0)
    return json.loads(reply.stdout)["hookSpecificOutput"]["updatedToolOutput"] if reply.stdout else None


def test_a_result_goes_on_as_it_may_be_seen_and_in_its_shape(content):
    assert seen(content, {"stdout": "clean", "stderr": "", "interrupted": False}) is None
    redacted = seen(content, {"stdout": f"key {KEY}", "stderr": "", "interrupted": False})
    assert redacted == {"stdout": "key [redacted aws-key]", "stderr": "", "interrupted": False}
    blocks = seen(content, [{"type": "text", "text": f"key {KEY}"}])
    assert blocks == [{"type": "text", "text": "key [redacted aws-key]"}]


def test_of_a_result_that_is_withheld_only_the_shape_is_left(content):
    left = seen(content, {"stdout": "card 4111 1111 1111 1111", "stderr": "s", "code": 7, "interrupted": False, "type": "text"})
    assert "What came back of `Bash` is withheld: rule `no-cards`" in left.pop("stdout")
    assert left == {"stderr": "", "code": 0, "interrupted": False, "type": "text"}
    (block,) = seen(content, [{"type": "4111 1111 1111 1111", "text": "x"}])
    assert "4111" not in json.dumps(block)


AFTER = {
    "claude": ({"hook_event_name": "PostToolUse"}, "tool_response", lambda text: {"stdout": text, "stderr": ""}),
    "codex": ({"hook_event_name": "PostToolUse"}, "tool_response", str),
    "gemini": ({"hook_event_name": "AfterTool"}, "tool_response", lambda text: {"llmContent": text, "returnDisplay": text}),
    "copilot": ({}, "toolResult", lambda text: {"resultType": "success", "textResultForLlm": text}),
}
READ = {
    "claude": lambda said: said["hookSpecificOutput"]["updatedToolOutput"]["stdout"],
    "codex": lambda said: said["reason"] if said["decision"] == "block" else None,
    "gemini": lambda said: said["reason"] if said["decision"] == "deny" else None,
    "copilot": lambda said: said["modifiedResult"]["textResultForLlm"],
}


def read(answers, client, text):
    """What the model of a client reads of a result."""
    event, key, shape = AFTER[client]
    said = {**said_by(client, HARMLESS), **event, key: shape(text)}
    reply = answers.to(client, json.dumps(said).encode(), "/work/repo")
    assert (reply.stderr, reply.code) == ("", 0)
    return READ[client](json.loads(reply.stdout)) if reply.stdout else text


@pytest.mark.parametrize("client", AFTER)
def test_every_client_shows_its_model_what_may_be_seen(content, client):
    assert read(content, client, "clean") == "clean"
    assert read(content, client, f"key {KEY}.") == "key [redacted aws-key]."
    assert "is withheld: rule `no-cards`" in read(content, client, "card 4111 1111 1111 1111")


@pytest.mark.parametrize("client", AFTER)
def test_of_a_result_nothing_goes_on_where_the_guard_fails(client):
    assert read(Answers(None, Options()), client, KEY) == "toolguard: the guard failed (AttributeError)"


def test_a_result_without_a_place_for_a_reason_stops_the_agent(content):
    reply = content.to("claude", json.dumps(after({"card": 4111111111111111})).encode(), "/work/repo")
    said = json.loads(reply.stdout)
    assert (said["continue"], said["hookSpecificOutput"]["updatedToolOutput"]) == (False, {"card": 0})


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "words",
    ['"hook_event_name": "PostToolUse"', 'AfterTool", "hook_event_name":"AfterTool', '"toolResult": {}, "tool_response": 1'],
)
def test_the_model_cannot_make_a_call_look_as_if_it_had_run(answers, client, words):
    """Attack: the answer to a call that has run is no denial, so a call that says that it has run must not be believed."""
    for reply in (
        told(answers, client, f"{HARMFUL} # {words}"),
        Answers(None, Options()).to(client, json.dumps(said_by(client, words)).encode(), "/work/repo"),
    ):
        assert (form(client, reply.stdout)[0], reply.code) == ("deny", 2)


def test_what_a_client_runs_cannot_be_changed_so_it_is_denied(content):
    reply = told(content, "claude", "echo DE89370400440532013000")
    assert "an obligation cannot be carried out" in reply.stderr
    assert reply.code == 2


# -- the process that a client starts, and the daemon -------------------------------------------------------------------


def started(client, text, *options):
    command = [sys.executable, "-I", "-S", thin.__file__, client, *options]
    return subprocess.run(command, input=text, capture_output=True, check=False, timeout=60)


def daemon_of(home):
    """The daemon's process; waits until it listens."""
    for _ in range(400):
        if (sockets := [*(home / ".toolguard" / "run").glob("*.sock")]) and not connected(sockets[0]):
            time.sleep(0.05)
        elif sockets:
            return sockets[0], connected(sockets[0])
        time.sleep(0.05)
    raise AssertionError("no daemon")


def connected(path):
    """The process at the other end; None where there is none."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return None
        process, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return process


def test_the_first_call_starts_a_daemon_and_the_next_ones_are_answered_by_it(home):
    harmless, harmful = (json.dumps(said_by("claude", each, f"{home}/project")).encode() for each in (HARMLESS, HARMFUL))
    first = started("claude", harmless)
    assert (first.returncode, first.stdout) == (0, b"")
    path, process = daemon_of(home)
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        second = started("claude", harmful)
        assert second.returncode == 2
        assert b"outside-stays-as-it-is" in second.stderr
        assert main(["hook", "serve"]) == 0  # one is enough
        os.kill(process, signal.SIGKILL)
        third = started("claude", harmful)  # the socket is there, and nobody behind it
        assert third.returncode == 2
        assert b"outside-stays-as-it-is" in third.stderr
    finally:
        os.kill(daemon_of(home)[1], signal.SIGKILL)
    assert main(["verify", str(home / ".toolguard" / "hook.db")]) == 0


def serving(home, answer):
    """A socket where the daemon's would be, and what it answers to whatever is asked."""
    path = Path(thin.socket_path([]))
    path.parent.mkdir(parents=True, mode=0o700)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve_one():
        with suppress(OSError):  # nobody has come
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                answer(connection)

    threading.Thread(target=serve_one, daemon=True).start()
    return listener


@pytest.mark.parametrize(
    "answer",
    [
        lambda connection: None,
        lambda connection: connection.sendall(b"\0\0\0\5ab"),
        lambda connection: connection.sendall(struct.pack("!I", 2**31) + b"x"),
        lambda connection: connection.sendall(struct.pack("!I", 3) + b"abc"),
        lambda connection: connection.sendall(struct.pack("!I", 5) + b"\0\0zzz"),
        lambda connection: time.sleep(3),
    ],
    ids=["nothing", "cut off", "too long", "no answer", "no code", "too late"],
)
def test_a_daemon_that_answers_nonsense_or_too_late_is_a_denial(home, monkeypatch, capsys, answer):
    monkeypatch.setattr(thin, "SECONDS", 0.3)
    monkeypatch.setattr(sys, "stdin", type("Given", (), {"buffer": type("Bytes", (), {"read": staticmethod(lambda _: b"{}")})}))
    with serving(home, answer):
        assert thin.main(["claude"]) == 2
    said = capsys.readouterr()
    assert form("claude", said.out)[0] == "deny"
    assert "the guard failed" in said.err


def test_another_users_socket_is_nobodys(home, monkeypatch):
    monkeypatch.setattr(thin, "owner", lambda _: os.getuid() + 1)
    with serving(home, lambda connection: None):
        assert thin.asked("claude", [], b"{}") is None


def test_a_folder_that_is_open_to_others_gets_no_socket(home):
    folder = home / ".toolguard" / "run"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    assert serve(Options(), idle=0.1) == 1


def test_a_daemon_that_nobody_asks_goes(home):
    assert serve(Options(), idle=0.1) == 0
    assert not [*(home / ".toolguard" / "run").glob("*.sock")]


def test_a_process_that_cannot_judge_denies(home, monkeypatch):
    assert started("claude", b"{}", "--policy", str(home / "none.yaml")).returncode == 2
    monkeypatch.setenv("TOOLGUARD_HOME", "/proc/nowhere")
    done = started("gemini", json.dumps(said_by("gemini", HARMLESS)).encode())
    assert done.returncode == 2
    assert form("gemini", done.stdout)[0] == "deny"
    assert done.stderr.strip()


@pytest.mark.parametrize(("said", "code"), [("", 0), ('{"x": 1}', 0), ("usage: ...", 2), (" ", 2)])
def test_what_a_client_could_not_read_is_a_denial(monkeypatch, said, code):
    done = subprocess.CompletedProcess([], 0, said.encode(), b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert thin.judged_here(["claude"], b"{}")[2] == code


def test_a_client_that_never_ends_its_call_is_not_waited_for(tmp_path):
    path = tmp_path / "thin.py"
    path.write_text(Path(thin.__file__).read_text().replace("SECONDS = 25.0", "SECONDS = 0.5"))
    command = [sys.executable, "-I", "-S", str(path), "claude"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.wait(timeout=20) == -signal.SIGALRM
        process.stdin.close()


def test_what_a_client_starts_loads_next_to_nothing(home):
    code = f"import sys; exec(open({thin.__file__!r}).read().split('if __name__')[0]); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"json", "subprocess", "socket", "pathlib", "toolguard", "argparse"} & set(loaded)


# -- settings, doctor ---------------------------------------------------------------------------------------------------

THEIRS = {
    "hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "theirs.sh"}]}]},
    "theme": "dark",
}


def test_installing_shows_first_and_leaves_what_is_others(home, capsys):
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(json.dumps(THEIRS))
    path.chmod(0o640)
    assert main(["hook", "install", "claude"]) == 0
    assert json.loads(path.read_text()) == THEIRS
    assert "nothing was written" in capsys.readouterr().out
    assert main(["hook", "install", "claude", "--write"]) == 0
    entries = json.loads(path.read_text())["hooks"]["PreToolUse"]
    assert entries[0] == THEIRS["hooks"]["PreToolUse"][0]
    assert entries[1]["hooks"][0]["onFailure"] == "block"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    (kept,) = path.parent.glob("*.before-toolguard-*")
    assert json.loads(kept.read_text()) == THEIRS
    assert main(["hook", "install", "claude", "--write"]) == 0  # again changes nothing
    assert len(json.loads(path.read_text())["hooks"]["PreToolUse"]) == 2
    assert main(["hook", "uninstall", "claude", "--write"]) == 0
    assert json.loads(path.read_text()) == THEIRS


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_has_its_settings(home, client, capsys):
    assert main(["hook", "install", client, "--write", "--workspace", str(home)]) == 0
    assert str(home) in settings_of(client).installed
    assert main(["hook", "status", "--json"]) == 0
    assert settings_of(client).without_hook().get("hooks") is None
    assert main(["hook", "uninstall", client, "--write"]) == 0
    assert settings_of(client).installed is None
    assert main(["hook", "install", client, "--project", str(home / "p"), "--write"]) == 0
    assert settings_of(client, str(home / "p")).path.is_relative_to(home / "p")


@pytest.mark.parametrize("text", ["{", "[]", "// a comment\n{}", "5"])
def test_settings_that_cannot_be_read_are_left_alone(home, text):
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(SettingsError, match="left as it is"):
        settings_of("claude")
    assert main(["hook", "install", "claude", "--write"]) == 1
    assert path.read_text() == text


def test_settings_of_another_shape_are_left_alone(home):
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text('{"hooks": {"PreToolUse": "all"}}')
    assert main(["hook", "install", "claude", "--write"]) == 1
    assert path.read_text() == '{"hooks": {"PreToolUse": "all"}}'


def test_the_doctor_finds_nothing_wrong_with_what_is_installed(home, monkeypatch):
    monkeypatch.setenv("PATH", os.defpath)
    findings = [*examine("codex", command_of("codex", Options()))]
    os.kill(daemon_of(home)[1], signal.SIGKILL)
    assert len(findings) == 12
    assert [each for each in findings if not each.holds] == []


def test_the_doctor_finds_a_hook_that_lets_through_what_fails():
    came = {each.tried: each.came for each in examine("claude", "true -I -S claude")}
    assert came["a harmful command"] == came["no JSON"] == "let through"
    came = {each.tried: each.came for each in examine("claude", "false -I -S claude")}
    assert "not understood" in came["no JSON"]


def test_the_doctor_needs_something_installed(home, capsys):
    assert main(["hook", "doctor", "claude"]) == 2
    assert "not installed" in capsys.readouterr().err


@pytest.mark.parametrize(("what", "hint"), [("instal", "did you mean `install`"), ("claude", "toolguard hook install claude")])
def test_a_person_who_types_it_is_told_what_it_is_for(what, hint, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": staticmethod(lambda: True)}))
    assert main(["hook", what]) == 2
    assert hint in capsys.readouterr().err


def test_options_are_said_again_in_the_same_words(home):
    given = Options(("/p.yaml",), ("payments",), "/l.db", "/w", "/a.json")
    assert given.words() == [
        "--policy",
        "/p.yaml",
        "--pack",
        "payments",
        "--ledger",
        "/l.db",
        "--workspace",
        "/w",
        "--approvers",
        "/a.json",
    ]
    assert Options().words() == []
    assert thin.socket_path(given.words()) != thin.socket_path([])
