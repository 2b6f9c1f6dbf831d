"""The name of the program is put together, shortened, decoded or looked up."""

import pytest

from toolguard import Guard, Verdict

AROUND = {"workspace": "/work/repo", "cwd": "/work/repo", "home": "/home/dev"}
COMMANDS = [
    "r''m -r''f /srv/data",
    "r\\m -rf /srv/data",
    "\\rm -rf /srv/data",
    "$'\\x72\\x6d' -rf /srv/data",
    "rm${IFS}-rf${IFS}/srv/data",
    "a=r; b=m; $a$b -rf /srv/data",
    "${x:-rm} -rf /srv/data",
    "v=xrmx; ${v:1:2} -rf /srv/data",
    "c=rm; d=c; ${!d} -rf /srv/data",
    "v=RM; ${v,,} -rf /srv/data",
    'a=(rm -rf /srv/data); "${a[@]}"',
    'set -- rm -rf /srv/data; "$@"',
    "IFS=,; c=rm,-rf,/srv/data; $c",
    "read -r c <<< rm; $c -rf /srv/data",
    "/bin/r? -rf /srv/data",
    "/???/r[m] -rf /srv/data",
    "{rm,-rf,/srv/data}",
    "`echo cm0gLXJmIH4= | base64 -d`",
    "echo cm0gLXJmIC9zcnYvZGF0YQ== | base64 -d | sh",
    "base64 -d <<< cm0gLXJmIC9zcnYvZGF0YQ== | bash",
    "echo 726d202d7266202f737276 | xxd -r -p | sh",
    "echo 'atad/vrs/ fr- mr' | rev | sh",
    "tr a-z n-za-m <<< 'ez -es /fei' | bash",
    "r\u200bm -rf /srv/data",
    "\u0280m -rf /srv/data",
    "rm --recursiv --forc /srv/data",
    "busybox rm -rf /srv/data",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_does_not_run(command):
    with Guard(pack="coding-agent", ledger=":memory:") as guard:
        decision = guard.evaluate("bash", {"command": command}, context=AROUND)
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), command
