"""The words of a statement, read from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.classify.sql.lexer import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.classify.sql.found import Found
    from toolguard.classify.sql.lexer import Token

QUERY_WORDS = frozenset(("SELECT", "WITH", "VALUES", "TABLE", "FROM", "(", "PIVOT", "UNPIVOT"))
ROW_WORDS = frozenset(("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "UPSERT"))


class Words:
    """The tokens of a statement, read from left to right. `inner` looks at a statement inside it."""

    def __init__(self, tokens: list[Token], dialect: str, inner: Callable[[list[Token]], Found]) -> None:
        self.tokens, self.dialect, self.inner, self.at = tokens, dialect, inner, 0

    def peek(self, ahead: int = 0) -> str:
        """The next word in upper case, `"` where something is quoted, empty at the end."""
        place = self.at + ahead
        return self.tokens[place].upper if place < len(self.tokens) else ""

    def take(self) -> str:
        """The next word, gone past."""
        word = self.peek()
        self.at += 1
        return word

    def skip(self, *phrases: str) -> bool:
        """Go past the words of one of these phrases, if they come next."""
        for phrase in phrases:
            words = phrase.split()
            if all(self.peek(ahead) == word for ahead, word in enumerate(words)):
                self.at += len(words)
                return True
        return False

    def name(self) -> str:
        """A name with its schema, in lower case; empty where none comes next."""
        parts = []
        while self.at < len(self.tokens) and self.tokens[self.at].kind in (Kind.WORD, Kind.NAME):
            parts.append(self.tokens[self.at].text.lower())
            self.at += 1
            if self.peek() != ".":
                break
            while self.peek() == ".":  # `database..table`
                self.at += 1
        return ".".join(parts)

    def names(self) -> list[str]:
        """Names with commas between."""
        found = [self.name()]
        while self.skip(","):
            found.append(self.name())
        return [each for each in found if each]

    def past_parentheses(self) -> bool:
        """Go past `( ... )`, if it comes next."""
        if self.peek() != "(":
            return False
        depth = 0
        while self.at < len(self.tokens):
            word = self.take()
            depth += (word == "(") - (word == ")")
            if not depth:
                break
        return True

    @property
    def rest(self) -> list[Token]:
        """What has not been read."""
        return self.tokens[self.at :]

    def has(self, *words: str) -> bool:
        """One of the words is somewhere in what has not been read."""
        wanted = set(words)
        return any(token.kind is Kind.WORD and token.upper in wanted for token in self.rest)

    def after(self, *words: str) -> bool:
        """Go past the first of these words at the top level; stays where it is if there is none."""
        depth = 0
        for place in range(self.at, len(self.tokens)):
            word = self.tokens[place].upper
            depth += (word == "(") - (word == ")")
            if depth == 0 and word in words and self.tokens[place].kind is Kind.WORD:
                self.at = place + 1
                return True
        return False
