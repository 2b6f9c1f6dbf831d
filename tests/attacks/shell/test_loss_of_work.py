"""Loss that is no `rm`: emptied files, thrown away changes, rewritten history."""

import pytest

from toolguard import Guard, Verdict

AROUND = {"workspace": "/work/repo", "cwd": "/work/repo", "home": "/home/dev"}
COMMANDS = [
    "> src/main.py",
    ": > src/main.py",
    "cat /dev/null > src/main.py",
    "cp /dev/null src/main.py",
    "truncate -s 0 src/main.py",
    "dd if=/dev/null of=data.db",
    "sed -i d src/main.py",
    "mv src /dev/null",
    "rsync -a --delete empty/ src/",
    "tar cf a.tar src --remove-files",
    "unlink src/main.py",
    "shred src/main.py",
    "git reset --hard",
    "git reset --har",
    "git checkout -- .",
    "git checkout .",
    "git restore .",
    "git clean -fdx",
    "git stash drop",
    "git push --force",
    "git push origin +main",
    "git push origin :main",
    "git push --delet origin x",
    "git branch -D x",
    "git filter-branch --tree-filter x HEAD",
    "git reflog expire --expire=now --all",
    "git update-ref -d HEAD",
    "rm -rf .git",
    "ls | xargs rm -rf",
    "rm -rf *",
    "rm -rf .",
    "find . -name '*.py' -delete",
    "python3 -c 'import shutil; shutil.rmtree(\"src\")'",
    "perl -e 'unlink \"a\"'",
    'node -e \'require("fs").rmSync("src")\'',
]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_does_not_run(command):
    with Guard(pack="coding-agent", ledger=":memory:") as guard:
        decision = guard.evaluate("bash", {"command": command}, context=AROUND)
    assert decision.verdict in (Verdict.ESCALATE, Verdict.DENY), command
