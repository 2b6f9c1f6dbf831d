r"""From a pattern to the pattern "the beginning of a match, at the very end of the text": what a stream must not let go of yet.

Of `ab+c` that is `a(?:b+(?:c\z|\z)|\z)`: an `a` that ends the text, or one that is followed by `b`s which end it, and so on.
The pattern is read as RE2 reads it. Characters and classes are taken over as they are written; only what puts them together is
understood, and what is not understood is refused.
"""

from __future__ import annotations

import re as grammar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

END = r"\z"
_UNKNOWN = "is a pattern whose beginnings are not known"
_ATOM = grammar.compile(
    r"""\[\^?\]?(?:\[:\^?\w+:\]|\\[pP](?:\{[^}]*\}|.)|\\x\{[0-9A-Fa-f]+\}|\\.|[^\]\\])*\]   # a class
      | \\[pP](?:\{[^}]*\}|[^{])                                                             # Unicode's
      | \\x\{[0-9A-Fa-f]+\} | \\x[0-9A-Fa-f]{2} | \\[0-7]{1,3}                               # a character by its number
      | \\[dDsSwWafnrtv] | \\[^A-Za-z0-9]                                                    # by its name, or as it is
      | [^\\()|*+?\[^$]""",
    grammar.VERBOSE | grammar.DOTALL | grammar.ASCII,
)
_EDGE = grammar.compile(r"\\[bBAz]|\^|\$")
_REPEAT = grammar.compile(r"(?:\*|\+|\?|\{(\d+)(?:(,)(\d*))?\})\??")
_GROUP = grammar.compile(r"\((?:\?(?:P?<\w+>|([a-zA-Z]*)(?:-([a-zA-Z]*))?(:|\))))?")
_QUOTED = grammar.compile(r"\\Q(.*?)(?:\\E|\Z)", grammar.DOTALL)


@dataclass(frozen=True, slots=True)
class Atom:
    """One character of some kind."""

    text: str


