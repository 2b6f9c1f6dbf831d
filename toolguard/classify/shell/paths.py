"""Paths that a command reads, writes and deletes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolguard.classify import places

if TYPE_CHECKING:
    from toolguard.classify.shell.judge import Judge
    from toolguard.classify.shell.reader import Invocation
    from toolguard.classify.shell.words import Word

_WRITES = (">", ">>", ">|", "&>", "&>>", ">&", "<>")


def redirects(judge: Judge, invocation: Invocation) -> None:
    """`> file` and its kin."""
    for each in invocation.redirects:
        if each.operator in ("<", "<&"):
            if each.operator == "<":
                reads(judge, each.target, invocation)
            continue
        if each.operator not in _WRITES or (each.operator == ">&" and re.fullmatch(r"\d+|-", each.target.text)):
            continue
        empties = invocation.via != "group" and (not invocation.words or _puts_out_nothing(invocation))
        writes(judge, each.target, invocation, empties=empties and each.operator in (">", ">|", "&>"))


def _puts_out_nothing(invocation: Invocation) -> bool:
    words = [word.text for word in invocation.words]
    return words[0] in (":", "true") or words == ["cat", "/dev/null"] or words in (["echo", "-n"], ["printf", ""])


def reads(judge: Judge, word: Word, invocation: Invocation) -> None:
    """The program reads this path."""
    path = invocation.scope.absolute(word.text) if word.text else None
    if path and word.known:
        judge.effects.reads.setdefault(path)
    secrets(judge, word.text, invocation)


def secrets(judge: Judge, text: str, invocation: Invocation, *, strict: bool = False) -> None:
    """Note it where it names a secret; `strict`: one that no tool of a project reads by itself."""
    path = invocation.scope.absolute(text) if text else None
    kind = places.secret_kind(path or text) if text else None
    if strict and kind in ("keys", "secret", "env", "browser"):
        return
    if kind is not None and not invocation.scope.remote:
        judge.effects.sensitive.add(kind)


def writes(judge: Judge, word: Word, invocation: Invocation, *, empties: bool = False) -> None:
    """The program writes this path; `empties`: and leaves nothing of what was there."""
    if invocation.scope.remote:
        return
    path = invocation.scope.absolute(word.text) if word.text else None
    if path is None or not word.known:
        _writes_unknown(judge, word, path)
        return
    judge.effects.writes.setdefault(path)
    place = places.place_of(path, judge.around)
    obeyed = places.obeyed_kind(path)
    if place == "device":
        judge.effects.kinds.add("device")
    elif obeyed is not None and (place != "workspace" or obeyed in ("git", "agent", "guard")):
        judge.effects.persistence.add(obeyed)
    elif places.secret_kind(path) in ("ssh", "system", "keys", "cloud") and place != "workspace":
        judge.effects.persistence.add("keys")
    elif place == "system":
        judge.effects.outside_writes = True
    if empties and place in ("workspace", "home", "system", "outside") and not places.is_generated(_within(path, judge)):
        judge.effects.kinds.add("overwrite")


def _writes_unknown(judge: Judge, word: Word, path: str | None) -> None:
    judge.effects.unknown_paths = True
    if path and word.text.startswith("/") and places.place_of(word.text, judge.around) == "device":
        judge.effects.kinds.add("device")
    if path and places.obeyed_kind(path) is not None:
        judge.effects.persistence.add(places.obeyed_kind(path) or "")


def deletes(judge: Judge, word: Word, invocation: Invocation, *, recursive: bool) -> None:
    """The program deletes this path, and with `recursive` what is below it."""
    effects = judge.effects
    if invocation.scope.remote:
        effects.kinds.add("tree" if recursive else "source")
        return
    if not word.known:
        _deletes_unknown(judge, word, recursive=recursive)
        return
    path = invocation.scope.absolute(word.text)
    if path is None:
        effects.kinds.add("tree" if recursive else "source")
        effects.unknown_paths = True
        return
    effects.deletes.setdefault(path)
    base = re.split(r"/[^/]*[*?\[]", path, maxsplit=1)[0] if word.glob else path
    place = places.place_of(base or "/", judge.around)
    if place == "null" or (place == "workspace" and not recursive and path in effects.writes):
        return
    if place == "device":
        effects.kinds.add("device")
    elif (
        place == "tmp"
        or places.is_cache(path)
        or (word.glob and base in places.TEMPORARY and not re.search(r"/(\.?\*|\.\[)[^/]*$", path))
    ):
        return
    elif place == "workspace":
        _deletes_inside(judge, path)
    else:
        effects.outside_deletes = True
        effects.kinds.add("tree" if recursive or place == "home" else "source")
        if (
            places.is_generated(path)
            and place == "home"
            and re.search(r"/\.(cache|npm|cargo/registry|gradle/caches)(/|$)", path)
        ):
            effects.outside_deletes = False
            effects.kinds.discard("tree")


def _deletes_inside(judge: Judge, path: str) -> None:
    workspace = judge.around.workspace or ""
    if places.clean(path) == places.clean(workspace):
        judge.effects.kinds.add("tree")
    elif not places.is_generated(_within(path, judge)):
        judge.effects.kinds.add("source")
    if places.obeyed_kind(path) == "git" or re.search(r"(^|/)\.git(/|$)", _within(path, judge)):
        judge.effects.kinds.add("vcs")


def _deletes_unknown(judge: Judge, word: Word, *, recursive: bool) -> None:
    effects = judge.effects
    if word.origin == "temporary" or word.text.startswith(places.TEMPORARY):
        return
    effects.unknown_paths = True
    effects.kinds.add("tree" if recursive else "source")


def _within(path: str, judge: Judge) -> str:
    """The path as it is seen from the workspace: what lies above decides nothing."""
    workspace = judge.around.workspace
    cleaned = places.clean(path)
    if workspace and places.is_below(cleaned, workspace):
        return cleaned[len(places.clean(workspace)) :].lstrip("/")
    return cleaned
