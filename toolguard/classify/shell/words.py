"""The words of a command: what the program gets, as far as the text tells."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_WORDS = 400  # that one word may become, by braces

_ANSI = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|U[0-9A-Fa-f]{1,8}|[0-7]{1,3}|c.|.)", re.DOTALL)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}|\{(-?\d{1,6}|[A-Za-z])\.\.(-?\d{1,6}|[A-Za-z])\}")


@dataclass(frozen=True, slots=True)
class Word:
    """`text` is what is known: all of it, or with `known` false the part before the first thing that is not.

    `glob`: it is a pattern. `origin`: what an unknown part comes from: `network`, `file`, `temporary`, or empty.
    """

    text: str
    known: bool = True
    glob: bool = False
    origin: str = ""
    tail: str = ""
    """What is known behind the last thing that is not."""

    @property
    def sure(self) -> str | None:
        """The text, if all of it is known and it is no pattern."""
        return self.text if self.known and not self.glob else None


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a word: text, whether it is quoted, whether it comes from an expansion, whether it is known."""

    text: str
    quoted: bool = False
    expanded: bool = False
    known: bool = True
    origin: str = ""
    glob: bool = False


UNKNOWN = Piece("", expanded=True, known=False)


def words_of(pieces: Iterable[Piece], home: str | None, separators: str = " \t\n") -> list[Word]:
    """The words that a word of the text becomes: with `~`, braces, and the fields of unquoted expansions."""
    words: list[Word] = []
    now: Word | None = None
    for number, piece in enumerate(pieces):
        text = piece.text
        if number == 0 and not piece.quoted and not piece.expanded:
            text = _with_home(text, home)
        if piece.expanded and not piece.quoted and piece.known and separators and any(sign in separators for sign in text):
            fields = re.split(f"[{re.escape(separators)}]+", text)
            for place, field in enumerate(fields):
                if place:
                    words += [now] if now else []
                    now = None
                now = _joined(now, field, piece) if field or now else now
            continue
        now = _joined(now, text, piece)
    words += [now] if now else []
    braced = [replace(word, text=text) for word in words for text in (expand_braces(word.text) if word.glob else [word.text])]
    return braced[:MAX_WORDS]


def _joined(now: Word | None, text: str, piece: Piece) -> Word:
    now = now or Word("")
    if not now.known:
        return replace(now, tail=now.tail + text if piece.known else "")
    pattern = not piece.quoted and re.search(r"[*?\[]|\{[^{}]*(,|\.\.)[^{}]*\}", text) is not None and not piece.expanded
    return Word(now.text + text, known=piece.known, glob=now.glob or pattern or piece.glob, origin=piece.origin or now.origin)


def _with_home(text: str, home: str | None) -> str:
    if text == "~" or text.startswith("~/"):
        return (home or "/home/unknown") + text[1:]
    if re.match(r"~[A-Za-z_][\w-]*(/|$)", text):
        return "/home/" + text[1:]
    return text


def expand_braces(text: str, depth: int = 0) -> list[str]:
    """`a{b,c}` is `ab` and `ac`."""
    found = _BRACES.search(text)
    if found is None or depth > 6:  # noqa: PLR2004 - six pairs of braces are already 64 words and more
        return [text]
    if found[1] is not None:
        choices = found[1].split(",")
    else:
        first, last = found[2], found[3]
        choices = [first, last]
    made: list[str] = []
    for choice in choices:
        made += expand_braces(text[: found.start()] + choice + text[found.end() :], depth + 1)
        if len(made) > MAX_WORDS:
            break
    return made


def unescaped(text: str) -> str:
    """A bare word without its backslashes."""
    return re.sub(r"\\(\n|.)", lambda each: "" if each[1] == "\n" else each[1], text, flags=re.DOTALL)


def unescaped_in_quotes(text: str) -> str:
    """The inside of double quotes without its backslashes."""
    return re.sub(r"\\([$`\"\\]|\n)", lambda each: "" if each[1] == "\n" else each[1], text)


def ansi_text(text: str) -> str:
    r"""The text of `$'...'`."""

    def one(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] in "xuU":
            return chr(int(code[1:], 16) % 0x110000)
        if code[0].isdigit():
            return chr(int(code, 8) % 256)
        return _SIMPLE.get(code, code)

    return _ANSI.sub(one, text)
