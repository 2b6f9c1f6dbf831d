"""What a shell command does, as far as its text tells: the facts behind `{shell: parameters.command, workspace: ...}`.

    tree       the door to tree-sitter-bash: bounded, and only where everything that bash would run is in the tree
    second     a second opinion: bashlex, where it is installed
    lists      lists and pipelines as bash reads them
    words      what a word of the text becomes: quotes, braces, `~`, expansions
    reader     a walk over a text as bash would take it, nothing run
    programs   what is known of programs: data in `programs/*.yaml`
    judge      one invocation; options, operands: what its words are; paths: what it reads, writes and deletes
    runs       programs that run others;  output: what comes through a pipe
    code       code of other languages
    effects    what has been seen so far

A text cannot tell what a script, an alias of the user or a program of the project does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.classify.base import Classifier, Setting
from toolguard.classify.shell.classifier import classify
from toolguard.classify.shell.facts import ShellFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 3  # paths that are named to a person


def _in_words(facts: ShellFacts) -> Iterator[str]:
    if facts.parse == "opaque":
        yield f"nobody can say for certain what it does: {', '.join(facts.reasons)}"
    yield "it runs " + (", ".join(facts.programs) or "no program")
    if facts.deletes:
        yield f"it deletes {_some(facts.deletes)}" + (", outside of the workspace" if facts.deletes_outside else "")
    elif facts.deletes is None and {"source", "tree"} & set(facts.destructive_kinds):
        yield "it deletes what cannot be named beforehand"
    if facts.writes:
        yield f"it writes {_some(facts.writes)}"
    for kind in facts.destructive_kinds:
        yield _KINDS[kind]
    if facts.sensitive_reads:
        yield f"it reads secrets ({', '.join(facts.sensitive_kinds)})"
    if facts.exfiltration:
        yield "it sends what is secret to another machine"
    elif facts.hosts:
        yield f"it talks to {_some(facts.hosts)}"
    if facts.runs_unknown_code:
        yield f"it runs code that is not here to be read ({', '.join(facts.unknown_code + facts.obfuscation)})"
    if facts.persistence:
        yield "it changes what others run or obey later"
    if facts.privileged:
        yield "it runs as another user"


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


_KINDS = {
    "source": "what it deletes is not made again by a build",
    "tree": "it deletes a whole tree",
    "overwrite": "it leaves nothing of a file's content",
    "device": "it writes to a device",
    "vcs": "it throws away changes that are not committed, or commits",
    "vcs_remote": "it overwrites or deletes what others share",
    "history": "it rewrites history",
    "database": "it removes data of a database",
    "cloud": "it removes or changes things in a cloud",
    "cluster": "it removes things of a cluster",
    "container": "it removes containers or their data",
    "process": "it ends processes that others need",
    "permission": "it opens or closes files to others",
    "package": "it removes packages",
    "publish": "it publishes, which cannot be taken back",
    "config": "it removes settings or keys",
    "system": "it changes the system",
}

CLASSIFIER = Classifier(
    "shell",
    "What a shell command does.",
    ShellFacts,
    classify,
    (
        Setting(
            "workspace", "The folder that the agent may work in: an absolute path, or the field that holds it.", optional=True
        ),
        Setting("cwd", "The folder in which the command runs, likewise; the workspace where it is left out.", optional=True),
        Setting("home", "The user's home folder, likewise.", optional=True),
    ),
    _in_words,
)
