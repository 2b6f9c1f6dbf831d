"""Carries out obligations: removes secrets and personal data from parameters, results and what is recorded of them."""

from __future__ import annotations

import copy
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from toolguard.canonical import encode, keyed_digest, kind_name, named_fields
from toolguard.classify.sensitive.classifier import as_text, chosen, named, spans_in, text_of
from toolguard.errors import MalformedCall
from toolguard.model import Verdict
from toolguard.policy.fields import RESULT, Field, Items, parse_field
from toolguard.returned import key_text, like, returned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from toolguard.classify.sensitive.kinds import Kind
    from toolguard.model import Decision, Obligation
    from toolguard.spans import Span

MIN_KEY = 16  # bytes
MIN_SHOWN = 12  # characters of which four may be left
PARAMETERS = "parameters"
_REST = 4
_DROPPED = object()


class CannotRedact(Exception):
    """An obligation cannot be carried out; says why."""


def redacted(value: Any, obligations: Iterable[Obligation], root: str, key: bytes | None = None) -> Any:
    """A value without what obligations have removed from it. `root` is what fields call it: `parameters` or `result`.

    It is plain data, or a private copy (`canonical.snapshot`), whose types are kept. `key` is what digests are made with.

    Raises:
        CannotRedact: one of them cannot be carried out.
    """
    every = [each for each in obligations if parse_field(each.target, {}).root == root]
    for target in dict.fromkeys(each.target for each in every if each.kinds is not None):
        field = parse_field(target, {})
        inside = _Inside([each for each in every if each.kinds is not None and each.target == target], key)
        value = _at(value, field.steps, field, inside.changed)
    for each in every:
        if each.kinds is None:
            field = parse_field(each.target, {})
            value = _at(value, field.steps, field, partial(_whole, change=changing(each.how, key)))
    return {} if value is _DROPPED and root == PARAMETERS else None if value is _DROPPED else value


def obliged(decision: Decision, key: bytes | None) -> Decision:
    """A decision on a call with its parameters as the tool and the ledger get them; a denial where that cannot be done."""
    if not decision.obligations:
        return decision if decision.redacted is decision.kept is None else replace(decision, redacted=None, kept=None)
    params = decision.call.params
    try:
        decision = replace(decision, kept=for_the_record(decision, params, key))
        if decision.verdict == Verdict.DENY:
            return decision
        return replace(decision, redacted=of_params(decision, params, key))
    except CannotRedact as why:
        kept = replace(decision, kept={})
        return kept if decision.verdict == Verdict.DENY else undone(kept, why)


def undone(decision: Decision, why: CannotRedact) -> Decision:
    """The denial in the place of what cannot be carried out."""
    return replace(decision, verdict=Verdict.DENY, cause=f"an obligation cannot be carried out: {why}")


def of_params(decision: Decision, params: Any, key: bytes | None) -> Any:
    """The parameters as the tool gets them."""
    return redacted(params, (each for each in decision.obligations if each.place == "call"), PARAMETERS, key)


def for_the_record(decision: Decision, params: Mapping[str, Any], key: bytes | None) -> Any:
    """The parameters as the ledger gets them."""
    return redacted(params, decision.obligations, PARAMETERS, key)


def of_result(decision: Decision, value: Any, key: bytes | None) -> Any:
    """A result as the caller gets it: a private copy, without what has to be removed.

    Raises:
        CannotRedact: also where the result is no plain data.
    """
    try:
        own, _ = returned(value)
    except MalformedCall as malformed:
        raise CannotRedact(str(malformed)) from None
    return redacted(own, decision.obligations, RESULT, key)


def as_redacted(own: Any, before: Any, after: Any) -> Any:
    """A private copy of parameters changed as its plain view was: what stayed the same there stays as it is, types and all."""
    if before == after:
        return own
    if isinstance(own, dict) and after.keys() <= own.keys():
        return {name: as_redacted(own[name], before[name], after[name]) for name in own if name in after}
    if isinstance(own, (list, tuple)) and len(own) == len(after):
        return like(own, (as_redacted(*each) for each in zip(own, before, after, strict=True)))
    fields = None if isinstance(own, Enum) else named_fields(own)
    if fields is None or not isinstance(after, dict):
        return after
    return _with_fields(own, {name: as_redacted(fields[name], before[name], after.get(name)) for name in fields})


# -- how ---------------------------------------------------------------------------------------------------------------


def changing(how: str, key: bytes | None) -> Callable[[str, str], str]:
    """What is put in the place of a text of some kind (of none, where it is a whole value).

    Raises:
        CannotRedact: a digest needs a key, and there is none.
    """
    if how == "hash" and key is None:
        raise CannotRedact("there is no `redaction_key` to make a digest with")

    def change(kind: str, text: str) -> str:
        if how == "drop":
            return ""
        if how == "hash":
            return f"[{kind or 'value'} {keyed_digest(_key_of(key or b''), text.encode()).hex()[:16]}]"
        if how == "last4" and len(text) >= MIN_SHOWN:
            return f"****{text[-_REST:]}"
        return f"[redacted {kind}]" if kind else "[redacted]"

    return change


def _key_of(key: bytes) -> bytes:
    return keyed_digest(bytes(32), b"toolguard redaction\n" + key)


def replaced(text: str, spans: Sequence[Span], change: Callable[[str, str], str]) -> str:
    """A text with something else in the place of its spans; those that overlap are one, of the kind that begins first."""
    out, done, at = [], 0, 0
    ordered = sorted(spans, key=lambda span: (span.start, -span.end))
    while at < len(ordered):
        start, end, name = ordered[at].start, ordered[at].end, ordered[at].name
        while at < len(ordered) and ordered[at].start < end:
            end = max(end, ordered[at].end)
            at += 1
        out += [text[done:start], change(name, text[start:end])]
        done = end
    return "".join((*out, text[done:]))


