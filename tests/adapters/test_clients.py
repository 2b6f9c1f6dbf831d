"""The coding agents themselves, with what `toolguard hook install` has written, against a provider on loopback.

`make test-clients` puts them where this looks for them: in `TOOLGUARD_CLIENTS`, a folder of programs.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from contract import EXAMPLES

sys.path.append(str(EXAMPLES))
from provider import Provider

PROGRAMS = Path(os.environ.get("TOOLGUARD_CLIENTS", "/nowhere"))


class Dialect(ThreadingHTTPServer):
    """A provider that asks for one command, and keeps what it is told of it."""

    daemon_threads = True

    def __init__(self, turn):
        super().__init__(("127.0.0.1", 0), Handler)
        self.turn, self.told = turn, None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def result(self):
        return self.told


class Responses(Dialect):
    """OpenAI's."""

    def events(self, body):
        outputs = [each for each in body.get("input", []) if "output" in each.get("type", "")]
        if outputs:
            self.told = str(outputs[-1]["output"])
            text = {"type": "output_text", "text": "done", "annotations": []}
            item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [text]}
        else:
            named = {"name": self.turn["name"], "arguments": json.dumps(self.turn["args"])}
            item = {"type": "function_call", "id": "f", "call_id": "c", "status": "completed", **named}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        yield {"type": "response.created", "response": {"id": "r", "object": "response", "output": []}}
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}
        yield {"type": "response.completed", "response": {"id": "r", "object": "response", "output": [item], "usage": usage}}


class Gemini(Dialect):
    """Google's."""

    def events(self, body):
        parts = [
            part for content in body.get("contents", []) for part in content.get("parts", []) if "functionResponse" in part
        ]
        part = {"functionCall": {"name": self.turn["name"], "args": self.turn["args"]}}
        if parts:
            self.told, part = json.dumps(parts[-1]), {"text": "done"}
        content = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        yield {"candidates": [content], "usageMetadata": {"totalTokenCount": 2}, "modelVersion": "x"}


class Anthropic(Provider):
    def __init__(self, turn):
        super().__init__([[{"id": "c", **turn}]])

    def result(self):
        return self.told["c"][0] if self.told else None


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Nothing is logged."""

    def do_GET(self):
        self.said(b'{"object": "list", "data": [], "models": []}', "application/json")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        self.said("".join(map(as_event, self.server.events(body))).encode(), "text/event-stream")

    def said(self, body, kind):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def as_event(said):
    return (f"event: {said['type']}\n" if "type" in said else "") + f"data: {json.dumps(said)}\n\n"


def codex(home, url):
    provider = f'[model_providers.local]\nname = "local"\nbase_url = "{url}/v1"\nwire_api = "responses"\nenv_key = "KEY"\n'
    settings = f'model = "fake"\nmodel_provider = "local"\n[features]\nhooks = true\n{provider}'
    (home / ".codex" / "config.toml").write_text(settings)
    trust = ["--dangerously-bypass-approvals-and-sandbox", "--dangerously-bypass-hook-trust"]
    return ["exec", "--skip-git-repo-check", *trust, "go"], {"KEY": "none"}


def gemini(home, url):
    path = home / ".gemini" / "settings.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "security": {"auth": {"selectedType": "gemini-api-key"}}}))
    names = {"GEMINI_API_KEY": "none", "GOOGLE_GEMINI_BASE_URL": url, "GEMINI_CLI_TRUST_WORKSPACE": "true"}
    return ["-m", "gemini-2.5-flash", "--yolo", "-p", "go"], names


def copilot(home, url):
    provider = {"COPILOT_PROVIDER_BASE_URL": url, "COPILOT_PROVIDER_TYPE": "anthropic", "COPILOT_PROVIDER_API_KEY": "none"}
    return ["-p", "go", "--allow-all-tools"], {**provider, "COPILOT_OFFLINE": "true", "COPILOT_MODEL": "claude-sonnet-4"}


def claude(home, url):
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "ENABLE_TOOL_SEARCH": "false"}
    names = {**quiet, "ANTHROPIC_API_KEY": "none", "ANTHROPIC_BASE_URL": url}
    return ["-p", "go on", "--allowedTools", "Bash"], names


CLIENTS = {
    "claude": (claude, Anthropic, "Bash", "command"),
    "codex": (codex, Responses, "exec_command", "cmd"),
    "copilot": (copilot, Anthropic, "bash", "command"),
    "gemini": (gemini, Gemini, "run_shell_command", "command"),
}


@pytest.fixture(params=CLIENTS)
def client(request):
    if not (PROGRAMS / request.param).exists():
        pytest.skip(f"{request.param} is not in TOOLGUARD_CLIENTS: make test-clients")
    return request.param


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project" / "src").mkdir(parents=True)
    (tmp_path / "precious").write_text("x")
    yield tmp_path / "project"
    subprocess.run(["pkill", "-f", "toolguard hook serve"], check=False)


def asked(client, project, command, change=None, options=()):
    """What the model is told of a command that it has proposed."""
    home, (prepare, dialect, tool, name) = project.parent, CLIENTS[client]
    with dialect({"name": tool, "args": {name: command, "description": "x"}}) as provider:
        environment = {"HOME": str(home), "PATH": os.environ["PATH"], "TOOLGUARD_HOME": str(home / ".toolguard")}
        install = [sys.executable, "-m", "toolguard", "hook", "install", client, "--write", *options]
        done = subprocess.run(install, env=environment, check=True, capture_output=True, text=True)
        settings = Path(done.stdout.split("\nwrote ")[1].splitlines()[0].partition(";")[0])
        if change is not None:
            before = settings.read_text()
            settings.write_text(change(before))
            assert settings.read_text() != before
        words, names = prepare(home, provider.url)
        run = {"cwd": project, "env": {**environment, **names}, "stdin": subprocess.DEVNULL}
        done = subprocess.run([str(PROGRAMS / client), *words], **run, capture_output=True, text=True, timeout=120, check=False)
        assert provider.result() is not None, done.stdout + done.stderr
        return provider.result()


def test_a_harmless_command_runs(client, project):
    asked(client, project, "touch ran")
    assert (project / "ran").exists()


def test_a_harmful_command_does_not_and_the_model_reads_why(client, project):
    assert "outside-stays-as-it-is" in asked(client, project, "rm -rf ~/precious")
    assert (project.parent / "precious").exists()


def test_what_needs_a_person_does_not_run_where_nobody_is(client, project):
    assert "what-cannot-be-undone" in asked(client, project, "rm -rf src")
    assert (project / "src").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("-I -S", "-I -S -c 'raise SystemExit(1)'"),
        lambda text: text.replace("-I -S", "-I -S -c 'import os; os.kill(os.getpid(), 9)'"),
        lambda text: text.replace("thin.py", "none.py"),
    ],
    ids=["crashes", "is killed", "is not there"],
)
def test_a_hook_that_fails_lets_nothing_run(client, project, change):
    asked(client, project, "touch ran", change)
    assert not (project / "ran").exists()


def test_a_secret_in_what_a_command_says_never_reaches_the_model(client, project):
    (project / "notes.txt").write_text("the key is AKIAIOSFODNN7EXAMPLE, keep it\n")
    packs = [word for name in ("coding-agent", "client-tools", "data-protection") for word in ("--pack", name)]
    told = asked(client, project, "cat notes.txt", options=packs)
    assert "the key is [redacted aws-key], keep it" in told
    assert "AKIA" not in told
