"""The operands of a program, each as what its data says it is: files read, written, moved, deleted; hosts; scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolguard.classify import places
from toolguard.classify.shell import code
from toolguard.classify.shell.options import url
from toolguard.classify.shell.paths import deletes, reads, secrets, writes
from toolguard.classify.shell.words import Word

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.classify.shell.judge import Judge
    from toolguard.classify.shell.programs import Arguments
    from toolguard.classify.shell.reader import Invocation

_SOURCE = re.compile(
    r"\.(py|pyi|js|ts|jsx|tsx|go|rs|java|kt|c|h|cc|cpp|hpp|rb|php|cs|swift|scala|sh|bash|sql|md|rst|html|css|scss|vue|json|ya?ml|toml|"
    r"ini|cfg|conf|xml|proto|tf|gradle|dat|db|sqlite3?|csv|parquet|ipynb|txt|env)$|(^|/)(makefile|dockerfile|license|readme)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand and all that it stands among; `sources` are the others, where this one is their destination."""

    judge: Judge
    word: Word
    spec: dict[str, Any]
    arguments: Arguments
    invocation: Invocation
    sources: list[Word] = field(default_factory=list)


def operands(judge: Judge, spec: dict[str, Any], arguments: Arguments, invocation: Invocation) -> None:
    """The operands, likewise."""
    given = list(arguments.operands)
    role = spec.get("operands", "none")
    if arguments.has(*(spec.get("unless") or ())) and role in ("read", "format", "device"):
        return
    if "first" in spec and given and not _pattern_given(spec, arguments):
        _operand(spec["first"], Operand(judge, given.pop(0), spec, arguments, invocation))
    last = None
    target = next((value for option in spec.get("target") or () for value in arguments.values(option)), None)
    if target is not None:
        last = target
    elif "last" in spec and len(given) > 1:
        last = given.pop()
    for word in given:
        _operand(role, Operand(judge, word, spec, arguments, invocation))
    if last is not None:
        _operand(spec["last"], Operand(judge, last, spec, arguments, invocation, given))
    if (
        spec.get("deletes")
        and arguments.has(*spec["deletes"])
        and last is not None
        and not arguments.has(*(spec.get("unless") or ()))
    ):
        victims = given if arguments.has("--remove-source-files") else [last]
        for word in victims:
            if re.match(r"[\w.@-]+:", word.text):
                judge.effects.kinds.add("tree")
            else:
                deletes(judge, word, invocation, recursive=True)


def _pattern_given(spec: dict[str, Any], arguments: Arguments) -> bool:
    return spec.get("first") == "pattern" and arguments.has("-e", "--regexp", "-f", "--file")


def _operand(role: str, at: Operand) -> None:
    handler = _OPERANDS.get(role)
    if handler is not None:
        handler(at)


def _is_recursive(spec: dict[str, Any], arguments: Arguments) -> bool:
    how = spec.get("recursive")
    return how == "always" or (isinstance(how, list) and arguments.has(*how))


def _read(at: Operand) -> None:
    judge, word, spec, arguments, invocation = at.judge, at.word, at.spec, at.arguments, at.invocation
    remote = re.match(r"[\w.@-]+:(?!/\/)", word.text) if spec.get("copies") else None
    if remote:
        judge.effects.network = True
        judge.effects.hosts.setdefault(remote.group()[:-1])
        return
    reads(judge, word, invocation)
    path = invocation.scope.absolute(word.text) if word.known else None
    if path and _is_recursive(spec, arguments):
        home, folder = judge.around.home, places.clean(path)
        if folder in ("/", "/home", "/root", home) or (home and places.is_below(home, folder)):
            judge.effects.sensitive.add("home")


def _write(at: Operand) -> None:
    judge, word, invocation = at.judge, at.word, at.invocation
    writes(judge, word, invocation)


def _mkdir(at: Operand) -> None:
    judge, word, invocation = at.judge, at.word, at.invocation
    path = invocation.scope.absolute(word.text) if word.known else None
    if path and not invocation.scope.remote:
        judge.effects.outside_writes |= places.place_of(path, judge.around) == "system"


def _write_input(at: Operand) -> None:
    judge, word, invocation = at.judge, at.word, at.invocation
    nothing = any(each.operator == "<" and each.target.text == "/dev/null" for each in invocation.redirects)
    writes(judge, word, invocation, empties=nothing)


def _delete(at: Operand) -> None:
    judge, word, spec, arguments, invocation = at.judge, at.word, at.spec, at.arguments, at.invocation
    deletes(judge, word, invocation, recursive=_is_recursive(spec, arguments))


