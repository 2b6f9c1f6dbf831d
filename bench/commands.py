"""What the facts of a shell command and of a path cost, against parsing it, or following its links, and nothing else."""

import os
import time
import urllib.parse
from contextlib import suppress

import toolguard.paths  # noqa: F401 - facts about paths follow links through it
from bench.measure import QUICK, US, agree, compute, percentile, row
from toolguard.classify import reversibility
from toolguard.classify.path import classify as facts_of_path
from toolguard.classify.shell.classifier import classify
from toolguard.classify.shell.tree import Opaque, tree
from toolguard.classify.url import classify as facts_of_url
from toolguard.classify.write import classify as facts_of_write

AROUND = {"workspace": "/work/repo", "home": "/home/dev"}
TEXTS = {
    "a plain command": "git status --short",
    "a pipeline": "cat app.log | grep -v DEBUG | sort | uniq -c | sort -rn | head -20 > top.txt",
    "a script": 'set -e\nfor f in src/*.py; do\n  if grep -q TODO "$f"; then echo "$f"; fi\ndone\n'
    "make test && git add -A && git commit -m 'x' && git push -u origin feature\n",
}  # fmt: skip
WORST = {
    "substitutions": "echo " + "$(a)" * 410,
    "pipes": "a|" * 620 + "a",
    "unfinished pipe": "a|" * 1150,
    "nested": "$(echo " * 50 + "x" + ")" * 50,
    "loops": "for i in 1 2 3 4 5 6 7 8 9; do " * 40 + "rm x" + "; done" * 40,
    "braces": "echo " + "{a,b}" * 40,
    "words": "echo " + "a " * 2400,
    "quotes": "echo " + "'a' " * 2400,
    "quoted openers": "echo " + "'$()' " * 2400,
    "escapes": "echo " + "\\\\" * 4900 + "$(" * 9,
    "variables": "a=$b;" * 420 + "$a",
    "functions": "f(){ f; };" * 240 + "f",
    "an expansion without its end": "alias z='${x'",
    "here-documents": "cat <<E\nx\nE\n" * 320,
}


def rows(pace):
    counted = iter(range(10**9))
    for what, text in TEXTS.items():
        checks = [agree(what, (False, "ok"), (classify(text, **AROUND).destructive, classify(text, **AROUND).parse))]

        def ours(text=text):
            return classify(f"{text} # {next(counted)}", **AROUND)  # another text each time: nothing is remembered

        def plain(text=text):
            return tree(f"{text} # {next(counted)}")

        note = f"p50 {percentile(ours, pace, 50):,.0f} us, p99 {percentile(ours, pace, 99):,.0f}"
        yield row(f"shell facts of {what} / parsing it with the audit", compute(pace, ours, plain), checks, note=note)
    yield remembered(pace)
    yield worst(pace)
    yield path(pace)
    yield url(pace)
    yield write(pace)
    yield undone(pace)


def remembered(pace):
    text = TEXTS["a pipeline"]
    kept = {(text, "/work/repo"): classify(text, **AROUND)}
    figures = compute(pace, lambda: classify(text, **AROUND), lambda: kept[text, "/work/repo"])
    checks = [
        agree("the remembered facts are the same object", "True", str(kept[text, "/work/repo"] is classify(text, **AROUND)))
    ]
    return row(
        "shell facts of a command seen before / a dict", figures, checks, note=f"{min(one for one, _ in figures) * US:.1f} us"
    )


def worst(pace):
    slowest, which, plain = 0.0, "", 1.0
    for name, text in WORST.items():
        for _ in range(1 if pace == QUICK else 3):
            begun = time.perf_counter()
            classify(text + " ", **AROUND)
            took = time.perf_counter() - begun
            if took > slowest:
                slowest, which = took, name
    begun = time.perf_counter()
    with suppress(Opaque):
        tree(WORST[which])
    plain = time.perf_counter() - begun
    note = f"{slowest * 1000:.0f} ms: {which} (design: at most 50)"
    return row("shell facts of the worst text / parsing that", [(slowest, plain)], [], note=note)


def path(pace):
    here = os.path.realpath(".")
    checks = [agree("inside", "True", str(facts_of_path("bench/measure.py", workspace=here).inside))]
    joined = f"{here}/bench/measure.py"
    figures = compute(pace, lambda: facts_of_path("bench/measure.py", workspace=here), lambda: os.path.realpath(joined))
    return row("path facts of a file / realpath of it", figures, checks, note=f"{min(one for one, _ in figures) * US:.0f} us")


def url(pace):
    counted = iter(range(10**9))

    def text():
        return f"https://api.example.com/v1/orders?id={next(counted)}"  # another one each time: nothing is remembered

    checks = [agree("host", "api.example.com", str(facts_of_url(text()).host))]
    figures = compute(pace, lambda: facts_of_url(text()), lambda: urllib.parse.urlsplit(text()))
    return row("URL facts / urlsplit", figures, checks, note=f"{min(one for one, _ in figures) * US:.0f} us")


def write(pace):
    here = os.path.realpath(".")
    params = {"file_path": "bench/measure.py", "content": "x" * 1000}
    checks = [agree("inside", "True", str(facts_of_write(params, workspace=here).inside))]
    figures = compute(
        pace, lambda: facts_of_write(params, workspace=here), lambda: facts_of_path("bench/measure.py", workspace=here)
    )
    return row("write facts / path facts of its file", figures, checks, note=f"{min(one for one, _ in figures) * US:.0f} us")


def undone(pace):
    known = {"delete_user": "irreversible"}
    checks = [agree("delete_user", "irreversible", reversibility.of_call("delete_user", None, {}, {}))]
    figures = compute(pace, lambda: reversibility.of_call("delete_user", None, {"id": 1}, {}), lambda: known["delete_user"])
    return row("reversibility by a name / a dict", figures, checks, note=f"{min(one for one, _ in figures) * US:.1f} us")
