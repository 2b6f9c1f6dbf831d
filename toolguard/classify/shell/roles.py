"""What the words of a command are to its program: paths that are read, written and deleted, hosts, code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from toolguard.classify import places
from toolguard.classify.shell import code
from toolguard.classify.shell.words import Word

if TYPE_CHECKING:
    from toolguard.classify.shell.judge import Judge
    from toolguard.classify.shell.programs import Arguments
    from toolguard.classify.shell.reader import Invocation, Reader

_WRITES = (">", ">>", ">|", "&>", "&>>", ">&", "<>")
_SOURCE = re.compile(
    r"\.(py|pyi|js|ts|jsx|tsx|go|rs|java|kt|c|h|cc|cpp|hpp|rb|php|cs|swift|scala|sh|bash|sql|md|rst|html|css|scss|vue|json|ya?ml|toml|"
    r"ini|cfg|conf|xml|proto|tf|gradle|dat|db|sqlite3?|csv|parquet|ipynb|txt|env)$|(^|/)(makefile|dockerfile|license|readme)$",
    re.IGNORECASE,
)


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
        writes(judge, each.target, invocation, empties=empties and each.operator in (">", ">|", "&>"), appends=">>" in each.operator)


def _puts_out_nothing(invocation: Invocation) -> bool:
    words = [word.text for word in invocation.words]
    return words[0] in (":", "true") or words == ["cat", "/dev/null"] or words in (["echo", "-n"], ["printf", ""])


# -- paths ---------------------------------------------------------------------------------------------------------------


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


def writes(judge: Judge, word: Word, invocation: Invocation, *, empties: bool = False, appends: bool = False) -> None:
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
    del appends


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
    elif place == "tmp" or places.is_cache(path):
        return
    elif word.glob and base in places.TEMPORARY and not re.search(r"/(\.?\*|\.\[)[^/]*$", path):
        return
    elif place == "workspace":
        _deletes_inside(judge, path, invocation, recursive=recursive, glob=word.glob)
    else:
        effects.outside_deletes = True
        effects.kinds.add("tree" if recursive or place == "home" else "source")
        if places.is_generated(path) and place == "home" and re.search(r"/\.(cache|npm|cargo/registry|gradle/caches)(/|$)", path):
            effects.outside_deletes = False
            effects.kinds.discard("tree")


def _deletes_inside(judge: Judge, path: str, invocation: Invocation, *, recursive: bool, glob: bool) -> None:
    workspace = judge.around.workspace or ""
    if places.clean(path) == places.clean(workspace):
        judge.effects.kinds.add("tree")
    elif not places.is_generated(_within(path, judge)):
        judge.effects.kinds.add("source")
    if places.obeyed_kind(path) == "git" or re.search(r"(^|/)\.git(/|$)", _within(path, judge)):
        judge.effects.kinds.add("vcs")
    del invocation, recursive, glob


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


# -- options and operands --------------------------------------------------------------------------------------------------


def options(judge: Judge, spec: dict[str, Any], arguments: Arguments, invocation: Invocation, reader: Reader) -> None:
    """The values of options, each as what its program's data says it is."""
    values = spec.get("values") or {}
    for name, value in arguments.options:
        if values.get(name) == "chdir" and value is not None:
            invocation.scope = invocation.scope.inside()
            invocation.scope.cwd = invocation.scope.absolute(value.text) if value.sure else None
    for name, value in arguments.options:
        role = values.get(name)
        if value is None or not role or str(role).isdigit():
            continue
        value_of(judge, str(role), value, invocation, reader)


