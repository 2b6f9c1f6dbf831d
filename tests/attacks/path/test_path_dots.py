"""Dots that lead out of the workspace."""

import pytest

from toolguard import Guard, Verdict

PATHS = [
    "..",
    "../x",
    "a/../../x",
    "./../x",
    "a/b/../../../out/x",
    "{ws}/../out/x",
    "{ws}-evil/x",
    "{ws}/../ws-evil/x",
    "/",
    "//etc/hosts",
    "/etc/../etc/shadow",
    "a/../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../etc/shadow",
    "a//..//..//x",
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
