"""Corrections of a policy's text where there is no doubt what was meant: letter case, symbols for operators, blanks.

Comments and layout stay, because only the words themselves are replaced, and only where the text is exactly what is expected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from toolguard.operators import OPERATORS, SYMBOLS
from toolguard.policy.condition import Leaf
from toolguard.policy.document import Policy, Rule, Scope
from toolguard.policy.effects import Citation, EffectConfig
from toolguard.policy.load import documents_of, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.errors import Problem
    from toolguard.policy.load import Document
    from toolguard.policy.strict import Strict

Path = tuple[str | int, ...]

BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_ENDS = r"(?=[ \t]*(?:[,}\]\r\n]|[ \t]#|$))"


@dataclass(frozen=True, slots=True)
class Fix:
    """One word replaced by another, at its place."""

    line: int
    column: int
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class _Edit:
    begin: int
    end: int
    new: str
    fix: Fix


def fixed(text: str) -> tuple[str, tuple[Fix, ...]]:
    """The corrected text and what was corrected; the text as it was where that would not make it better."""
    document = read_text("", text)
    if document is None:
        return text, ()
    edits = sorted(_edits(document), key=lambda edit: edit.begin)
    made, at = "", 0
    for edit in edits:
        made, at = made + text[at : edit.begin] + edit.new, edit.end
    made += text[at:]
    if not edits or read_text("", made) is None or len(_problems(made)) > len(_problems(text)):
        return text, ()
    return made, tuple(edit.fix for edit in edits)


def _problems(text: str) -> list[Problem]:
    problems: list[Problem] = []
    documents_of(text if "\n" in text else f"{text}\n", problems)
    return problems


def _edits(document: Document) -> Iterator[_Edit]:
    policy = document.data
    yield from _of_mapping(document, (), policy, Policy)
    for path, value, model in _parts(policy):
        yield from _of_mapping(document, path, value, model)
        if model is Scope:
            yield from _of_scope(document, path, value)


def _parts(policy: Any) -> Iterator[tuple[Path, Any, type[Strict]]]:
    """Every mapping below the policy whose keys are known, also under a key in the wrong case."""
    for key, value in _items(policy):
        if key.lower() == "scope":
            yield (key,), value, Scope
        elif key.lower() == "rules" and isinstance(value, list):
            for index, rule in enumerate(value):
                yield from _parts_of_rule((key, index), rule)


def _parts_of_rule(path: Path, rule: Any) -> Iterator[tuple[Path, Any, type[Strict]]]:
    yield path, rule, Rule
    for key, value in _items(rule):
        if key.lower() in ("effect_config", "citation"):
            yield (*path, key), value, EffectConfig if key.lower() == "effect_config" else Citation
        elif key.lower() == "conditions":
            stack: list[tuple[Path, Any]] = [((*path, key), value)]
            while stack:
                place, node = stack.pop()
                yield place, node, Leaf
                for name, inner in _items(node):
                    if name.lower() in ("and", "or") and isinstance(inner, list):
                        stack += [((*place, name, index), each) for index, each in enumerate(inner)]
                    elif name.lower() == "not":
                        stack.append(((*place, name), inner))


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _of_mapping(document: Document, path: Path, mapping: Any, model: type[Strict]) -> Iterator[_Edit]:
    known = {field.alias or name: field for name, field in model.model_fields.items()}
    names = {*known, "and", "or", "not"} if model is Leaf else known.keys()
    for key, value in _items(mapping):
        name = key.lower()
        if key not in names and name in names and name not in mapping:
            yield from _key_edit(document, (*path, key), name)
        if name in known and isinstance(value, str):
            new = _value(name, value, known[name].annotation)
            if new is not None:
                yield from _value_edit(document, (*path, key), value, new)


def _value(key: str, value: str, annotation: Any) -> str | None:
    """What was certainly meant by the value of a key, or None."""
    word = value.strip().lower()
    if key == "operator":
        new = SYMBOLS.get(word, word)
        return new if value not in OPERATORS and new in OPERATORS else None
    if annotation is bool:
        return BOOLEANS.get(word)
    allowed = [option for part in (annotation, *get_args(annotation)) for option in get_args(part)]
    return word if value not in allowed and word in allowed else None


def _of_scope(document: Document, path: Path, scope: Any) -> Iterator[_Edit]:
    for key, names in _items(scope):
        if key.lower() in ("tool_names", "tool_groups", "agent_ids", "org_ids") and isinstance(names, list):
            for index, name in enumerate(names):
                if isinstance(name, str) and name.strip() and name != name.strip():
                    yield from _item_edit(document, (*path, key, index), name)


def _key_edit(document: Document, path: Path, new: str) -> Iterator[_Edit]:
    yield from _edit(document, path, rf"""["']?(?P<word>{re.escape(str(path[-1]))})["']?[ \t]*:""", new)


def _value_edit(document: Document, path: Path, old: str, new: str) -> Iterator[_Edit]:
    key, value = re.escape(str(path[-1])), re.escape(old)
    word = rf"""(?P<word>"{value}"|'{value}'|{value})"""
    yield from _edit(document, path, rf"""["']?{key}["']?[ \t]*:[ \t]+{word}{_ENDS}""", new)


def _item_edit(document: Document, path: Path, old: str) -> Iterator[_Edit]:
    yield from _edit(document, path, rf"""["'](?P<word>{re.escape(old)})["']{_ENDS}""", old.strip())


def _edit(document: Document, path: Path, expected: str, new: str) -> Iterator[_Edit]:
    """An edit, if the text at the place of `path` is as expected."""
    at = document.offset(path)
    found = None if at is None else re.compile(expected).match(document.text, at)
    if found:
        line, column = document.places[path]
        begin, end = found.span("word")
        column = (column or 1) + begin - found.start()
        yield _Edit(begin, end, new, Fix(line or 1, column, found["word"], new))
