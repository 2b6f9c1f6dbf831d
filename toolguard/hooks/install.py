"""Puts the hook into a client's settings, and takes it out: what belongs to others stays as it is, and the old file is kept."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolguard.errors import ToolGuardError
from toolguard.hooks import thin

if TYPE_CHECKING:
    from toolguard.hooks.options import Options

SECONDS = 60  # after which a client gives the hook up; the hook itself denies before
THIN = str(Path(thin.__file__).resolve())


class SettingsError(ToolGuardError):
    """A client's settings cannot be read, so they are not touched."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One client's file, as it is and as it would be. `stays_open` is what the client lets through whatever the hook does."""

    client: str
    path: Path
    now: dict[str, Any]
    exists: bool

    @property
    def installed(self) -> str | None:
        """The command that is installed, None where none is."""
        return next((each for each in _commands(self.now) if THIN in each or "toolguard/hooks/thin.py" in each), None)

    def with_hook(self, command: str) -> dict[str, Any]:
        """The settings with the hook in front of every tool."""
        made = self.without_hook()
        hooks = made.setdefault("hooks", {})
        for event in _EVENTS[self.client]:
            if not isinstance(hooks, dict) or not isinstance(hooks.setdefault(event, []), list):
                raise SettingsError(f"`hooks` in {self.path} is not what {self.client} reads")
            hooks[event].append(_entry(self.client, command))
        return {"version": 1, **made} if self.client in ("copilot", "cursor") else made

    def without_hook(self) -> dict[str, Any]:
        """The settings without it."""
        made: dict[str, Any] = json.loads(json.dumps(self.now))
        hooks = made.get("hooks")
        if not isinstance(hooks, dict):
            return made
        for event, entries in list(hooks.items()):
            left = [kept for each in entries if (kept := _without(each)) is not None] if isinstance(entries, list) else entries
            hooks[event] = left
            if entries and not left:
                del hooks[event]
        if self.now["hooks"] and not hooks:
            del made["hooks"]
        return made

    def write(self, content: dict[str, Any]) -> Path | None:
        """Write it in one step; the file as it was is kept beside it. Returns that copy's path."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        mode = self.path.stat().st_mode & 0o777 if self.exists else 0o600
        kept = (
            self.path.with_name(f"{self.path.name}.before-toolguard-{time.strftime('%Y%m%d-%H%M%S')}") if self.exists else None
        )
        if kept is not None:
            kept.write_bytes(self.path.read_bytes())
            kept.chmod(mode)
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        fresh.write_text(shown(content))
        fresh.chmod(mode)
        fresh.replace(self.path)
        return kept


def settings_of(client: str, project: str = "") -> Settings:
    """A client's settings: the user's own, or those of a project.

    Raises:
        SettingsError: they are no JSON object.
    """
    path = _path_of(client, project)
    if not path.exists():
        return Settings(client, path, {}, exists=False)
    try:
        now = json.loads(path.read_text() or "{}")
    except (ValueError, OSError) as error:
        raise SettingsError(f"{path} cannot be read, and is left as it is: {error}") from None
    if not isinstance(now, dict):
        raise SettingsError(f"{path} is no JSON object, and is left as it is")
    return Settings(client, path, now, exists=True)


def command_of(client: str, options: Options) -> str:
    """What the client's shell runs. Should it fail in any way, that is a denial with words on standard error."""
    words = [sys.executable, "-I", "-S", THIN, client, *options.words()]
    return f"{shlex.join(words)} || {{ echo 'toolguard: the hook failed' >&2; exit {thin.DENIED}; }}"


def shown(content: dict[str, Any]) -> str:
    """Settings as they are written."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


_RESULTS = "a result, where the interpreter itself crashes after the tool has run"
STAYS_OPEN = {
    "claude": f"no call, as long as the settings are trusted: `onFailure` blocks what fails or takes too long; {_RESULTS}",
    "codex": f"a hook that takes more than {SECONDS} s (it denies before), and one that you have not trusted: Codex asks; "
    f"{_RESULTS}",
    "gemini": f"a hook that takes more than {SECONDS} s (it denies before)",
    "copilot": f"a hook that takes more than {SECONDS} s (it denies before); {_RESULTS}, and what a failed tool says",
    "cursor": "not measured: written from its documentation; it shows results as they are",
}
_EVENTS = {
    "claude": ("PreToolUse", "PostToolUse"),
    "codex": ("PreToolUse", "PostToolUse"),
    "gemini": ("BeforeTool", "AfterTool"),
    "copilot": ("preToolUse", "postToolUse"),
    "cursor": ("preToolUse",),
}


def _entry(client: str, command: str) -> dict[str, Any]:
    if client == "copilot":
        return {"type": "command", "bash": command, "timeoutSec": SECONDS}
    if client == "cursor":
        return {"command": command, "timeout": SECONDS, "failClosed": True}
    hook: dict[str, Any] = {"type": "command", "command": command, "timeout": SECONDS * (1000 if client == "gemini" else 1)}
    if client == "claude":
        hook["onFailure"] = "block"
    return {"matcher": ".*" if client == "gemini" else "*", "hooks": [hook]}


def _path_of(client: str, project: str) -> Path:
    home = Path.home()
    if project:
        names = {
            "claude": ".claude/settings.json",
            "codex": ".codex/hooks.json",
            "gemini": ".gemini/settings.json",
            "copilot": ".github/hooks/toolguard.json",
            "cursor": ".cursor/hooks.json",
        }
        return Path(project).resolve() / names[client]
    return {
        "claude": Path(os.environ.get("CLAUDE_CONFIG_DIR") or home / ".claude", "settings.json"),
        "codex": Path(os.environ.get("CODEX_HOME") or home / ".codex", "hooks.json"),
        "gemini": home / ".gemini" / "settings.json",
        "copilot": Path(os.environ.get("COPILOT_HOME") or home / ".copilot", "hooks", "toolguard.json"),
        "cursor": home / ".cursor" / "hooks.json",
    }[client]


def _is_ours(hook: Any) -> bool:
    command = (hook.get("command") or hook.get("bash")) if isinstance(hook, dict) else None
    return isinstance(command, str) and (THIN in command or "toolguard/hooks/thin.py" in command)


def _without(entry: Any) -> Any:
    """An entry without our hooks; None where nothing else is in it."""
    if _is_ours(entry):
        return None
    if isinstance(entry, dict) and isinstance(entry.get("hooks"), list):
        left = [hook for hook in entry["hooks"] if not _is_ours(hook)]
        return {**entry, "hooks": left} if left or not entry["hooks"] else None
    return entry


def _commands(settings: dict[str, Any]) -> list[str]:
    hooks = settings.get("hooks")
    entries = [each for event in hooks.values() if isinstance(event, list) for each in event] if isinstance(hooks, dict) else []
    inner = [hook for each in entries if isinstance(each, dict) for hook in (each.get("hooks") or [each])]
    said = [hook.get("command") or hook.get("bash") for hook in inner if isinstance(hook, dict)]
    return [each for each in said if isinstance(each, str)]
