"""An assignment before a harmless program makes it run something else."""

import pytest

from toolguard import Guard, Verdict

AROUND = {"workspace": "/work/repo", "cwd": "/work/repo", "home": "/home/dev"}
COMMANDS = [
    "LD_PRELOAD=/tmp/x.so ls",
    "BASH_ENV=/tmp/x bash -c true",
    "PATH=/tmp/evil:$PATH git status",
    "PAGER='rm -rf ~' git log",
    "GIT_SSH_COMMAND='sh -c x' git fetch",
    "GIT_EXTERNAL_DIFF=/tmp/x git diff",
    "PROMPT_COMMAND=/tmp/x bash",
    "PERL5OPT=-Mx perl y",
    "NODE_OPTIONS='--require /tmp/x.js' node y",
    "PYTHONSTARTUP=/tmp/x python3",
    "export LD_PRELOAD=/tmp/x.so",
    "MANPAGER=/tmp/x man ls",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_does_not_run(command):
    with Guard(pack="coding-agent", ledger=":memory:") as guard:
        decision = guard.evaluate("bash", {"command": command}, context=AROUND)
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), command
