"""A real bash runs payloads in every construct, with a stub for `rm`: what ran was seen, or the command was refused."""

import itertools
import os
import random
import subprocess
from contextlib import suppress

import pytest
from conftest import cases

from toolguard.classify.shell.classifier import classify

PAYLOAD = "rm MARK"
CONSTRUCTS = cases("shell_constructs")


@pytest.fixture(scope="module")
def bash(tmp_path_factory):
    """Runs a text in a folder of its own; says whether the stub was started."""
    home = tmp_path_factory.mktemp("bash")
    stubs, log = home / "bin", home / "log"
    stubs.mkdir()
    for name in ("rm", "unlink", "shred"):  # run as programs: `bash rm` would read a real one as a script, and stop
        (stubs / name).write_text(f'#!/bin/sh\n[ -n "$BASH_VERSION" ] || echo ran >> {log}\n')
        (stubs / name).chmod(0o755)
    environment = {"PATH": f"{stubs}:{os.defpath}", "HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C.UTF-8"}

    def ran(text):
        log.unlink(missing_ok=True)
        given = {"cwd": home, "env": environment, "stdin": subprocess.DEVNULL, "capture_output": True}
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(["bash", "-c", text], timeout=5, check=False, **given)
        return log.exists()

    return ran


def seen(text):
    facts = classify(text, "/work/repo", "/work/repo", "/home/dev")
    return facts.parse == "opaque" or facts.destructive or bool(facts.runs_unknown_code)


def composed(outer, inner):
    """None where the quotes of one would end those of the other."""
    text = inner.format(PAYLOAD)
    if ("'{}" in outer and "'" in text) or ('"{}' in outer and '"' in text):
        return None
    return outer.format(text)


def judge(bash, texts):
    missed = [text for text in texts if bash(text) and not seen(text)]
    assert missed == []


def test_the_stub_is_started(bash):
    assert bash(PAYLOAD)
    assert not bash("echo rm MARK")


def test_every_construct(bash):
    texts = [each.format(PAYLOAD) for each in CONSTRUCTS]
    assert sum(bash(text) for text in texts) > 0.9 * len(texts)  # they are what they claim to be
    judge(bash, texts)


def pairs():
    return [text for outer, inner in itertools.product(CONSTRUCTS, repeat=2) if (text := composed(outer, inner))]


def test_constructs_inside_constructs(bash):
    judge(bash, random.Random(5).sample(pairs(), 500))


@pytest.mark.deep
def test_all_constructs_inside_all_constructs(bash):
    judge(bash, pairs())
