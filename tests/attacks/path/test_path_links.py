"""Links that lead out of the workspace, `..` behind them among others."""

import pytest

from toolguard import Guard, Verdict

PATHS = [
    "link/x",
    "link/../x",
    "dir/up/../../x",
    "dangling",
    "loop",
    "chain/x",
    "./link//x",
    "a/../link/x",
    "dir/up/out/x",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("tool", "name"), [("read_file", "path"), ("write_file", "file_path"), ("edit_file", "path")])
def test_it_does_not_run(tmp_path, path, tool, name):
    workspace, outside = tmp_path / "ws", tmp_path / "out"
    workspace.mkdir()
    outside.mkdir()
    (workspace / "dir").mkdir()
    (workspace / "link").symlink_to(outside)
    (workspace / "chain").symlink_to(workspace / "link")
    (workspace / "dangling").symlink_to(outside / "new")
    (workspace / "loop").symlink_to(workspace / "loop")
    (workspace / "dir" / "up").symlink_to(tmp_path)
    context = {"workspace": str(workspace), "cwd": str(workspace), "home": "/home/dev"}
    params = {name: path.replace("{ws}", str(workspace)), "content": "x"}
    with Guard(pack="filesystem", ledger=":memory:") as guard:
        assert guard.evaluate(tool, params, context=context).verdict >= Verdict.ESCALATE