@dataclass(frozen=True, slots=True)
class Edge:
    """A place between characters, such as a word's end."""

    text: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same again, from `least` to `most` times (None: without end)."""

    part: Part
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Either:
    """One of several sequences."""

    choices: tuple[tuple[Part, ...], ...]


Part = Atom | Edge | Repeat | Either


@dataclass(frozen=True, slots=True)
class Beginnings:
    """What a stream has to know of a pattern.

    `pattern` finds the beginning of a match at the end of a text. `looks_on` says that a match which ends there may be none
    once more text is known. `least` and `width` are how many characters a match has at least and at most, None without a bound.
    """

    pattern: str
    looks_on: bool
    least: int
    width: int | None


def beginnings(pattern: str) -> Beginnings:
    """Read a pattern that RE2 has accepted.

    Raises:
        ValueError: there is something in it that is not understood here.
    """
    whole = _Reader(pattern).read()
    return Beginnings(_begun((whole,)), _looks_on((whole,)), _least(whole), _width((whole,)))


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0

    def read(self) -> Part:
        whole = self.either("")
        if self.at < len(self.pattern):
            raise ValueError(_UNKNOWN)
        return whole

    def either(self, flags: str) -> Either:
        """Up to a closing parenthesis, or the end. Flags that are set inside hold from there on, in later choices too."""
        choices: list[tuple[Part, ...]] = []
        sequence: list[Part] = []
        while self.at < len(self.pattern) and not self.pattern.startswith(")", self.at):
            if self.took("|"):
                choices.append(tuple(sequence))
                sequence = []
                continue
            inner = self.flags(flags)
            if inner is not None:
                flags = inner
            else:
                sequence += self.repeated(flags)
        return Either((*choices, tuple(sequence)))

    def flags(self, flags: str) -> str | None:
        """The flags from here on, where they are set with `(?i)`."""
        found = _GROUP.match(self.pattern, self.at)
        if found is None or found[3] != ")":
            return None
        self.at = found.end()
        return _set(flags, found[1], found[2])

    def repeated(self, flags: str) -> list[Part]:
        """What stands here, as often as it says; a quoted text is many characters, of which only the last is repeated."""
        *before, last = self.parts(flags)
        while found := self.match(_REPEAT):
            least, most = _bounds(found)
            last = Repeat(last, least, most)
        return [*before, last]

    def parts(self, flags: str) -> list[Part]:
        if quoted := self.match(_QUOTED):
            return [Atom(_scoped(_escaped(each), flags)) for each in quoted[1]] or [Either(((),))]
        if edge := self.match(_EDGE):
            return [Edge(_scoped(edge[0], flags))]
        if self.pattern.startswith("(", self.at):
            return [self.group(flags)]
        atom = self.match(_ATOM)
        if atom is None:
            raise ValueError(_UNKNOWN)
        return [Atom(_scoped(atom[0], flags))]

    def group(self, flags: str) -> Part:
        opened = self.match(_GROUP)
        if opened is None:
            raise ValueError(_UNKNOWN)
        inner = self.either(_set(flags, opened[1], opened[2]) if opened[3] else flags)
        if not self.took(")"):
            raise ValueError(_UNKNOWN)
        return inner

    def match(self, what: grammar.Pattern[str]) -> grammar.Match[str] | None:
        found = what.match(self.pattern, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def took(self, text: str) -> bool:
        if not self.pattern.startswith(text, self.at):
            return False
        self.at += len(text)
        return True


def _set(flags: str, on: str | None, off: str | None) -> str:
    """Flags as a sorted text; which of two texts of the same length is preferred (`U`) does not matter to beginnings."""
    return "".join(sorted((set(flags) | set(on or "")) - set(off or "") - {"U"}))


def _scoped(text: str, flags: str) -> str:
    return f"(?{flags}:{text})" if flags else text


def _escaped(character: str) -> str:
    return character if character.isalnum() or not character.isascii() else rf"\x{{{ord(character):x}}}"


def _bounds(found: grammar.Match[str]) -> tuple[int, int | None]:
    if found[1] is None:
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[found[0][0]]
    least = int(found[1])
    if not found[2]:
        return least, least
    return least, int(found[3]) if found[3] else None


# -- what is made of it ------------------------------------------------------------------------------------------------


def _whole(sequence: Sequence[Part]) -> str:
    return "".join(map(_written, sequence))


def _written(part: Part) -> str:
    if isinstance(part, Atom | Edge):
        return part.text
    if isinstance(part, Either):
        return f"(?:{'|'.join(map(_whole, part.choices))})"
    return f"(?:{_written(part.part)}){_times(part.least, part.most)}"


def _times(least: int, most: int | None) -> str:
    if most is None:
        return {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    return f"{{{least},{most}}}"


def _begun(sequence: Sequence[Part]) -> str:
    """The sequence up to somewhere inside of it. It is halved, so that the result is not nested as deep as it is long."""
    if not sequence:
        return END
    if len(sequence) == 1:
        return f"(?:{_begun_part(sequence[0])})"
    half = len(sequence) // 2
    return f"(?:{_whole(sequence[:half])}{_begun(sequence[half:])}|{_begun(sequence[:half])})"


def _begun_part(part: Part) -> str:
    """The beginnings of one part, its whole among them where it ends the text."""
    if isinstance(part, Atom | Edge):
        return f"{part.text}{END}|{END}"
    if isinstance(part, Either):
        return "|".join(map(_begun, part.choices))
    if part.most == 0:
        return END
    before = _times(0, None if part.most is None else part.most - 1)
    return f"(?:{_written(part.part)}){before}{_begun((part.part,))}"


def _looks_on(sequence: Sequence[Part]) -> bool:
    """Whether what follows the sequence has a say in whether it matches."""
    for part in reversed(sequence):
        if any(_looks_on_part(each) for each in (part,)):
            return True
        if _least(part) > 0:
            return False
    return False


def _looks_on_part(part: Part) -> bool:
    if isinstance(part, Either):
        return any(map(_looks_on, part.choices))
    if isinstance(part, Repeat):
        return part.most != 0 and _looks_on_part(part.part)
    return isinstance(part, Edge)


def _least(part: Part) -> int:
    """How many characters it has at least."""
    if isinstance(part, Either):
        return min(sum(map(_least, choice)) for choice in part.choices)
    return part.least * _least(part.part) if isinstance(part, Repeat) else isinstance(part, Atom)


def _width(sequence: Sequence[Part]) -> int | None:
    widths = list(_widths(sequence))
    return None if None in widths else sum(filter(None, widths))


def _widths(sequence: Sequence[Part]) -> Iterator[int | None]:
    for part in sequence:
        if isinstance(part, Either):
            choices = [_width(choice) for choice in part.choices]
            yield None if None in choices else max(filter(None, choices), default=0)
        elif isinstance(part, Repeat):
            one = _width((part.part,))
            yield 0 if one == 0 else None if one is None or part.most is None else one * part.most
        else:
            yield int(isinstance(part, Atom))
