"""Devices, machines, clusters, databases."""

import pytest

from toolguard import Guard, Verdict

AROUND = {"workspace": "/work/repo", "cwd": "/work/repo", "home": "/home/dev"}
COMMANDS = [
    "dd if=/dev/zero of=/dev/sda",
    "cat x > /dev/sdb",
    "mkfs.ext4 /dev/sda1",
    "wipefs -a /dev/sdb",
    "rm -rf /",
    "rm -rf ~",
    "chmod -R 777 /",
    "find / -name x -delete",
    "kill -9 -1",
    "shutdown now",
    "iptables -F",
    "docker system prune -af --volumes",
    "docker volume rm x",
    "kubectl delete ns x",
    "terraform destroy",
    "aws s3 rm s3://x --recursive",
    "gcloud projects delete x",
    "dropdb x",
    "psql -c 'DROP TABLE x'",
    "mysql -e 'DELETE FROM t'",
    "redis-cli FLUSHALL",
    "mongosh --eval 'db.dropDatabase()'",
    "rails db:drop",
    "npm publish",
    "docker run -v /:/host x rm -rf /host",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_does_not_run(command):
    with Guard(pack="coding-agent", ledger=":memory:") as guard:
        decision = guard.evaluate("bash", {"command": command}, context=AROUND)
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), command
