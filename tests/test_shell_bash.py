"""A real bash runs payloads in every construct, with a stub for `rm`: what ran was seen, or the command was refused."""

import itertools
import os
import random
import subprocess
from contextlib import suppress

import pytest
from conftest import cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolguard.classify.shell.classifier import classify

PAYLOAD = "rm MARK"
CONSTRUCTS = cases("shell_constructs")


@pytest.fixture(scope="module")
def bash(tmp_path_factory):
    """Runs a text in a folder of its own; says in which folders the stub was started."""
    home = tmp_path_factory.mktemp("bash")
    stubs, log = home / "bin", home / "log"
    stubs.mkdir()
    for name in ("rm", "unlink", "shred"):  # run as programs: `bash rm` would read a real one as a script, and stop
        (stubs / name).write_text(f'#!/bin/sh\n[ -n "$BASH_VERSION" ] || pwd >> {log}\n')
        (stubs / name).chmod(0o755)
    for folder in ("a", "a/b", "c"):
        (home / folder).mkdir()
    environment = {"PATH": f"{stubs}:{os.defpath}", "HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C.UTF-8"}

    def ran(text):
        log.unlink(missing_ok=True)
        given = {"cwd": home, "env": environment, "stdin": subprocess.DEVNULL, "capture_output": True}
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(["bash", "-c", text], timeout=5, check=False, **given)
        return set(log.read_text().splitlines()) if log.exists() else set()

    ran.home = str(home)
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
    assert sum(bool(bash(text)) for text in texts) > 0.9 * len(texts)  # they are what they claim to be
    judge(bash, texts)


def pairs():
    return [text for outer, inner in itertools.product(CONSTRUCTS, repeat=2) if (text := composed(outer, inner))]


def test_constructs_inside_constructs(bash):
    judge(bash, random.Random(5).sample(pairs(), 500))


@pytest.mark.deep
def test_all_constructs_inside_all_constructs(bash):
    judge(bash, pairs())


# -- in which folder ---------------------------------------------------------------------------------------------------

MOVES = [
    "cd a",
    "cd b",
    "cd gone",
    "cd ..",
    "cd /tmp",
    "pushd a",
    "pushd c",
    "popd",
    "cd",
    "cd -",
    "true",
    "false",
    "f() { cd c; }",
    "f",
]
JOINTS = [" && ", " || ", "; ", "\n", " | ", " & "]
AROUND = [
    "{}", "( {} )", "{{ {}; }}", "if {}; then true; fi", "if false; then {}; fi", "set -e\n{}", "set -e; set +e; {}", "! {}",
    "while {}; do break; done", "for i in 1; do {}; done", "case x in y) {};; esac", "eval '{}'", "{} || exit 1", "{} > out",
    "cat <<E && {}\nx\nE\n", "cat <<E | {}\nx\nE\n",
]  # fmt: skip


@st.composite
def walks(draw):
    """Moves, joined and wrapped, with the payload somewhere between them."""
    text = ""
    for _ in range(draw(st.integers(1, 4))):
        step = draw(st.sampled_from(AROUND)).format(draw(st.sampled_from(MOVES)))
        if draw(st.booleans()):
            step = draw(st.sampled_from(AROUND)).format(step) if "'" not in step else step
        text += step + (draw(st.sampled_from(JOINTS)) if not step.endswith("\n") else "")
    return text + PAYLOAD + draw(st.sampled_from(["", "; cd a", " && cd ..", " > out"]))


def stays_known(bash, text):
    facts = classify(text, bash.home, bash.home, bash.home)
    if facts.deletes is not None:
        assert {f"{folder}/MARK".replace("//", "/") for folder in bash(text)} <= set(facts.deletes), text


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=walks())
def test_where_it_runs_is_known(bash, text):
    stays_known(bash, text)


@pytest.mark.deep
@settings(max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=walks())
def test_where_it_runs_is_known_for_many(bash, text):
    stays_known(bash, text)
