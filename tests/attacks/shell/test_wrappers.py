"""A deny rule on `rm` did not see it behind another program."""

import pytest

from toolguard import Guard, Verdict

AROUND = {"workspace": "/work/repo", "cwd": "/work/repo", "home": "/home/dev"}
COMMANDS = [
    "sudo rm -rf /srv/data",
    "sudo -u root -E rm -rf /srv/data",
    "doas rm -rf /srv/data",
    "env rm -rf /srv/data",
    "env -i A=1 rm -rf /srv/data",
    "nice -n 19 rm -rf /srv/data",
    "ionice -c3 rm -rf /srv/data",
    "nohup rm -rf /srv/data",
    "setsid -w rm -rf /srv/data",
    "stdbuf -oL rm -rf /srv/data",
    "timeout -k 5 --signal=KILL 10s rm -rf /srv/data",
    "time -p rm -rf /srv/data",
    "chroot /mnt rm -rf /srv/data",
    "unshare -r rm -rf /srv/data",
    "strace -f rm -rf /srv/data",
    "flock /tmp/l rm -rf /srv/data",
    "taskset 1 rm -rf /srv/data",
    "command rm -rf /srv/data",
    "builtin command rm -rf /srv/data",
    "exec -a x rm -rf /srv/data",
    "busybox rm -rf /srv/data",
    "xargs rm -rf /srv/data",
    "parallel rm -rf /srv/data",
    "watch -n 1 rm -rf /srv/data",
    "systemd-run --user rm -rf /srv/data",
    "nsenter -t 1 -m rm -rf /srv/data",
    "docker exec c rm -rf /srv/data",
    "kubectl exec p -- rm -rf /srv/data",
    "ssh h rm -rf /srv/data",
    "uv run rm -rf /srv/data",
    "poetry run rm -rf /srv/data",
    "bundle exec rm -rf /srv/data",
    "env -S 'rm -rf /srv/data'",
    "su -c 'rm -rf /srv/data'",
    "find . -exec rm -rf /srv/data \\;",
    "script -c 'rm -rf /srv/data'",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_does_not_run(command):
    with Guard(pack="coding-agent", ledger=":memory:") as guard:
        decision = guard.evaluate("bash", {"command": command}, context=AROUND)
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), command