# -- where -------------------------------------------------------------------------------------------------------------


def _at(value: Any, steps: tuple[Any, ...], field: Field, change: Callable[[Any], Any]) -> Any:
    """The value with `change` made to what lies at `steps`. What is not there need not be removed."""
    if not steps:
        return change(value)
    step, rest = steps[0], steps[1:]
    if isinstance(value, (list, tuple)) and not isinstance(step, str):
        every = isinstance(step, Items)
        items = [_at(item, rest, field, change) if every or place == step else item for place, item in enumerate(value)]
        return like(value, (item for item in items if item is not _DROPPED))
    if isinstance(value, dict) and isinstance(step, str):
        made = {key: _at(inner, rest, field, change) if key_text(key) == step else inner for key, inner in value.items()}
        return {key: inner for key, inner in made.items() if inner is not _DROPPED}
    fields = named_fields(value) if isinstance(step, str) else None
    if fields is None:
        raise CannotRedact(f"`{field.text}` cannot be followed: there is {kind_name(value)}")
    return _with_fields(value, {step: _at(fields[step], rest, field, change)}) if step in fields else value


def _whole(value: Any, change: Callable[[str, str], str]) -> Any:
    if value is None:
        return None
    text = (
        value if isinstance(value, str) else as_text(encode(returned(value)[1])) if text_of(value) is None else text_of(value)
    )
    return change("", str(text)) or _DROPPED


class _Inside:
    """Removes what is found inside of a value, all in one go: what one puts there is not looked through by the next."""

    def __init__(self, obligations: Sequence[Obligation], key: bytes | None) -> None:
        self._kinds: dict[Kind, Callable[[str, str], str]] = {}
        for each in obligations:
            for kind in chosen(each.kinds or "", each.own):
                self._kinds.setdefault(kind, changing(each.how, key))
        self._wanted = tuple(self._kinds)
        self._changes = {kind.name: change for kind, change in reversed(self._kinds.items())}

    def changed(self, value: Any, name: str = "") -> Any:
        """The value without it. `name` is the key that it stands under."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, dict):
            return self._mapping(value)
        if isinstance(value, (list, tuple, set, frozenset)):
            return like(value, (self.changed(item, name) for item in value))
        text = text_of(value)
        if text is not None:
            return self._text(value, text, name)
        fields = None if isinstance(value, Enum) else named_fields(value)
        if fields is not None:
            return _with_fields(value, {each: self.changed(inner, each) for each, inner in fields.items()})
        text = text_of(returned(value)[1])
        if text is not None and any(spans_in(named(name, text), self._wanted)):
            raise CannotRedact(f"there is something to remove in {kind_name(value)}, which cannot be changed")
        return value

    def _mapping(self, value: dict[Any, Any]) -> dict[Any, Any]:
        """Keys can hold something, too; two that look the same afterwards are told apart by a number."""
        made: dict[Any, Any] = {}
        for given, inner in value.items():
            name = key_text(given) or ""
            spans = spans_in(name, self._wanted)
            key, number = self._replaced(name, spans) if spans else given, 2
            while key in made:
                key, number = f"{key} {number}", number + 1
            made[key] = self.changed(inner, name)
        return made

    def _text(self, value: Any, text: str, name: str) -> Any:
        behind = len(named(name, text)) - len(text)
        spans = [span.moved(-behind) for span in spans_in(named(name, text), self._wanted) if span.end > behind]
        if not spans:
            return value
        made = self._replaced(text, spans)
        return _as_bytes(value, text, made) if isinstance(value, bytes) else made

    def _replaced(self, text: str, spans: Sequence[Span]) -> str:
        return replaced(text, spans, lambda name, found: self._changes[name](name, found))


def _as_bytes(value: bytes, text: str, made: str) -> bytes:
    """What was made of the text that these bytes were read as (`as_text`), as bytes again."""
    return made.encode("utf-8" if text.encode() == value else "latin-1", "replace")


def _with_fields(value: Any, fields: Mapping[str, Any]) -> Any:
    """The same object with other values in some of its fields."""
    current = named_fields(value) or {}
    changed = {name: None if inner is _DROPPED else inner for name, inner in fields.items() if inner is not current[name]}
    if not changed:
        return value
    if hasattr(value, "model_copy"):
        return value.model_copy(update=changed)
    made = copy.copy(value)
    for name, inner in changed.items():
        object.__setattr__(made, name, inner)
    return made


# -- texts by their places ---------------------------------------------------------------------------------------------


def texts_of(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a private copy of a value, with its place; what objects name fields is as good as keys."""
    if type(value) in (str, bytes):
        yield path, value if type(value) is str else as_text(value)
    elif isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            yield from texts_of(item, f"{path}[{place}]")
    else:
        for name, inner in _entries(value).items():
            yield from texts_of(inner, f"{path}[{name!r}]")


def with_texts(value: Any, change: Callable[[str, str], str], path: str = "") -> Any:
    """The value with `change(place, text)` in the place of each text; the rest stays as it is."""
    if type(value) is str:
        return change(path, value)
    if type(value) is bytes:
        text = as_text(value)
        return _as_bytes(value, text, change(path, text))
    if isinstance(value, (list, tuple)):
        return like(value, (with_texts(item, change, f"{path}[{place}]") for place, item in enumerate(value)))
    entries = _entries(value)
    made = {name: with_texts(inner, change, f"{path}[{name!r}]") for name, inner in entries.items()}
    return made if isinstance(value, dict) else _with_fields(value, made) if entries else value


def _entries(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {} if isinstance(value, Enum) else named_fields(value) or {}
