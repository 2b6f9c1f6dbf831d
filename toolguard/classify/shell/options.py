"""The values of a program's options, each as what its data says it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from toolguard.classify import places
from toolguard.classify.shell.paths import reads, secrets, writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.classify.shell.judge import Judge
    from toolguard.classify.shell.programs import Arguments
    from toolguard.classify.shell.reader import Invocation, Reader
    from toolguard.classify.shell.words import Word


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
    handler = _VALUES.get(role)
    if handler is not None:
        handler(judge, word, invocation)
    elif role in ("send", "upload", "send_form", "send_text"):
        sends(judge, role, word, invocation)
    elif role == "code" and word.sure is None:
        judge.effects.code.add("dynamic")
    elif role in ("code", "work") and word.sure is not None:
        reader.text(word.sure, invocation.scope.inside(), None, "option")
        judge.effects.code.update(("hook",) if role == "code" else ())


def _subscript(judge: Judge, word: Word, _: Invocation) -> None:
    if re.search(r"\[.*(\$\(|`)", word.text):
        judge.effects.obfuscation.add("subscript")


def _mode(judge: Judge, word: Word, _: Invocation) -> None:
    if re.fullmatch(r"0?[2467][0-7]{3}|.*\+s.*", word.text):
        judge.effects.kinds.add("permission")


def _registry(judge: Judge, word: Word, _: Invocation) -> None:
    if re.match(r"http://|https?://(?!(pypi|registry|test\.pypi|download|files|repo|packages|pypi\w*)\.)", word.text):
        judge.effects.reasons.add("other_registry")


def _mount(judge: Judge, word: Word, _: Invocation) -> None:
    if re.match(r"/var/run/docker\.sock|/:", word.text):
        judge.effects.code.add("host")


def _host(judge: Judge, word: Word, _: Invocation) -> None:
    judge.effects.hosts.setdefault(word.text)


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


def sends(judge: Judge, role: str, word: Word, invocation: Invocation) -> None:
    """Data that goes to another machine."""
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


def _url(judge: Judge, word: Word, _: Invocation) -> None:
    url(judge, word)


_VALUES: dict[str, Callable[[Judge, Word, Invocation], None]] = {
    "read": reads,
    "script": reads,
    "sql_file": reads,
    "write": writes,
    "subscript": _subscript,
    "mode": _mode,
    "registry": _registry,
    "mount": _mount,
    "host": _host,
    "url": _url,
}
