"""Replays what can go wrong against the command that is installed: whatever fails has to be a denial."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolguard.hooks import thin

if TYPE_CHECKING:
    from collections.abc import Iterator

HARMLESS = "git status --short"
HARMFUL = "rm -rf ~"


@dataclass(frozen=True, slots=True)
class Finding:
    """One trial: what was tried, what has to come of it, and what did."""

    tried: str
    expected: str
    came: str

    @property
    def holds(self) -> bool:
        """Whether it came out as it has to."""
        return self.expected == self.came


def examine(client: str, command: str) -> Iterator[Finding]:
    """Run the command as the client's shell does, in every way that it may fail."""
    with tempfile.TemporaryDirectory() as folder:
        ok, harmful = _call(client, HARMLESS, folder), _call(client, HARMFUL, folder)
        yield Finding("a harmless command", "let through", _run(command, ok))
        yield Finding("a harmful command", "denied", _run(command, harmful))
        yield Finding("a harmful command, asked again (the daemon answers)", "denied", _run(command, harmful))
        yield Finding("no JSON", "denied", _run(command, "not JSON"))
        yield Finding("nothing at all", "denied", _run(command, ""))
        yield Finding("a call without a tool", "denied", _run(command, "{}"))
        yield Finding("a call that is too long", "denied", _run(command, ok + " " * thin.MOST))
        nowhere = {"TOOLGUARD_HOME": "/proc/nowhere"}
        yield Finding("no folder for the ledger", "denied", _run(command, ok, nowhere))
        missing = command.replace(f" {client}", f" {client} --policy {folder}/none.yaml", 1)
        yield Finding("a policy that is not there", "denied", _run(missing, ok))
        gone = command.replace("-I -S", "-I -S -c 'raise SystemExit(1)'", 1)
        yield Finding("an interpreter that crashes", "denied", _run(gone, ok))
        killed = command.replace("-I -S", "-I -S -c 'import os; os.kill(os.getpid(), 9)'", 1)
        yield Finding("an interpreter that is killed", "denied", _run(killed, ok))
        yield Finding("an interpreter that is not there", "denied", _run(f"/none{command}", ok))


def _call(client: str, command: str, folder: str) -> str:
    if client == "copilot":
        said: dict[str, Any] = {"sessionId": "doctor", "cwd": folder, "toolName": "bash", "toolArgs": {"command": command}}
    elif client == "cursor":
        said = {"conversation_id": "doctor", "workspace_roots": [folder], "cwd": folder, "command": command}
    else:
        tool = "run_shell_command" if client == "gemini" else "Bash"
        said = {"session_id": "doctor", "cwd": folder, "tool_name": tool, "tool_input": {"command": command}}
    return json.dumps(said)


def _run(command: str, text: str, environment: dict[str, str] | None = None) -> str:
    """`let through`, `denied`, or what else came of it: a client lets through what it does not understand."""
    given = {**os.environ, **(environment or {})}
    given.pop("CLAUDE_PROJECT_DIR", None)
    try:
        done = subprocess.run(  # noqa: S602 - as the client runs it
            command, shell=True, input=text.encode(), capture_output=True, timeout=2 * thin.SECONDS, check=False, env=given,
            cwd=tempfile.gettempdir(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "no answer in time"
    if done.returncode == 0:
        return "asked" if b"ask" in done.stdout else "let through" if not done.stdout.strip() else "not understood"
    return (
        "denied" if done.returncode == thin.DENIED and done.stderr.strip() else f"exit code {done.returncode}, not understood"
    )
