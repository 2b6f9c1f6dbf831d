"""What the parser does not know, written as what it does know and means the same here: in place, nothing moves.

Placeholders (`%s`, `%(name)s`, `?1`) become `?`; words that change nothing for the facts (`LOW_PRIORITY`, `OR REPLACE` of an
UPDATE) become blanks; REPLACE becomes INSERT, and is remembered by the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.classify.sql.lexer import Kind

if TYPE_CHECKING:
    from toolguard.classify.sql.lexer import Token

_MODIFIERS = {
    "mysql": frozenset(("LOW_PRIORITY", "QUICK", "IGNORE", "DELAYED", "HIGH_PRIORITY")),
    "sqlite": frozenset(),
}
_MODIFIED = frozenset(("DELETE", "UPDATE", "INSERT", "REPLACE"))
_OPERANDS = (Kind.WORD, Kind.NAME, Kind.TEXT)
_KEYWORDS = frozenset(
    (
        "SELECT WHERE AND OR NOT IN BETWEEN LIKE ILIKE ON HAVING BY LIMIT OFFSET SET VALUES THEN ELSE WHEN IS CASE FROM "
        "DISTINCT RETURNING TOP INTERVAL ALL ANY"
    ).split()
)


def plainly(text: str, tokens: list[Token], dialect: str) -> tuple[str, list[Token]]:
    """The same statement, as long as before, and its tokens."""
    first = tokens[0]
    if first.upper not in _MODIFIED and "?" not in text and "%" not in text:
        return text, tokens
    signs, kept = list(text), []
    if first.upper == "REPLACE":
        signs[first.start : first.end] = "INSERT "
        tokens = [first._replace(text="INSERT", upper="INSERT"), *tokens[1:]]
    place = 0
    while place < len(tokens):
        token = tokens[place]
        length = _placeholder(tokens, place)
        if length:
            end = tokens[place + length - 1].end
            signs[token.start : end] = "?".ljust(end - token.start)
            kept.append(token._replace(kind=Kind.SYMBOL, text="?", upper="?", end=token.start + 1))
            place += length
        elif blanks := _modifier(tokens, place, dialect):
            for each in tokens[place : place + blanks]:
                signs[each.start : each.end] = " " * (each.end - each.start)
            place += blanks
        else:
            kept.append(token)
            place += 1
    return "".join(signs), kept


def _placeholder(tokens: list[Token], place: int) -> int:
    """How many tokens the placeholder that begins here has: 0 if there is none."""
    sign, following = tokens[place], tokens[place + 1 : place + 5]
    touching = bool(following) and following[0].start == sign.end
    if sign.text == "?" and touching and following[0].text.isdigit():
        return 2
    if sign.text != "%" or not touching or _is_operand(tokens[place - 1] if place else None):
        return 0
    if following[0].text == "s":
        return 2
    named = len(following) > 3 and following[0].text == "(" and following[2].text == ")" and following[3].text == "s"  # noqa: PLR2004
    return 5 if named else 0


def _is_operand(token: Token | None) -> bool:
    if token is None:
        return False
    return token.text == ")" or (token.kind in _OPERANDS and token.upper not in _KEYWORDS)


def _modifier(tokens: list[Token], place: int, dialect: str) -> int:
    first = tokens[0].upper
    if dialect == "mysql" and first in ("DELETE", "UPDATE", "INSERT", "REPLACE"):
        before = {each.upper for each in tokens[1:place]}
        return int(place > 0 and tokens[place].upper in _MODIFIERS["mysql"] and before <= _MODIFIERS["mysql"])
    if dialect == "sqlite" and first == "UPDATE" and place == 1 and tokens[1].upper == "OR":
        return 2
    return 0