def _delete_empty(at: Operand) -> None:
    judge, word, invocation = at.judge, at.word, at.invocation
    path = invocation.scope.absolute(word.text) if word.known else None
    if path and places.place_of(path, judge.around) in ("system", "home"):
        judge.effects.outside_deletes = True


def _empty(at: Operand) -> None:
    judge, word, arguments, invocation = at.judge, at.word, at.arguments, at.invocation
    size = next((value.text for option in ("-s", "--size") for value in arguments.values(option)), "")
    path = invocation.scope.absolute(word.text) if word.known else None
    fresh = path is not None and re.search(r"\.(img|iso|qcow2|raw|bin)$", path) is not None
    writes(judge, word, invocation, empties=not size.startswith(("+", "%")) and not (fresh and size not in ("0", "")))


def _move(at: Operand) -> None:
    judge, word, invocation = at.judge, at.word, at.invocation
    secrets(judge, word.text, invocation)
    path = invocation.scope.absolute(word.text) if word.known else None
    if path is None:
        return
    place = places.place_of(path, judge.around)
    if (place == "home" and places.secret_kind(path) is not None) or place == "system" or path == judge.around.home:
        judge.effects.outside_deletes = True


def _move_to(at: Operand) -> None:
    judge, word, invocation, sources = at.judge, at.word, at.invocation, at.sources
    if word.text == "/dev/null":
        for each in sources:
            deletes(judge, each, invocation, recursive=True)
        return
    writes(judge, word, invocation)


def _copy_to(at: Operand) -> None:
    judge, word, spec, arguments, invocation, sources = at.judge, at.word, at.spec, at.arguments, at.invocation, at.sources
    remote = re.match(r"[\w.@-]+:(?!/\/)", word.text) if spec.get("copies") else None
    if remote:
        judge.effects.network = True
        judge.effects.hosts.setdefault(remote.group()[:-1])
        judge.effects.sends = True
        judge.effects.exfiltration |= bool(judge.effects.sensitive)
        return
    if arguments.has(*(spec.get("creates") or ())):
        return
    empties = bool(spec.get("empties")) and any(each.text == "/dev/null" for each in sources)
    writes(judge, word, invocation, empties=empties)


def _link(at: Operand) -> None:
    judge, word, arguments, invocation = at.judge, at.word, at.arguments, at.invocation
    if len(arguments.operands) == 1:
        return
    secrets(judge, word.text, invocation)


def _mode(at: Operand) -> None:
    judge, arguments = at.judge, at.arguments
    mode = arguments.operands[0].text if arguments.operands else ""
    everybody = re.fullmatch(r"0?[0-7]*[2367]|[0-7]?[0-7][0-7][2367]", mode) is not None or (
        re.search(r"(^|,)[ago]*[ao]?[+=][rxX]*w", mode) is not None and not mode.startswith(("u", "g"))
    )
    nobody = re.fullmatch(r"0*0?00|a-rwx|000", mode) is not None
    special = re.fullmatch(r"[2467][0-7]{3}|[ugo+]*\+s\w*|[ug]\+s", mode) is not None
    if everybody or nobody or special:
        judge.effects.kinds.add("permission")
    _owner(at)


def _owner(at: Operand) -> None:
    judge, word, arguments, invocation = at.judge, at.word, at.arguments, at.invocation
    path = invocation.scope.absolute(word.text) if word.known else None
    if path is None or not arguments.has("-R", "--recursive"):
        return
    place, home = places.place_of(path, judge.around), judge.around.home
    if place == "system" or (place == "home" and places.clean(path) == home):
        judge.effects.kinds.add("permission")


def _format(at: Operand) -> None:
    judge, word, invocation = at.judge, at.word, at.invocation
    path = invocation.scope.absolute(word.text) if word.known else None
    if path is None or places.place_of(path, judge.around) == "device":
        judge.effects.kinds.add("device")


def _dd(at: Operand) -> None:
    judge, word, arguments, invocation = at.judge, at.word, at.arguments, at.invocation
    name, _, value = word.text.partition("=")
    target = Word(value, word.known, word.glob, word.origin)
    if name == "if":
        reads(judge, target, invocation)
    elif name == "of":
        nothing = any(each.text == "if=/dev/null" for each in arguments.operands)
        writes(judge, target, invocation, empties=nothing)
        path = invocation.scope.absolute(value) or ""
        if _SOURCE.search(path) and not nothing and places.place_of(path, judge.around) == "workspace":
            judge.effects.kinds.add("overwrite")


