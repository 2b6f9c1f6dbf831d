"""Regular expressions as policies write them: RE2's, in linear time, without look-around and back-references."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = 32 * 1024 * 1024  # bytes that several patterns together may take; a hostile text fills them


@lru_cache(maxsize=4096)
def compile_pattern(text: str) -> Any:
    """The pattern compiled by RE2, imported when a policy first needs it.

    Raises:
        ValueError: RE2 refuses the pattern; says why.
    """
    return _compiled(text, None)


def literal(text: str) -> str:
    """The pattern that matches just this text."""
    import re2  # noqa: PLC0415 - as below

    return str(re2.escape(text))


class Places:
    r"""A pattern, or several, and where they match, for who asks for places rather than for an answer.

    Texts are handed over as bytes: re2's own places in a text that is not ASCII are wrong after a match of no length inside of
    a character (`\B`).
    """

    def __init__(self, *texts: str) -> None:
        """Raises ValueError where RE2 refuses a pattern, or all of them together as too large."""
        whole = "|".join(f"(?:{text})" for text in texts)
        self._compiled = _compiled(whole.encode(), MEMORY if len(texts) > 1 else None)

    def first(self, text: str, at: int) -> int | None:
        """Where the first match from `at` on begins."""
        data = _encoded(text)
        found = self._compiled.search(data, _bytes_of(text, at))
        if found is None:
            return None
        place: int = found.start()
        return place if text.isascii() else _length(data[:place]) - (data[place : place + 1] in _INSIDE and place < len(data))

    def begins(self, text: str, at: int) -> bool:
        """Whether there is a match just here."""
        return self._compiled.match(_encoded(text), _bytes_of(text, at)) is not None

    def all(self, text: str, at: int) -> Iterator[tuple[int, int]]:
        """(start, end) of every match that has a length, from `at` on; none overlaps with another."""
        data, done, characters = _encoded(text), _bytes_of(text, at), at
        plain = text.isascii()
        for found in self._compiled.finditer(data, done):
            start, end = found.span()
            if start == end:
                continue
            if not plain:
                characters += _length(data[done:start])
                start, done, characters = characters, end, characters + _length(data[start:end])
                end = characters
            yield start, end


_INSIDE = bytes(range(0x80, 0xC0))  # the bytes of a character behind its first


def _encoded(text: str) -> bytes:
    """A lone surrogate is no character, and no pattern matches it; all others have their places nevertheless."""
    return text.encode("utf-8", "surrogatepass")


def _bytes_of(text: str, at: int) -> int:
    return at if text.isascii() else len(_encoded(text[:at]))


def _length(data: bytes) -> int:
    """How many characters begin in it."""
    return len(data.translate(None, _INSIDE))


def _compiled(text: Any, memory: int | None) -> Any:
    import re2  # noqa: PLC0415 - `import toolguard` loads no engine that the policies do not use

    options = re2.Options()
    options.log_errors = False
    if memory is not None:
        options.max_mem = memory
    try:
        return re2.compile(text, options)
    except re2.error as refused:
        why = refused.args[0].decode() if isinstance(refused.args[0], bytes) else refused.args[0]
        raise ValueError(f"has to be an RE2 pattern: {why}") from None
