"""Parsers leave out what bash runs inside of substitutions, here-documents and expansions."""

import pytest

from toolguard import Guard, Verdict

AROUND = {"workspace": "/work/repo", "cwd": "/work/repo", "home": "/home/dev"}
COMMANDS = [
    "echo $(rm -rf /srv/data)",
    "echo `rm -rf /srv/data`",
    "echo $(true\nrm -rf /srv/data)",
    "echo $(true # )\nrm -rf /srv/data)",
    "cat <(true\nrm -rf /srv/data)",
    "cat <<EOF\n$(rm -rf /srv/data)\nEOF",
    "cat <<EOF > notes.md\n`rm -rf /srv/data`\nEOF",
    'echo "${x:-$(rm -rf /srv/data)}"',
    "echo $(( $(rm -rf /srv/data; echo 1) + 1 ))",
    "[[ -n $(rm -rf /srv/data) ]]",
    "a=( $(rm -rf /srv/data) )",
    "x=$(rm -rf /srv/data) true",
    "echo hi > $(rm -rf /srv/data; echo out)",
    'cat <<< "$(rm -rf /srv/data)"',
    "tee >(rm -rf /srv/data) < x",
    "case $(rm -rf /srv/data) in *) ;; esac",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_does_not_run(command):
    with Guard(pack="coding-agent", ledger=":memory:") as guard:
        decision = guard.evaluate("bash", {"command": command}, context=AROUND)
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), command