def _url(at: Operand) -> None:
    judge, word = at.judge, at.word
    url(judge, word)
    if not word.known and word.origin == "sensitive":
        judge.effects.exfiltration = True


def _host(at: Operand) -> None:
    judge, word = at.judge, at.word
    judge.effects.hosts.setdefault(word.text)


def _lookup(at: Operand) -> None:
    judge, word = at.judge, at.word
    judge.effects.hosts.setdefault(word.text)
    if not word.known and word.origin in ("sensitive", "file", "data"):
        judge.effects.exfiltration = True


def _variable(at: Operand) -> None:
    judge, word, arguments, invocation = at.judge, at.word, at.arguments, at.invocation
    if re.search(r"\[.*(\$\(|`)", word.text):
        judge.effects.obfuscation.add("subscript")
    text = invocation.feed.text if invocation.feed is not None else None
    if word.sure:
        invocation.scope.variables[word.sure] = (
            [Word(text.strip())] if text is not None and len(arguments.operands) == 1 else [Word("", known=False)]
        )


def _subscript(at: Operand) -> None:
    judge, word = at.judge, at.word
    if re.search(r"\[.*(\$\(|`)", word.text):
        judge.effects.obfuscation.add("subscript")


def _sed(at: Operand) -> None:
    judge, word, spec, arguments, invocation = at.judge, at.word, at.spec, at.arguments, at.invocation
    scripts = [value for name in ("-e", "--expression") for value in arguments.values(name)]
    in_place = any(name.startswith(("-i", "--in-place")) for name, _ in arguments.options)
    if not scripts and word is arguments.operands[0] and not arguments.has("-f", "--file"):
        sed_script(judge, word, invocation)
        return
    given = scripts or arguments.operands[:1]
    if not in_place:
        reads(judge, word, invocation)
        return
    writes(judge, word, invocation, empties=any(code.sed_empties(each.text) for each in given))
    del spec


def _awk(at: Operand) -> None:
    judge, word, arguments, invocation = at.judge, at.word, at.arguments, at.invocation
    if word is arguments.operands[0] and not arguments.has("-f", "--file", "-e", "--source"):
        awk_script(judge, word, invocation)
    else:
        reads(judge, word, invocation)


def sed_script(judge: Judge, word: Word, invocation: Invocation) -> None:
    """What a sed script does beside editing."""
    if code.sed_runs(word.text):
        judge.effects.code.add("inline")
    for path in code.sed_writes(word.text):
        writes(judge, Word(path), invocation)


def awk_script(judge: Judge, word: Word, invocation: Invocation) -> None:
    """What an awk script does beside printing."""
    if code.AWK_RUNS.search(word.text):
        judge.effects.code.add("inline")
    for found in code.AWK_WRITES.finditer(word.text):
        if found[1].startswith(("'", '"')):
            writes(judge, Word(found[1][1:-1]), invocation)


def _tar(at: Operand) -> None:
    """What is packed is read; `c` may stand without its dash."""
    mode = at.arguments.operands[0].text if re.fullmatch(r"[cxtruA][A-Za-z]*", at.arguments.operands[0].text) else ""
    if (at.arguments.has("-c", "--create", "-r", "-u", "-A") or mode[:1] in ("c", "r", "u", "A")) and at.word.text != mode:
        secrets(at.judge, at.word.text, at.invocation)


def _make(at: Operand) -> None:
    judge, word = at.judge, at.word
    if re.match(r"(SHELL|MAKEFLAGS|MAKEFILES)=", word.text):
        judge.effects.code.add("hook")


_OPERANDS: dict[str, Callable[[Operand], None]] = {
    "read": _read,
    "write": _write,
    "mkdir": _mkdir,
    "write_input": _write_input,
    "delete": _delete,
    "delete_empty": _delete_empty,
    "empty": _empty,
    "move": _move,
    "move_to": _move_to,
    "copy_to": _copy_to,
    "sync_to": _copy_to,
    "link": _link,
    "link_to": _write,
    "mode": _mode,
    "owner": _owner,
    "format": _format,
    "device": _format,
    "dd": _dd,
    "url": _url,
    "host": _host,
    "lookup": _lookup,
    "variable": _variable,
    "subscript": _subscript,
    "subscript_test": _subscript,
    "sed": _sed,
    "awk": _awk,
    "make": _make,
    "tar": _tar,
}
