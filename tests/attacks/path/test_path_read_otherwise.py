"""Texts that some program between the model and the disk takes for another path."""

import pytest

from toolguard import Guard, Verdict

PATHS = [
    "~/x",
    "~root/x",
    "$HOME/x",
    "${HOME}/x",
    "%2e%2e/x",
    "..%2fx",
    "%252e%252e/x",
    "file:///etc/hosts",
    "FILE:/etc/hosts",
    "C:\\Windows\\x",
    "\\\\server\\share",
    "..\\x",
    "a\x00b",
    "a\nb",
    "src/*.py",
    "{a,b}",
    "$(id)",
    "`id`",
    "a\u202ebc",
    "\u2024\u2024/x",
    "\uff0e\uff0e/x",
    "..\u2215x",
    "\u200b/x",
    " /etc/hosts",
    "-rf",
    "",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("tool", "name"), [("read_file", "path"), ("write_file", "file_path"), ("edit_file", "path")])
def test_it_does_not_run(tmp_path, path, tool, name):
    workspace, outside = tmp_path / "ws", tmp_path / "out"
    workspace.mkdir()
    outside.mkdir()
    context = {"workspace": str(workspace), "cwd": str(workspace), "home": "/home/dev"}
    params = {name: path.replace("{ws}", str(workspace)), "content": "x"}
    with Guard(pack="filesystem", ledger=":memory:") as guard:
        assert guard.evaluate(tool, params, context=context).verdict >= Verdict.ESCALATE
