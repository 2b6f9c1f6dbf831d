"""Secrets and personal data in a value, whatever it is made of: texts, numbers, lists, mappings and their keys."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from toolguard.classify.base import Classifier, Setting
from toolguard.classify.sensitive.kinds import OWN, PERSONAL, SECRET, Kind
from toolguard.classify.sensitive.personal import PERSONALS
from toolguard.classify.sensitive.secrets import SECRETS
from toolguard.errors import nearest
from toolguard.spans import Scanner, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*SECRETS, *PERSONALS)}
CATEGORIES = {"secrets": SECRET, "personal": PERSONAL}
MAX_LENGTH = 4 * 1024 * 1024  # characters of one text
MAX_REMEMBERED = 4096  # characters
MIN_DIGITS = 9  # shorter numbers stand for nobody


@dataclass(frozen=True, slots=True)
class SensitiveFacts:
    """What is in a value that others should not see. Every fact is about all of it, nested values and keys too."""

    found: bool | None = None
    """There is something of the kinds that were looked for."""
    certain: bool | None = None
    """There is something whose form or check digits leave little doubt."""
    secrets: bool | None = None
    """There are secrets: keys, tokens, passwords."""
    personal: bool | None = None
    """There is personal data."""
    kinds: tuple[str, ...] | None = None
    """The kinds that were found, by name."""
    count: int | None = None
    """How many were found."""
    why_unknown: str = ""


def chosen(kinds: str = "", own: Iterable[tuple[str, str]] = ()) -> tuple[Kind, ...]:
    """The kinds that a text names: by their names, `secrets`, `personal`, or `certain` for only such; all if it names none.

    `own` are names and patterns of the policy's. They are looked for where no kinds are named, or where they are.

    Raises:
        ValueError: there is no such kind.
    """
    known = KINDS | {name: Kind(name, OWN, "", pattern) for name, pattern in own}
    words = kinds.replace(",", " ").split()
    wanted = [word for word in words if word != "certain"]
    if wrong := next((word for word in wanted if word not in known and word not in CATEGORIES), None):
        raise ValueError(f"there is no kind `{wrong}`{nearest(wrong, (*known, *CATEGORIES, 'certain'))}")
    found = [
        kind
        for kind in known.values()
        if not wanted or kind.name in wanted or any(CATEGORIES.get(word) == kind.category for word in wanted)
    ]
    return tuple(kind for kind in found if kind.certain or "certain" not in words)


@lru_cache(maxsize=256)
def scanner_of(kinds: tuple[Kind, ...]) -> Scanner:
    """What finds these kinds."""
    return Scanner([kind.finder for kind in kinds])


def spans_in(text: str, kinds: tuple[Kind, ...]) -> tuple[Span, ...]:
    """All that is found in one text; places count from its start. Short texts are remembered, for several rules ask of them."""
    return _remembered(text, kinds) if len(text) <= MAX_REMEMBERED else _spans_in(text, kinds)


def _spans_in(text: str, kinds: tuple[Kind, ...]) -> tuple[Span, ...]:
    return tuple(span.moved(region.start) for region in scanner_of(kinds).regions(text) for span in region.spans)


_remembered = lru_cache(maxsize=1024)(_spans_in)


def texts_in(value: Any, name: str = "") -> Iterator[str]:
    """Every text in a plain value, with the key that it stands under before it; keys, and long numbers as they are written."""
    if type(value) is dict:
        for key, inner in value.items():
            if type(inner) in (dict, list):
                yield key
            yield from texts_in(inner, key)
    elif type(value) is list:
        for inner in value:
            yield from texts_in(inner, name)
    elif (text := text_of(value)) is not None:
        yield named(name, text)
    elif name:
        yield name


def named(name: str, text: str) -> str:
    """A text behind its name: many numbers are told from others by their names alone."""
    return f"{name}: {text}" if name else text


def text_of(value: Any) -> str | None:
    """A value that is no list or mapping as it is looked through; None where there is nothing to find."""
    if type(value) is str:
        return value
    if type(value) is bytes:
        return as_text(value)
    return str(value) if type(value) in (int, float, Decimal) and is_long(value) else None


def as_text(data: bytes) -> str:
    """Bytes as the text they are, or one character a byte."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def is_long(number: float | Decimal) -> bool:
    """Whether a number has so many digits that it may stand for somebody."""
    return isfinite(number) and bool(abs(number) >= 10 ** (MIN_DIGITS - 1))


def classify(value: Any, kinds: str | None = None, own: tuple[tuple[str, str], ...] = ()) -> SensitiveFacts:
    """The facts of one plain value."""
    wanted = chosen(kinds or "", own)
    by_name = {kind.name: kind for kind in wanted}
    found: list[Kind] = []
    for text in texts_in(value):
        if len(text) > MAX_LENGTH:
            return SensitiveFacts(why_unknown=f"holds a text of more than {MAX_LENGTH} characters")
        found += [by_name[span.name] for span in spans_in(text, wanted)]
    return SensitiveFacts(
        found=bool(found),
        certain=any(kind.certain for kind in found),
        secrets=any(kind.category == SECRET for kind in found),
        personal=any(kind.category == PERSONAL for kind in found),
        kinds=tuple(sorted({kind.name for kind in found})),
        count=len(found),
    )


def in_words(facts: SensitiveFacts) -> Iterator[str]:
    """What a person who decides should know."""
    if facts.kinds:
        yield f"holds {', '.join(facts.kinds)}"


CLASSIFIER = Classifier(
    name="sensitive",
    doc="Secrets (keys, tokens, passwords) and personal data (card and account numbers, national identity numbers, addresses).",
    facts=SensitiveFacts,
    classify=classify,
    settings=(
        Setting(
            "kinds",
            "which kinds to look for: their names, `secrets`, `personal`, `certain`; left out, all of them",
            optional=True,
        ),
    ),
    in_words=in_words,
    takes=object,
)
