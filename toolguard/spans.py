"""Finding patterns in a text, whether it is there as a whole or arrives in pieces: both find the same.

A text that arrives in pieces is let go up to where a match may have begun that needs more text to be one, or to be none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from toolguard.patterns import Places
from toolguard.prefixes import beginnings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from toolguard.prefixes import Beginnings

MAX_HELD = 64 * 1024  # characters that wait for the end of a match


class HeldTooLong(Exception):
    """A match that may have begun does not come to an end."""


@dataclass(frozen=True, slots=True)
class Span:
    """What one finder has found: `start` to `end`, in a match from `begin` to `reach`."""

    name: str
    start: int
    end: int
    begin: int
    reach: int

    def moved(self, by: int) -> Span:
        """The same, so many characters further on; nothing begins before the text does."""
        places = (max(0, place + by) for place in (self.start, self.end, self.begin, self.reach))
        return Span(self.name, *places)


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of text, and the spans in it, if any. Matches that overlap share a region; places count from its start."""

    start: int
    text: str
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, eq=False)
class Finder:
    """One pattern, in RE2's syntax, under a name.

    `accept` is asked about each match in the order of their beginnings: which part of it is meant. The search goes on behind
    that part then, behind the match where it is empty; where the answer is None, one character on. The pattern has to mean
    the same to Python's `re` then (in ASCII), which takes up a search in the middle of a long text at no cost.
    """

    name: str
    pattern: str
    accept: Callable[[str], tuple[int, int] | None] | None = None

    @cached_property
    def begun(self) -> Beginnings | None:
        """What its matches begin with; None where that cannot be told from the pattern. Without a `pattern` it is too large."""
        try:
            found = beginnings(self.pattern)
        except (ValueError, RecursionError):
            return None
        try:
            Places(found.pattern)
        except ValueError:
            return replace(found, pattern="")
        return found

    @cached_property
    def _places(self) -> Places:
        return Places(self.pattern)

    @cached_property
    def _again(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.ASCII)

    def find(self, text: str, at: int, before: int) -> Iterator[Span]:
        """The spans whose matches begin from `at` on, and before `before`. Matches of no length are none."""
        if self.accept is None:
            for start, end in self._places.all(text, at):
                if start >= before:
                    return
                yield Span(self.name, start, end, start, end)
            return
        while (match := self._again.search(text, at)) is not None and match.start() < before:
            begin, part = match.start(), self.accept(match[0])
            if part is None:
                at = begin + 1
                continue
            if part[1] > part[0]:
                yield Span(self.name, begin + part[0], begin + part[1], begin, match.end())
            at = max(begin + part[1] if part[1] > part[0] else match.end(), begin + 1)

    def found_at(self, text: str, at: int) -> bool:
        """Whether there is a match just here that nothing can undo."""
        sure = self.accept is None and self.begun is not None and not self.begun.looks_on
        return sure and self._places.begins(text, at)


class _Among:
    """Finders, and a quick look at whether any of them finds something; if so, each half of them is asked."""

    def __init__(self, finders: tuple[Finder, ...]) -> None:
        self._finders = finders
        self._any = Places(*(each.pattern for each in finders))

    @cached_property
    def _halves(self) -> tuple[_Among, ...]:
        half = len(self._finders) // 2
        return _Among(self._finders[:half]), _Among(self._finders[half:])

    def find(self, text: str, at: int, before: int) -> Iterator[Span]:
        """As `Finder.find`, of all of them."""
        if self._any.first(text, at) is None:
            return
        if len(self._finders) == 1:
            yield from self._finders[0].find(text, at, before)
            return
        for each in self._halves:
            yield from each.find(text, at, before)


