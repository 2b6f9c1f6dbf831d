"""A real bash runs payloads in every construct, with a stub in the place of `rm`: what ran was seen, or the command was refused."""

import itertools
import os
import random
import subprocess

import pytest

from toolguard.classify.shell.classifier import classify

PAYLOAD = "rm MARK"
CONSTRUCTS = [
    "{}", "true; {}", "true && {}", "false || {}", "({})", "{{ {}; }}", "! {}", "if {}; then :; fi", "if false; then :; else {}; fi",
    "while {}; do break; done", "until false; do {}; break; done", "for i in 1; do {}; done", "for ((i=0;i<1;i++)); do {}; done",
    "case x in x) {} ;; esac", "case $({}) in *) ;; esac", "select x in a; do {}; break; done <<< 1", "f() {{ {}; }}; f",
    "function g {{ {}; }}; g", "time {}", "coproc {}", "{} | cat", "echo x | {}", "{} &", "echo $({})", 'echo "$({})"', "echo `{}`",
    "cat <({})", "echo x > >({}); sleep 0.05", "x=$({})", "x=$({}) true", "a=( $({}) )", "export X=$({})", "declare X=$({})",
    "[[ -n $({}) ]]", "[ -n $({}) ]", "test -n $({})", "echo $(( $({}; echo 1) + 1 ))", "(( $({}; echo 1) ))", 'echo "${{x:-$({})}}"',
    "echo ${{x:=$({})}}", "cat <<E\n$({})\nE", "cat <<E\n`{}`\nE", 'cat <<< "$({})"', "echo hi > $({}; echo out)", "echo $(true\n{})",
    "echo $(true # )\n{})", "echo ok; # c\n{}", "bash -c '{}'", 'bash -c "{}"', "sh -c '{}'", "eval '{}'", "eval \"{}\"", "bash <<'E'\n{}\nE",
    "bash <<E\n{}\nE", "bash <<< '{}'", "echo '{}' | bash", "printf '%s\\n' '{}' | sh", "cat <<'E' | bash\n{}\nE", "source <(echo '{}')",
    ". /dev/stdin <<< '{}'", "env {}", "env A=1 {}", "env -S '{}'", "nohup {}", "nice {}", "timeout 5 {}", "setsid {}", "command {}",
    "exec {}", "builtin command {}", "trap '{}' EXIT", "echo MARK | xargs {}", "find . -maxdepth 0 -exec {} \\;", "\\{}", "A=1 {}",
    "set -- {}; \"$@\"", "c='{}'; $c", "c='{}'; eval \"$c\"", "a=({}); \"${{a[@]}}\"", "shopt -s expand_aliases\nalias z='{}'\nz",
    "mapfile -C '{} #' -c 1 <<< x", "printf -v 'a[$({})]' x", "x='a[$({})]'; echo $((x))", "awk 'BEGIN{{system(\"{}\")}}'",
    "for i in a; do\n{}\ndone", "if true\nthen {}\nfi", "{} ; true", "cd . && {}", "pushd . >/dev/null; {}", "while read l; do {}; done <<< x",
]  # fmt: skip


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
        try:
            subprocess.run(["bash", "-c", text], timeout=5, check=False, **given)
        except subprocess.TimeoutExpired:
            pass
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
