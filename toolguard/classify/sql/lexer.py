"""A second opinion on where strings, names and comments end: small, per dialect, linear, and nothing to do with sqlglot.

A parser that reads a comment or a string differently from the server hides statements. This lexer and sqlglot's have to agree
on the words of a statement, or it is not understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from toolguard.classify.sql.dialects import Dialect


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    NAME = "quoted name"
    TEXT = "string"
    SYMBOL = "symbol"


class Token(NamedTuple):
    """`text` is what is written, a quoted name without its quotes; `start` and `end` are places in the statement's text.

    `upper` is a word or a sign in upper case, `"` for what is quoted and can be no keyword.
    """

    kind: Kind
    text: str
    upper: str
    start: int
    end: int


@dataclass(slots=True)
class Reading:
    """The tokens of a text, and why it may be read otherwise."""

    tokens: list[Token] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)


_ENDS = {"unterminated", "too_long"}
MAX_TOKENS = 8_000  # of a text; what is behind them is not read
_NESTED = re.compile(r"/\*|\*/")
_PREFIXES = r"(?:[bBxXnN]|_[A-Za-z0-9]+)?"
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_BLANK = " \t\n\r\f\v"
# A reader can take these for a blank, for nothing or for another sign; servers differ, too.
_CONFUSABLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\xa0\u037e\u200b-\u200f\u2028-\u202f\u205f-\u2064\u2066-\u206f\u3000\ufeff\uff01-\uff5e]"
)
_TEMPLATE = re.compile(r"\{\{|\{%|\{#|\$\{|<%")


def read(text: str, dialect: Dialect) -> Reading:
    """Take a text apart. Never raises; what could not be read ends the tokens, and is a reason."""
    reading = Reading()
    tokens, match, position, end = reading.tokens, _pattern(dialect).match, 0, len(text)
    while position < end:
        found = match(text, position)
        if found is None or found.end() == position:
            _symbol(text, position, reading)
            position += 1
            continue
        kind, position = found.lastgroup, found.end()
        if kind == "word":
            word = found["word"]
            reading.reasons |= _doubtful(word, dialect)
            tokens.append(Token(Kind.WORD, word, word.upper(), position - len(word), position))
        elif kind == "sign":
            sign = found["sign"]
            tokens.append(Token(Kind.SYMBOL, sign, sign, position - 1, position))
        elif kind == "comment":
            position = _after_comment(text, found, dialect, reading)
        elif kind == "q":
            position = _after_q(text, found, reading)
        elif kind == "name":
            tokens.append(Token(Kind.NAME, _unquoted(found["name"]), '"', found.start("name"), position))
        elif kind == "text":
            _string(text, found, dialect, reading)
        elif kind == "open":
            reading.reasons.add("unterminated")
        if len(tokens) > MAX_TOKENS:
            reading.reasons.add("too_long")
        if reading.reasons & _ENDS:
            break
    return reading


def _doubtful(word: str, dialect: Dialect) -> set[str]:
    """Where `1$x$` ends depends on the server's version."""
    return {"mode_dependent"} if dialect.dollar and "$" in word and word[0].isdigit() else set()


def _after_q(text: str, found: re.Match[str], reading: Reading) -> int:
    """Where Oracle's `q'[...]'` ends."""
    opening = text[found.end() - 1]
    closed = text.find(_CLOSING.get(opening, opening) + "'", found.end())
    if closed < 0:
        reading.reasons.add("unterminated")
        return len(text)
    reading.tokens.append(Token(Kind.TEXT, text[found.start("q") : closed + 2], '"', found.start("q"), closed + 2))
    return closed + 2


def _symbol(text: str, position: int, reading: Reading) -> None:
    sign = text[position]
    if _CONFUSABLE.match(sign):
        reading.reasons.add("control_char")
    elif _TEMPLATE.match(text, position):
        reading.reasons.add("template")
    reading.tokens.append(Token(Kind.SYMBOL, sign, sign, position, position + 1))


