"""What others run later: start-up files, hooks, schedules, settings of agents."""

import pytest

from toolguard import Guard, Verdict

AROUND = {"workspace": "/work/repo", "cwd": "/work/repo", "home": "/home/dev"}
COMMANDS = [
    "echo x >> ~/.bashrc",
    "echo key >> ~/.ssh/authorized_keys",
    "ln -s /tmp/x .git/hooks/pre-commit",
    "tee .git/hooks/post-checkout <<< x",
    "echo '{}' > .claude/settings.json",
    "crontab x",
    "(crontab -l; echo x) | crontab -",
    "echo x | at now",
    "npm config set script-shell /tmp/x",
    "systemctl enable x",
    "cp x /etc/cron.d/x",
    "echo x > /etc/profile.d/x.sh",
    "chmod 4755 /tmp/x",
    "chmod u+s x",
    "chsh -s /tmp/x",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_does_not_run(command):
    with Guard(pack="coding-agent", ledger=":memory:") as guard:
        decision = guard.evaluate("bash", {"command": command}, context=AROUND)
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), command