class Scanner:
    """Several finders at once. Raises ValueError where their patterns are too large together."""

    def __init__(self, finders: Sequence[Finder]) -> None:
        self.finders = tuple(finders)
        self._among = _Among(self.finders) if self.finders else None

    @cached_property
    def _begun(self) -> Places | None:
        known = [each.begun.pattern for each in self.finders if each.begun is not None and each.begun.pattern]
        return Places(*known) if known else None

    @cached_property
    def window(self) -> int | None:
        """How many characters always wait, for patterns whose beginnings cannot be found; None: all of them do."""
        hard = [
            each.begun.width if each.begun is not None else None
            for each in self.finders
            if not (each.begun and each.begun.pattern)
        ]
        return None if None in hard else max((width + 1 for width in hard if width is not None), default=0)

    def regions(self, text: str, at: int = 0, before: int | None = None) -> list[Region]:
        """All that is found whose match begins from `at` on and before `before`, in order."""
        if self._among is None:
            return []
        return _joined(text, [*self._among.find(text, at, len(text) + 1 if before is None else before)])

    def begins(self, text: str, at: int) -> int:
        """From where on a match may have begun that needs more text than there is; the end of the text, if none has.

        Raises:
            ValueError: what the patterns begin with is too large for one look.
        """
        if self.window is None:
            return at
        found = self._begun.first(text, at) if self._begun is not None else None
        return min(len(text) if found is None else found, max(at, len(text) - self.window))


class HoldBack:
    """A text that arrives in pieces and is let through as soon as all is known about it.

    `certain` are the names of finders whose matches need not be waited out: it is enough that there is one.
    """

    def __init__(self, scanner: Scanner, certain: Collection[str] = (), *, most: int = MAX_HELD) -> None:
        self._scanner, self._most = scanner, most
        self._certain = [each for each in scanner.finders if each.name in certain]
        self._text = ""  # what is held, behind the last character that was let through
        self._at = 0  # where what is held begins in it: 0 or 1
        self.released = 0  # characters that were let through

    @property
    def held(self) -> int:
        """How many characters wait."""
        return len(self._text) - self._at

    def feed(self, piece: str) -> list[Region]:
        """What may be let through now that this is here, too: stretches of text in order, with what was found in them.

        Raises:
            HeldTooLong: too much waits for the end of a match.
        """
        self._text += piece
        text, at = self._text, self._at
        begun = self._scanner.begins(text, at)
        if begun < len(text) and any(each.found_at(text, begun) for each in self._certain):
            return self._let_through(len(text) + 1, len(text))
        out = self._let_through(begun, begun)
        if self.held > self._most:
            raise HeldTooLong
        return out

    def end(self) -> list[Region]:
        """What is let through as nothing more comes."""
        return self._let_through(len(self._text) + 1, len(self._text))

    def _let_through(self, before: int, up_to: int) -> list[Region]:
        found = self._scanner.regions(self._text, self._at, before)
        if found and found[-1].start + len(found[-1].text) > up_to:
            up_to = found.pop().start
        out, at, offset = list[Region](), self._at, self.released - self._at
        for each in found:
            if each.start > at:
                out.append(Region(at + offset, self._text[at : each.start]))
            out.append(Region(each.start + offset, each.text, each.spans))
            at = each.start + len(each.text)
        if up_to > at:
            out.append(Region(at + offset, self._text[at:up_to]))
        self.released += up_to - self._at
        keep = max(0, up_to - 1)
        self._text, self._at = self._text[keep:], up_to - keep
        return out


def _joined(text: str, spans: Sequence[Span]) -> list[Region]:
    """Spans as regions that do not overlap."""
    groups: list[list[Span]] = []
    reach = -1
    for span in sorted(spans, key=lambda each: (each.begin, each.reach, each.name)):
        if span.begin < reach:
            groups[-1].append(span)
        else:
            groups.append([span])
        reach = max(reach, span.reach)
    return [_region(text, group) for group in groups]


def _region(text: str, group: Sequence[Span]) -> Region:
    begin, reach = group[0].begin, max(each.reach for each in group)
    return Region(begin, text[begin:reach], tuple(each.moved(-begin) for each in group))