def value_of(judge: Judge, role: str, word: Word, invocation: Invocation, reader: Reader) -> None:
    """One value."""
    effects = judge.effects
    if role in ("read", "script", "sql_file"):
        reads(judge, word, invocation)
    elif role in ("write", "archive"):
        if role == "write":
            writes(judge, word, invocation)
    elif role in ("send", "upload", "send_form", "send_text"):
        _sends(judge, role, word, invocation)
    elif role == "code":
        if word.sure is None:
            effects.code.add("dynamic")
        else:
            reader.text(word.sure, invocation.scope.inside(), None, "option")
            effects.code.add("hook")
    elif role == "mode":
        if re.fullmatch(r"0?[2467][0-7]{3}|.*\+s.*", word.text):
            effects.kinds.add("permission")
    elif role == "work" and word.sure is not None:
        reader.text(word.sure, invocation.scope.inside(), None, "option")
    elif role == "subscript" and re.search(r"\[.*(\$\(|`)", word.text):
        effects.obfuscation.add("subscript")
    elif role == "host":
        effects.hosts.setdefault(word.text)
    elif role == "url":
        url(judge, word)
    elif role == "registry" and re.match(r"http://|https?://(?!(pypi|registry|test\.pypi|download|files|repo|packages|pypi\w*)\.)", word.text):
        effects.reasons.add("other_registry")
    elif role == "mount":
        if re.match(r"/var/run/docker\.sock|/:", word.text):
            effects.code.add("host")


def operands(judge: Judge, name: str, spec: dict[str, Any], arguments: Arguments, invocation: Invocation) -> None:
    """The operands, likewise."""
    given = list(arguments.operands)
    role = spec.get("operands", "none")
    if arguments.has(*(spec.get("unless") or ())) and role in ("read", "format", "device"):
        return
    if "first" in spec and given and not _pattern_given(spec, arguments):
        _operand(judge, spec["first"], given.pop(0), spec, arguments, invocation)
    last = None
    target = next((value for option in spec.get("target") or () for value in arguments.values(option)), None)
    if target is not None:
        last = target
    elif "last" in spec and len(given) > 1:
        last = given.pop()
    for word in given:
        _operand(judge, role, word, spec, arguments, invocation)
    if last is not None:
        _operand(judge, spec["last"], last, spec, arguments, invocation, sources=given)
    if spec.get("deletes") and arguments.has(*spec["deletes"]) and last is not None and not arguments.has(*(spec.get("unless") or ())):
        victims = given if arguments.has("--remove-source-files") else [last]
        for word in victims:
            if re.match(r"[\w.@-]+:", word.text):
                judge.effects.kinds.add("tree")
            else:
                deletes(judge, word, invocation, recursive=True)
    if spec.get("environment") and not given:
        pass
    del name


def _pattern_given(spec: dict[str, Any], arguments: Arguments) -> bool:
    return spec.get("first") == "pattern" and arguments.has("-e", "--regexp", "-f", "--file")


def _operand(
    judge: Judge, role: str, word: Word, spec: dict[str, Any], arguments: Arguments, invocation: Invocation, sources: list[Word] | None = None
) -> None:
    handler = _OPERANDS.get(role)
    if handler is not None:
        handler(judge, word, spec, arguments, invocation, sources or [])


def _is_recursive(spec: dict[str, Any], arguments: Arguments) -> bool:
    how = spec.get("recursive")
    return how == "always" or (bool(how) and arguments.has(*how))


