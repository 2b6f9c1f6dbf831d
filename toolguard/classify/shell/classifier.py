"""From a command to its facts: cached, never raising."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from toolguard.classify.places import Surroundings, clean
from toolguard.classify.shell.effects import Effects
from toolguard.classify.shell.facts import ShellFacts

LONG = 8_192  # characters; longer texts are not kept


def classify(text: str, workspace: Any = None, cwd: Any = None, home: Any = None) -> ShellFacts:
    """The facts of one command. `workspace`, `cwd` and `home` are absolute paths; without a `cwd` it is the workspace."""
    given = tuple(_absolute(each) for each in (workspace, cwd, home))
    facts = _kept(text, *given) if len(text) <= LONG else _facts(text, *given)
    return _facts(text, *given) if "recursion" in facts.reasons else facts  # that depends on who asks, not on the text


def _absolute(path: Any) -> str | None:
    return clean(path) if isinstance(path, str) and path.startswith("/") else None


def _facts(text: str, workspace: str | None, cwd: str | None, home: str | None) -> ShellFacts:
    from toolguard.classify.shell.judge import Judge  # noqa: PLC0415 - parsers and data are loaded when a policy first asks
    from toolguard.classify.shell.reader import Reader, Scope  # noqa: PLC0415

    effects = Effects()
    judge = Judge(Surroundings(workspace, home), effects)
    for reading in _readings(text):
        reader = Reader(judge)
        try:
            reader.text(reading, Scope(cwd or workspace, home))
        except RecursionError:
            reader.trouble.add("recursion")
        effects.reasons |= reader.trouble
        if reader.subscripts:
            effects.obfuscation.add("subscript")
        effects.opaque |= bool(reader.trouble)
    return _as_facts(effects)


def _readings(text: str) -> list[str]:
    """A carriage return is a part of a word for a shell that is given the text; it ends a line for one that has it typed in."""
    return [text, text.replace("\r\n", "\n").replace("\r", "\n")] if "\r" in text else [text]


_kept = lru_cache(maxsize=2048)(_facts)


def _as_facts(effects: Effects) -> ShellFacts:
    opaque = effects.opaque

    def known(value: object) -> bool | None:
        return True if value else None if opaque else False

    paths = not opaque and not effects.unknown_paths
    return ShellFacts(
        parse="opaque" if opaque else "ok",
        commands=tuple(effects.commands),
        programs=tuple(effects.programs),
        verbs=tuple(effects.verbs),
        folders=tuple(effects.folders),
        destructive=known(effects.kinds),
        destructive_kinds=tuple(sorted(effects.kinds)),
        reads=None if opaque else tuple(effects.reads),
        writes=tuple(effects.writes) if paths else None,
        deletes=tuple(effects.deletes) if paths else None,
        writes_outside=known(effects.outside_writes),
        deletes_outside=known(effects.outside_deletes),
        sensitive_reads=known(effects.sensitive),
        sensitive_kinds=tuple(sorted(effects.sensitive)),
        network=known(effects.network),
        hosts=tuple(effects.hosts),
        exfiltration=known(effects.exfiltration or (effects.sensitive and effects.sends)),
        runs_unknown_code=known(effects.code or effects.obfuscation),
        unknown_code=tuple(sorted(effects.code)),
        inline_code=tuple(effects.inline),
        privileged=known(effects.privileged),
        persistence=known(effects.persistence),
        history_rewrite=known(effects.history),
        obfuscation=tuple(sorted(effects.obfuscation)),
        reasons=tuple(sorted(effects.reasons)),
        why_unknown=f"is a command that cannot be read for certain ({', '.join(sorted(effects.reasons))})" if opaque else "",
    )