def _after_comment(text: str, found: re.Match[str], dialect: Dialect, reading: Reading) -> int:
    """Where the text goes on."""
    opened = found["comment"]
    if not opened.startswith("/*"):
        if "\r" in opened.rstrip("\r") and dialect.name in ("tsql", "snowflake", "bigquery", "oracle"):  # nobody has tried
            reading.reasons.add("carriage_return")
        return found.end()
    if dialect.executable and text[found.end() : found.end() + 2].lstrip("M").startswith("!"):
        reading.reasons.add("exec_comment")
    position, depth = found.end(), 1
    while depth:
        mark = _NESTED.search(text, position)
        if mark is None:
            reading.reasons.update(() if dialect.open_ended else ("unterminated",))
            return len(text)
        if mark.group() == "*/":
            depth -= 1
        elif dialect.nested:
            depth += 1
            reading.reasons.add("nested_comment")
        position = mark.end() if mark.group() == "*/" or dialect.nested else mark.start() + 1
    return position


def _string(text: str, found: re.Match[str], dialect: Dialect, reading: Reading) -> None:
    written, before, start = found["text"], reading.tokens[-1] if reading.tokens else None, found.start("text")
    if (
        dialect.escape_strings
        and "\\" in written
        and written[0] == "'"
        and before is not None
        and before.kind is Kind.TEXT
        and before.text[0] in "eE"
        and not text[before.end : start].strip()
    ):
        reading.reasons.add("mode_dependent")  # goes on with the escapes of the string before it
    reading.tokens.append(Token(Kind.TEXT, written, '"', start, found.end()))


def _unquoted(quoted: str) -> str:
    if quoted[0] in "uU" and quoted[1] == "&":
        return _from_unicode(quoted[3:-1])
    closing = quoted[-1]
    return quoted[1:-1].replace(closing * 2, closing)


def _from_unicode(text: str) -> str:
    return re.sub(r"\\(?:\+([0-9A-Fa-f]{6})|([0-9A-Fa-f]{4}))", lambda each: chr(int(each[1] or each[2], 16) % 0x110000), text)


@lru_cache(maxsize=16)
def _pattern(dialect: Dialect) -> re.Pattern[str]:
    texts, openers = [], []
    if dialect.triple:
        texts += [r"(?:[rRbB]{0,2})" + f"{q * 3}(?:[^{q}\\\\]|\\\\.|{q}(?!{q * 2}))*{q * 3}" for q in "'\""]
    for quote in dialect.texts:
        prefix = r"[rRbB]{0,2}" if dialect.triple else _PREFIXES
        inside = f"(?:[^{quote}\\\\]|{quote}{quote}|\\\\.)*" if dialect.backslash else f"(?:[^{quote}]|{quote}{quote})*"
        if dialect.triple:
            inside = f"(?:[^{quote}\\\\\n]|\\\\.)*"
        if dialect.escape_strings:
            texts.append(rf"[eE]{quote}(?:[^{quote}\\]|{quote}{quote}|\\.)*{quote}")
            prefix = f"(?:[uU]&|{_PREFIXES})"
        texts.append(f"{prefix}{quote}{inside}{quote}")
        openers.append(quote)
    if dialect.dollar:
        tag = r"(?:[^\W\d]\w*)?" if dialect.dollar == "tagged" else ""
        texts.append(rf"\$(?P<tag>{tag})\$.*?\$(?P=tag)\$")
        openers.append(rf"\${tag}\$")
    names = []
    for pair in dialect.names:
        opening, closing = pair[0], pair[1]
        o, c = re.escape(opening), re.escape(closing)
        unicode = "(?:[uU]&)?" if opening == '"' and (dialect.escape_strings or dialect.quoted) else ""
        inside = rf"(?:[^{c}\\]|\\.)*" if dialect.triple else f"(?:[^{c}]|{c}{c})*"
        names.append(f"{unicode}{o}{inside}{c}")
        openers.append(o)
    line_end = r"[^\r\n]*" if dialect.return_ends else r"[^\n]*"
    comments = [
        (r"--(?=[\s\x00-\x1f]|$)" if dialect.executable and mark == "--" else re.escape(mark)) + line_end
        for mark in dialect.comment.split("|")
    ]
    parts = [
        r"(?P<sign>[(),;=.*+<>|!&~^:?\])}](?<!/))",
        f"(?P<comment>{'|'.join(comments)}|/\\*)",
        r"(?P<q>[nN]?[qQ]'.)" if dialect.quoted else None,
        f"(?P<text>{'|'.join(texts)})",
        f"(?P<name>{'|'.join(names)})",
        rf"(?P<word>[\w{re.escape(dialect.in_names.replace('$', ''))}][\w{re.escape(dialect.in_names)}]*)",
        f"(?P<open>{'|'.join(openers)})",
    ]
    return re.compile(f"[{_BLANK}]*+(?:{'|'.join(part for part in parts if part)})?", re.DOTALL)
