"""A hook's whole process, against the bare start of an interpreter: what every tool call of a coding agent waits for."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from bench.measure import agree, row, take_turns
from toolguard.hooks import thin

BARE = (sys.executable, "-I", "-S", "-c", "pass")
RULE = "{rule_id: r, effect: deny, conditions: {field: command, operator: eq, value: x}}"
POLICY = f"policy_id: p\nscope: {{tool_names: [bash]}}\nrules: [{RULE}]\n"


def rows(pace):
    with tempfile.TemporaryDirectory(prefix="tg") as home:
        before = os.environ.get("TOOLGUARD_HOME")
        os.environ["TOOLGUARD_HOME"] = home
        try:
            yield warm(pace, home)
            yield cold(pace, home)
        finally:
            os.environ.pop("TOOLGUARD_HOME")
            if before is not None:
                os.environ["TOOLGUARD_HOME"] = before


def warm(pace, home):
    """The daemon answers."""
    call = said("git status --short")
    asked = partial(started, (sys.executable, "-I", "-S", thin.__file__, "claude"), call)
    daemon = subprocess.Popen((sys.executable, "-I", "-m", "toolguard", "hook", "serve"), stderr=subprocess.DEVNULL)
    try:
        while not [*Path(home, "run").glob("*.sock")]:
            time.sleep(0.01)
        answers = started(asked.args[0], call)[1], started(asked.args[0], said("rm -rf ~"))[1]
        checks = [agree("exit codes of a harmless and a harmful command", "(0, 2)", str(answers))]
        figures = take_turns([lambda: asked()[0], lambda: started(BARE, "")[0]], pace.rounds, pace.fresh_turns)
    finally:
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
    return row("a hook, with the daemon / a bare start of Python", figures, checks, at_most=1.5)


def cold(pace, home):
    """Without a daemon: everything is loaded for one call."""
    policy = Path(home, "p.yaml")
    policy.write_text(POLICY)
    command = (sys.executable, "-I", "-m", "toolguard", "hook", "claude", "--policy", str(policy))
    answers = started(command, said("ls"))[1], started(command, said("x"))[1]
    checks = [agree("exit codes of an allowed and a denied call", "(0, 2)", str(answers))]
    sides = [lambda: started(command, said("ls"))[0], lambda: started(BARE, "")[0]]
    return row("a hook, everything loaded anew / a bare start of Python", take_turns(sides, pace.rounds, 1), checks, at_most=4)


def said(command):
    return json.dumps({"session_id": "s", "cwd": "/work/repo", "tool_name": "Bash", "tool_input": {"command": command}})


def started(command, text):
    """The seconds that a process takes, and its exit code."""
    begun = time.perf_counter()
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    return time.perf_counter() - begun, done.returncode
