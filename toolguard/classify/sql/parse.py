"""From a statement's text to sqlglot's tree, where both lexers read the same words; bounded, whatever the text."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect as Grammar
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokenizer_core import TokenType

from toolguard.classify.sql.lexer import Kind, read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlglot.tokenizer_core import Token as Theirs

    from toolguard.classify.sql.dialects import Dialect
    from toolguard.classify.sql.lexer import Token

MAX_LENGTH = 100_000  # characters of a text; of 125,000 real statements the longest has 8,500
MAX_TOKENS = 2_500  # of one statement that is parsed: some 30 ms at worst
MAX_PARENS = 40  # `(` within each other: the parser recurses, and the compiled one would end the process
MAX_BRACKETS = 6  # `[`, and words such as ARRAY and CASE: reading them is exponential in some dialects
MAX_REPEATED = 25  # the same sign or word in a row, such as NOT NOT NOT
NODES_A_TOKEN = 12  # what a parser that goes back and forth may build; legitimate statements need fewer than 4

_WORDS = re.compile(r"\w+")
_HIDDEN = frozenset(
    (
        TokenType.STRING,
        TokenType.IDENTIFIER,
        TokenType.NATIONAL_STRING,
        TokenType.RAW_STRING,
        TokenType.HEREDOC_STRING,
        TokenType.UNICODE_STRING,
        TokenType.BYTE_STRING,
        TokenType.BIT_STRING,
        TokenType.HEX_STRING,
    )
)
_SIGNS = frozenset(
    (TokenType.COMMA, TokenType.L_PAREN, TokenType.R_PAREN, TokenType.DOT, TokenType.EQ, TokenType.STAR, TokenType.HINT)
)
_QUOTED = re.compile(r"\s*(?:[A-Za-z_0-9&]{0,12}['\"]|[`\[$])")
_NUMBER = re.compile(r"0[xXbB]\w")

# It says in the log what it did not understand: the log is no place for what a model writes.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)


class Unreadable(Exception):
    """There is no tree; the reason's code."""


def tree(text: str, tokens: list[Token], dialect: Dialect) -> exp.Expr:
    """One statement's tree.

    Raises:
        Unreadable: too large or too deep, no statement of the dialect, more than one, or read otherwise by the two lexers.
    """
    check_bounds(tokens)
    grammar = Grammar.get_or_raise(dialect.name)
    try:
        theirs = grammar.tokenize(text)
        if _skeleton_of(theirs, text, dialect) != _skeleton(tokens):
            raise Unreadable("lexer_disagree")
        parser = grammar.parser(error_level=ErrorLevel.IMMEDIATE, max_nodes=64 + NODES_A_TOKEN * len(theirs))
        found = [each for each in parser.parse(theirs, text) if each is not None and not isinstance(each, exp.Semicolon)]
    except (SqlglotError, ValueError, TypeError, AttributeError, KeyError, IndexError, AssertionError) as error:
        raise Unreadable("parse_error") from error
    except RecursionError as error:
        raise Unreadable("recursion") from error
    if len(found) != 1:
        raise Unreadable("implicit_boundary")
    return found[0]


def check_bounds(tokens: list[Token]) -> None:
    """Refuse what a recursive parser should not be given.

    Raises:
        Unreadable: too large or too deep.
    """
    if len(tokens) > MAX_TOKENS:
        raise Unreadable("too_long")
    parens = brackets = cases = repeated = 0
    before = ""
    for token in tokens:
        if token.kind not in _BOUNDED:
            before = ""
            continue
        sign = token.upper
        repeated = repeated + 1 if sign == before and sign not in "()" else 0
        before = sign
        if sign == "(":
            parens += 1
        elif sign == ")":
            parens -= 1
        elif sign in "[{":
            brackets += 1
        elif sign in "]}":
            brackets -= 1
        elif sign == "CASE":
            cases += 1
        elif sign == "END":
            cases = max(cases - 1, 0)
        if repeated > MAX_REPEATED or parens > MAX_PARENS or brackets > MAX_BRACKETS or cases > MAX_PARENS:
            raise Unreadable("too_deep")


_BOUNDED = {Kind.SYMBOL, Kind.WORD}


def _skeleton(tokens: Iterable[Token]) -> list[str]:
    """The words outside literals and quoted names."""
    words: list[str] = []
    for token in tokens:
        if token.kind is Kind.WORD:
            if token.text.isalnum():
                words.append(token.upper)
            else:
                words += _WORDS.findall(token.upper)
    return words


def _skeleton_of(theirs: list[Theirs], text: str, dialect: Dialect) -> list[str]:
    words: list[str] = []
    for token in theirs:
        written = text[token.start : token.end + 1]
        if token.token_type in _SIGNS:
            continue
        if token.token_type not in _HIDDEN or _NUMBER.match(written):
            words += _WORDS.findall(written.upper())
        elif token.token_type is TokenType.STRING and not _QUOTED.match(written):
            words += _skeleton(read(written, dialect).tokens)  # what follows a word that it does not know, as one string
    return words