def _read(judge: Judge, word: Word, spec: dict[str, Any], arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    remote = re.match(r"[\w.@-]+:(?!/\/)", word.text) if spec.get("copies") else None
    if remote:
        judge.effects.network = True
        judge.effects.hosts.setdefault(remote.group()[:-1])
        return
    reads(judge, word, invocation)
    path = invocation.scope.absolute(word.text) if word.known else None
    if path and _is_recursive(spec, arguments):
        at = places.clean(path)
        home = judge.around.home
        if at == "/" or (home and places.is_below(home, at)) or places.place_of(at, judge.around) == "home" and at == (home or at):
            judge.effects.sensitive.add("home")


def _write(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    writes(judge, word, invocation)


def _mkdir(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    path = invocation.scope.absolute(word.text) if word.known else None
    if path and not invocation.scope.remote:
        judge.effects.outside_writes |= places.place_of(path, judge.around) == "system"


def _write_input(judge: Judge, word: Word, _spec: dict[str, Any], arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    nothing = any(each.operator == "<" and each.target.text == "/dev/null" for each in invocation.redirects)
    writes(judge, word, invocation, empties=nothing, appends=arguments.has("-a", "--append"))


def _delete(judge: Judge, word: Word, spec: dict[str, Any], arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    deletes(judge, word, invocation, recursive=_is_recursive(spec, arguments))


def _delete_empty(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    path = invocation.scope.absolute(word.text) if word.known else None
    if path and places.place_of(path, judge.around) in ("system", "home"):
        judge.effects.outside_deletes = True


def _empty(judge: Judge, word: Word, _spec: dict[str, Any], arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    size = next((value.text for option in ("-s", "--size") for value in arguments.values(option)), "")
    path = invocation.scope.absolute(word.text) if word.known else None
    fresh = path is not None and re.search(r"\.(img|iso|qcow2|raw|bin)$", path) is not None
    writes(judge, word, invocation, empties=not size.startswith(("+", "%")) and not (fresh and size not in ("0", "")))


def _move(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    secrets(judge, word.text, invocation)
    path = invocation.scope.absolute(word.text) if word.known else None
    if path is None:
        return
    place = places.place_of(path, judge.around)
    if place == "home" and places.secret_kind(path) is not None:
        judge.effects.outside_deletes = True
    elif place == "system" or path == judge.around.home:
        judge.effects.outside_deletes = True


def _move_to(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, invocation: Invocation, sources: list[Word]) -> None:
    if word.text == "/dev/null":
        for each in sources:
            deletes(judge, each, invocation, recursive=True)
        return
    writes(judge, word, invocation)


def _copy_to(judge: Judge, word: Word, spec: dict[str, Any], arguments: Arguments, invocation: Invocation, sources: list[Word]) -> None:
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


def _sync_to(judge: Judge, word: Word, spec: dict[str, Any], arguments: Arguments, invocation: Invocation, sources: list[Word]) -> None:
    _copy_to(judge, word, spec, arguments, invocation, sources)


def _link(judge: Judge, word: Word, _spec: dict[str, Any], arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    if len(arguments.operands) == 1:
        return
    secrets(judge, word.text, invocation)


def _mode(judge: Judge, word: Word, _spec: dict[str, Any], arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    mode = arguments.operands[0].text if arguments.operands else ""
    everybody = re.fullmatch(r"0?[0-7]*[2367]|[0-7]?[0-7][0-7][2367]", mode) is not None or re.search(r"(^|,)[ago]*[ao]?[+=][rxX]*w", mode) and not mode.startswith(("u", "g"))
    nobody = re.fullmatch(r"0*0?00|a-rwx|000", mode) is not None
    special = re.fullmatch(r"[2467][0-7]{3}|[ugo+]*\+s\w*|[ug]\+s", mode) is not None
    if everybody or nobody or special:
        judge.effects.kinds.add("permission")
    _owner(judge, word, _spec, arguments, invocation, [])


def _owner(judge: Judge, word: Word, _spec: dict[str, Any], arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    path = invocation.scope.absolute(word.text) if word.known else None
    if path is None or not arguments.has("-R", "--recursive"):
        return
    place, at = places.place_of(path, judge.around), places.clean(path)
    home = judge.around.home
    if place == "system" or (place == "home" and at == home):
        judge.effects.kinds.add("permission")


def _format(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    path = invocation.scope.absolute(word.text) if word.known else None
    if path is None or places.place_of(path, judge.around) == "device":
        judge.effects.kinds.add("device")


def _dd(judge: Judge, word: Word, _spec: dict[str, Any], arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
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


def url(judge: Judge, word: Word) -> None:
    """Where a download or a request goes."""
    judge.effects.network = True
    found = re.match(r"(?:[a-z][a-z0-9+.-]*://)?(?:[^/@\s]*@)?([^/:?#\s]+)", word.text, re.IGNORECASE)
    if found:
        judge.effects.hosts.setdefault(found[1].lower())


def downloads(judge: Judge, name: str, arguments: Arguments, invocation: Invocation) -> None:
    """Which files a download leaves."""
    named = [value.text for option in ("-o", "--output", "-O", "--output-document") for value in arguments.values(option)]
    if (name == "curl" and arguments.has("-O", "--remote-name")) or (name != "curl" and not named):
        named += [word.text.partition("?")[0].rpartition("/")[2] for word in arguments.operands]
    named += [each.target.text for each in invocation.redirects if each.operator.startswith(">") and each.target.known]
    judge.effects.downloaded.update(path for each in named if each and (path := invocation.scope.absolute(each)))


def _url(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, _invocation: Invocation, _: list[Word]) -> None:
    url(judge, word)
    if not word.known and word.origin == "sensitive":
        judge.effects.exfiltration = True


def _host(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, _invocation: Invocation, _: list[Word]) -> None:
    judge.effects.hosts.setdefault(word.text)


def _lookup(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, _invocation: Invocation, _: list[Word]) -> None:
    judge.effects.hosts.setdefault(word.text)
    if not word.known and word.origin in ("sensitive", "file", "data"):
        judge.effects.exfiltration = True


def _sends(judge: Judge, role: str, word: Word, invocation: Invocation) -> None:
    effects = judge.effects
    effects.network = effects.sends = True
    text = word.text
    if role == "send_form":
        text = text.partition("=")[2]
    if text.startswith(("@", "<")) or role == "upload":
        path = text.lstrip("@<").partition(";")[0]
        if path == "-" and invocation.feed is not None:
            effects.exfiltration |= invocation.feed.sensitive or invocation.feed.origin == "environment"
        elif path:
            before = set(effects.sensitive)
            secrets(judge, path, invocation)
            effects.exfiltration |= bool(effects.sensitive - before) or places.secret_kind(path) is not None
    if not word.known and word.origin == "sensitive":
        effects.exfiltration = True


def _variable(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    if re.search(r"\[.*(\$\(|`)", word.text):
        judge.effects.obfuscation.add("subscript")
    text = invocation.feed.text if invocation.feed is not None else None
    if word.sure:
        invocation.scope.variables[word.sure] = [Word(text.strip())] if text is not None and len(_arguments.operands) == 1 else [Word("", known=False)]


def _subscript(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, _invocation: Invocation, _: list[Word]) -> None:
    if re.search(r"\[.*(\$\(|`)", word.text):
        judge.effects.obfuscation.add("subscript")


def _sed(judge: Judge, word: Word, spec: dict[str, Any], arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
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


def sed_script(judge: Judge, word: Word, invocation: Invocation) -> None:
    """What a sed script does beside editing."""
    if code.sed_runs(word.text):
        judge.effects.code.add("inline")
    for path in code.sed_writes(word.text):
        writes(judge, Word(path), invocation)


def _awk(judge: Judge, word: Word, _spec: dict[str, Any], arguments: Arguments, invocation: Invocation, _: list[Word]) -> None:
    if word is arguments.operands[0] and not arguments.has("-f", "--file", "-e", "--source"):
        awk_script(judge, word, invocation)
    else:
        reads(judge, word, invocation)


def awk_script(judge: Judge, word: Word, invocation: Invocation) -> None:
    """What an awk script does beside printing."""
    if code.AWK_RUNS.search(word.text):
        judge.effects.code.add("inline")
    for found in code.AWK_WRITES.finditer(word.text):
        if found[1].startswith(("'", '"')):
            writes(judge, Word(found[1][1:-1]), invocation)


def _make(judge: Judge, word: Word, _spec: dict[str, Any], _arguments: Arguments, _invocation: Invocation, _: list[Word]) -> None:
    if re.match(r"(SHELL|MAKEFLAGS|MAKEFILES)=", word.text):
        judge.effects.code.add("hook")


_OPERANDS = {
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
    "sync_to": _sync_to,
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
}
