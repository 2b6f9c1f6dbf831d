"""A command as a list of words, run without a shell: the facts behind `{argv: parameters.argv}`."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolguard.classify import path, places
from toolguard.classify.base import Classifier, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PATHS = 300  # in one list
# Programs that run another one, with what they are given put around it.
WRAPPERS = frozenset(("env", "sudo", "nice", "ionice", "chroot", "doas"))


@dataclass(frozen=True, slots=True)
class ArgvFacts:
    """What is known of a list of words. None: not known, and `why_unknown` says why."""

    count: int | None = None
    """How many words there are, the program among them; 0 for an empty list."""
    program: str | None = None
    """The last part of the first word: `sh` for `/bin/sh`."""
    words: tuple[str, ...] | None = None
    """All words."""
    wrapped: tuple[str, ...] | None = None
    """The words behind `env`, `sudo`, `nice`, `ionice`, `chroot` or `doas`; none behind other programs."""
    paths: tuple[str, ...] | None = None
    """Words that begin with `/`, and what begins so behind a `=`, with `.` and `..` carried out by the text alone."""
    resolved: tuple[str, ...] | None = None
    """The same through every link; null where the disk could not say."""
    why_unknown: str = ""


def classify(given: list[Any], cwd: Any = None) -> ArgvFacts:
    """The facts of one list. With `cwd`, an absolute path, every word that is no option counts as a path."""
    if not all(type(word) is str for word in given):
        return ArgvFacts(why_unknown="is a list of which not every word is text")
    if not given:
        return ArgvFacts(count=0, program="", words=(), wrapped=(), paths=(), resolved=())
    program = posixpath.basename(given[0])
    written = list(_paths(given[1:], cwd if isinstance(cwd, str) and cwd.startswith("/") else None))
    if len(written) > MAX_PATHS:
        return ArgvFacts(
            count=len(given), program=program, words=tuple(given), why_unknown=f"names more than {MAX_PATHS} paths"
        )
    followed = [path.resolve(each) for each in written]
    return ArgvFacts(
        count=len(given),
        program=program,
        words=tuple(given),
        wrapped=tuple(given[1:]) if program in WRAPPERS else (),
        paths=tuple(places.clean(each) for each in written),
        resolved=None if None in followed else tuple(each for each in followed if each is not None),
    )


def _paths(words: list[str], cwd: str | None) -> Iterator[str]:
    for word in words:
        for part in (word, word.partition("=")[2]):
            if part.startswith("/"):
                yield part
            elif cwd and part and not part.startswith("-"):
                yield posixpath.join(cwd, part)


CLASSIFIER = Classifier(
    "argv",
    "What a command is made of that is given as a list of words.",
    ArgvFacts,
    classify,
    (Setting("cwd", "The folder in which relative paths begin: an absolute path, or the field that holds it.", optional=True),),
    takes=list,
)
