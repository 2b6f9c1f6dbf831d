"""How each client says what it is about to do, and how it is told.

Measured with the clients themselves, but for Cursor, which is written from its documentation.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from toolguard.arguments import arguments_of
from toolguard.errors import MalformedCall, ToolDenied
from toolguard.hooks import thin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolguard.model import Outcome


class Reply(NamedTuple):
    """What the client reads: its standard output, standard error and exit code."""

    stdout: str
    stderr: str
    code: int


ALLOW = Reply("", "", 0)  # nothing is said: the client's own questions to its user stay


class Call(NamedTuple):
    """One call as a client proposes it."""

    tool: str
    params: dict[str, Any]
    session: str | None
    call_id: str | None
    cwd: str | None
    """Where it runs; the model may have chosen that."""
    root: str | None
    """The folder of the project, from a client that says it with each call."""
    unattended: bool
    """Nobody is there whom the client could ask."""
    response: Any = None
    """What came back, from a client that says so after the call, and takes another value in its place."""
    has_run: bool = False


@dataclass(frozen=True, slots=True)
class Client:
    """One client. `asks`: it can put a call before its user; where it cannot, an escalated call waits or is denied."""

    name: str
    title: str
    asks: bool

    def call(self, text: bytes) -> Call:
        """What it is about to do.

        Raises:
            MalformedCall: it said something else.
        """
        said = _object(text)
        params = _first(said, "tool_input", "toolArgs")
        if self.name == "cursor" and "command" in said:
            said, params = {"tool_name": "Bash", **said}, {"command": said["command"]}
        if isinstance(params, str):
            params = _object(params.encode())
        tool = _first(said, "tool_name", "toolName")
        if not isinstance(tool, str) or not isinstance(params, dict):
            raise MalformedCall("the client did not say which tool it is about to use, and with what")
        return Call(
            tool,
            params,
            _text(_first(said, "session_id", "sessionId", "conversation_id")),
            _text(_first(said, "tool_use_id", "toolUseId", "generation_id")),
            _folder(_text(said.get("cwd")), params),
            _text((said.get("workspace_roots") or [None])[0]),
            said.get("permission_mode") in ("bypassPermissions", "dontAsk"),
            _first(said, "tool_response", "toolResult"),
            thin.has_run(self.name, said),
        )

    def deny(self, reason: str, said: bytes = b"") -> Reply:
        """The call is denied; of one that has run (as the client `said`) nothing that came back goes on."""
        return Reply(*thin.denial(self.name, reason, said))

    def seen(self, response: Any, seen: Outcome) -> Reply:
        """What the model reads in the place of what came back; nothing is said where it may read that."""
        if seen.error is not None:
            text = seen.error.message_for_model() if isinstance(seen.error, ToolDenied) else type(seen.error).__name__
            return Reply(json.dumps(thin.instead(self.name, {"tool_response": response}, text)), "", 0)
        if seen.value == response:
            return ALLOW
        if self.name == "claude":
            form = {"hookSpecificOutput": {"hookEventName": "PostToolUse", "updatedToolOutput": seen.value}}
        elif self.name == "copilot":
            form = {"modifiedResult": seen.value}
        else:
            said = seen.value.get("llmContent") if isinstance(seen.value, dict) else seen.value
            form = thin.instead(self.name, {}, said if isinstance(said, str) else json.dumps(seen.value))
        return Reply(json.dumps(form), "", 0)

    def ask(self, reason: str) -> Reply:
        """The client puts the call before its user."""
        form: dict[str, Any] = {"permissionDecision": "ask", "permissionDecisionReason": reason}
        if self.name == "cursor":
            form = {"permission": "ask", "user_message": reason, "agent_message": reason}
        elif self.name == "claude":
            form = {"hookSpecificOutput": {"hookEventName": "PreToolUse", **form}}
        return Reply(json.dumps(form), "", 0)


CLIENTS = {
    each.name: each
    for each in (
        Client("claude", "Claude Code", asks=True),
        Client("codex", "Codex CLI", asks=False),  # it runs what it is told to ask about
        Client("gemini", "Gemini CLI", asks=False),  # it hangs where nobody can answer
        Client("copilot", "Copilot CLI", asks=True),
        Client("cursor", "Cursor", asks=True),
    )
}


def _folder(cwd: str | None, params: dict[str, Any]) -> str | None:
    """Where a command runs: some tools take a folder beside it."""
    for name in ("workdir", "dir_path", "cwd", "directory") if "command" in params else ():
        given = params.get(name)
        if given is not None and not isinstance(given, str):
            raise MalformedCall(f"`{name}` is no text")
        if given:
            cwd = posixpath.join(cwd or "", given)
    return cwd


def _object(text: bytes) -> dict[str, Any]:
    return arguments_of(text.decode("utf-8", "replace"))


def _first(said: Mapping[str, Any], *names: str) -> Any:
    return next((said[name] for name in names if name in said), None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
