"""From a text to what is found in it: apart into statements, each to the parser or to the words, all added up."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from toolguard.canonical import digest
from toolguard.classify.sql import command, query
from toolguard.classify.sql.found import Found
from toolguard.classify.sql.lexer import Kind, read
from toolguard.classify.sql.parse import MAX_LENGTH, Unreadable, tree
from toolguard.classify.sql.plain import plainly
from toolguard.classify.sql.words import QUERY_WORDS, ROW_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolguard.classify.sql.dialects import Dialect
    from toolguard.classify.sql.lexer import Token

MAX_DEPTH = 4  # statements inside statements, such as EXPLAIN ANALYZE EXECUTE
MAX_STATEMENTS = 200
_EXECUTABLE = re.compile(r"/\*M?!(\d{5,6})?")
_CLIENT = re.compile(r"^\s*(\\[A-Za-z!]|\.[A-Za-z]+\b|delimiter\b)", re.IGNORECASE | re.MULTILINE)
_TRANSACTION = frozenset(
    (
        "",
        ";",
        "TRAN",
        "TRANSACTION",
        "WORK",
        "IMMEDIATE",
        "EXCLUSIVE",
        "DEFERRED",
        "CONCURRENT",
        "ISOLATION",
        "READ",
        "NOT",
        "DISTRIBUTED",
    )
)
_PROCEDURAL = frozenset(("IF", "WHILE", "LOOP", "FOR", "REPEAT", "CASE", "BEGIN"))
_STARTS_T_SQL = frozenset(
    (
        "INSERT UPDATE DELETE DROP EXEC EXECUTE TRUNCATE MERGE ALTER CREATE GRANT REVOKE DENY BACKUP RESTORE SHUTDOWN KILL "
        "DBCC WAITFOR BULK RECONFIGURE DECLARE"
    ).split()
)
_CONTINUES = frozenset(("UNION", "ALL", "EXCEPT", "INTERSECT", "AS", "(", "THEN", "INTO", ")", "ELSE"))
_BODY = frozenset(("BEGIN", "THEN", "ELSE", "LOOP", "DO", ";", "REPEAT", "AS", "IS"))
# What says that an unreadable statement writes, or worse.
_WRITE_VERBS = {
    "DELETE": ("write", True),
    "UPDATE": ("write", False),
    "INSERT": ("write", False),
    "MERGE": ("write", False),
    "REPLACE": ("write", True),
    "TRUNCATE": ("write", True),
    "DROP": ("ddl", True),
    "ALTER": ("ddl", False),
    "CREATE": ("ddl", False),
    "GRANT": ("privileges", False),
    "REVOKE": ("privileges", False),
    "OUTFILE": ("file_write", False),
    "DUMPFILE": ("file_write", False),
    "PROGRAM": ("exec", True),
    "EXEC": ("dynamic", True),
    "EXECUTE": ("dynamic", True),
    "CALL": ("dynamic", True),
}


def look(text: str, dialect: Dialect) -> Found:
    """All that a text does when a server of this dialect runs it; where servers differ, the worse of their readings."""
    if len(text) > MAX_LENGTH:
        found = Found(["unknown"])
        found.opaque("too_long")
        return found
    found = _reading(text, dialect)
    for reason, otherwise in _other_readings(text, dialect, found):
        other = _reading(*otherwise)
        found.add(other, kinds=False)
        if len(other.kinds) > len(found.kinds) or found.kinds == ["unknown"]:
            found.kinds = other.kinds
        found.reasons.add(reason)
        found.ambiguous = True
    return found


def _other_readings(text: str, dialect: Dialect, found: Found) -> Iterator[tuple[str, tuple[str, Dialect]]]:
    """How else servers of this dialect may read the text, with the reason's code."""
    if "exec_comment" in found.reasons:  # for some servers it is code
        yield "exec_comment", (_EXECUTABLE.sub(lambda each: " " * len(each.group()), text).replace("*/", "  "), dialect)
    if dialect.name == "mysql" and ("\\'" in text or '\\"' in text):  # NO_BACKSLASH_ESCAPES: the strings may end elsewhere
        without = replace(dialect, backslash=False)
        if "unterminated" not in read(text, without).reasons:
            yield "mode_dependent", (text, without)


def _reading(text: str, dialect: Dialect) -> Found:
    found = Found()
    reading = read(text, dialect)
    found.reasons |= reading.reasons
    found.fingerprint = fingerprint(reading.tokens)
    for reason in reading.reasons & {"unterminated", "too_long"}:
        found.opaque(reason)
    for reason in reading.reasons & {"control_char", "template", "carriage_return", "mode_dependent"}:
        found.unclear(reason)
    if _CLIENT.search(text) and (not reading.tokens or reading.tokens[0].upper in ("\\", ".", "DELIMITER")):
        found.unclear("client_command")
        found.opaque("client_command")
    statements = split(reading.tokens, text, dialect)
    if len(statements) > MAX_STATEMENTS:
        found.opaque("too_long")
    for tokens in statements[:MAX_STATEMENTS]:
        found.add(statement(tokens, text, dialect))
    if not found.kinds:
        found.opaque("no_statement")
    return found


def statement(tokens: list[Token], text: str, dialect: Dialect, depth: int = 0) -> Found:
    """What one statement does."""
    found = Found()

    def inner(inside: list[Token]) -> Found:
        if depth >= MAX_DEPTH or not inside:
            empty = Found()
            empty.opaque("opaque_tail")
            return empty
        return statement(inside, text, dialect, depth + 1)

    first = tokens[0].upper
    if _is_block(tokens, dialect):
        _block(tokens, found, inner, dialect)
    elif first in QUERY_WORDS or first in ROW_WORDS:
        _rows(tokens, text, dialect, found)
    elif dialect.name == "tsql" and first not in command.FIRST_WORDS:
        found.kinds.append("execute")  # a procedure's name alone runs it
        found.does("dynamic", destroys=True)
        found.reasons.add("bare_procedure")
        found.complete = False
    else:
        command.look(tokens, dialect.name, found, inner)
        query.call_functions(
            tokens, dialect.name, found, unknown=found.effects <= {"read"} and first in command.WITH_EXPRESSIONS
        )
    return found


def _rows(tokens: list[Token], text: str, dialect: Dialect, found: Found) -> None:
    start = tokens[0].start
    at_zero = tokens if not start else [token._replace(start=token.start - start, end=token.end - start) for token in tokens]
    written, at_zero = plainly(text[start : tokens[-1].end], at_zero, dialect.name)
    try:
        root = tree(written, at_zero, dialect)
    except Unreadable as why:
        _by_verbs(tokens, str(why), dialect, found)
        return
    query.look(root, at_zero, dialect.name, found)
    if tokens[0].upper == "REPLACE":
        found.kinds[-1] = "replace"
        found.does(destroys=True)


def _by_verbs(tokens: list[Token], why: str, dialect: Dialect, found: Found) -> None:
    """What the words alone say of a statement that was not read."""
    first = tokens[0].upper
    found.opaque(why)
    found.kinds.append(
        {"(": "select", "WITH": "select", "VALUES": "select", "TABLE": "select", "FROM": "select"}.get(first, first.lower())
    )
    for token in tokens:
        if token.kind is Kind.WORD and token.upper in _WRITE_VERBS:
            effect, destroys = _WRITE_VERBS[token.upper]
            found.does(effect, destroys=destroys)
            if found.kinds[-1] == "select" and first == "WITH" and token.upper in ROW_WORDS:
                found.kinds[-1] = token.upper.lower()
    if {"write"} & found.effects and not any(token.upper == "WHERE" for token in tokens) and first != "INSERT":
        found.bounds.add("none")
    query.call_functions(tokens, dialect.name, found)


# -- blocks ----------------------------------------------------------------------------------------------------------------


def _is_block(tokens: list[Token], dialect: Dialect) -> bool:
    first, second = tokens[0].upper, tokens[1].upper if len(tokens) > 1 else ""
    if first == "BEGIN":
        return second not in _TRANSACTION
    if first == "DECLARE":
        return dialect.name == "oracle" or any(token.upper == "BEGIN" for token in tokens)
    return first in _PROCEDURAL and dialect.name not in ("postgres", "redshift", "sqlite", "duckdb")


def _block(tokens: list[Token], found: Found, inner: Callable[[list[Token]], Found], dialect: Dialect) -> None:
    first = tokens[0].upper
    found.kinds.append("block" if first in ("BEGIN", "DECLARE") else first.lower())
    found.does(destroys=True)
    if first in ("BEGIN", "DECLARE"):
        found.does("dynamic")
    starts = [0]
    starts += [place + 1 for place, token in enumerate(tokens) if token.upper in _BODY]
    if dialect.name == "tsql":
        starts += [place for place, token in enumerate(tokens) if token.upper in _STARTS_T_SQL]
    for begin in sorted(set(starts)):
        if begin < len(tokens) and tokens[begin].upper in ROW_WORDS | {"TRUNCATE", "DROP", "SELECT", "EXECUTE", "EXEC"}:
            end = next((place for place in range(begin, len(tokens)) if tokens[place].upper in (";", "END")), len(tokens))
            found.add(inner(tokens[begin:end]), kinds=False)
    found.reasons.add("block")
    found.parsed = False


def split(tokens: list[Token], text: str, dialect: Dialect) -> list[list[Token]]:
    """The statements of a text: at `;`, at the separators of a dialect's clients, and in T-SQL wherever one begins."""
    statements: list[list[Token]] = [[]]
    depth, routine, parens = 0, False, 0
    for place, token in enumerate(tokens):
        now, word = statements[-1], token.upper
        if _is_separator(token, text, dialect):
            statements.append([])
            depth, routine, parens = 0, False, 0
            continue
        if word == ";" and depth <= 0:
            statements.append([])
            depth, routine, parens = 0, False, 0
            continue
        if dialect.name == "tsql" and not parens and not depth and now and _begins_another(token, now):
            statements.append([])
            now, routine = statements[-1], False
        now.append(token)
        parens += (word == "(") - (word == ")")
        if len(now) == 1:
            routine = False
        if token.kind is Kind.WORD:
            routine |= now[0].upper == "CREATE" and word in (
                "FUNCTION",
                "PROCEDURE",
                "PROC",
                "TRIGGER",
                "PACKAGE",
                "EVENT",
                "TASK",
            )
            depth += _opens(place, tokens, now, dialect, routine=routine)
    return [each for each in statements if each]


def _opens(place: int, tokens: list[Token], now: list[Token], dialect: Dialect, *, routine: bool) -> int:
    """How much deeper in blocks the text is behind this word."""
    word = tokens[place].upper
    following = tokens[place + 1].upper if place + 1 < len(tokens) else ""
    first = now[0].upper
    procedural = (
        routine
        or first in ("BEGIN", "DECLARE")
        or (first in _PROCEDURAL and dialect.name not in ("postgres", "sqlite", "duckdb"))
    )
    if not procedural:
        return 0
    if word == "BEGIN" and (len(now) > 1 or following not in _TRANSACTION):
        return 1
    if word == "DECLARE" and len(now) == 1 and dialect.name == "oracle":
        return 1  # up to its BEGIN ... END, which ends both
    if word == "CASE" and (len(now) < 2 or now[-2].upper != "END"):  # noqa: PLR2004
        return 1
    if word in ("IF", "WHILE", "LOOP", "FOR", "REPEAT") and len(now) == 1 and dialect.name != "tsql":
        return 1
    if word == "END":
        matches = following not in ("IF", "WHILE", "LOOP", "FOR", "REPEAT") or first == following
        return -(1 + (first == "DECLARE" and dialect.name == "oracle")) if matches else 0
    return 0


def _begins_another(token: Token, now: list[Token]) -> bool:
    """T-SQL needs no `;`: behind a whole query, a word that only begins statements begins one."""
    if token.kind is not Kind.WORD or now[0].upper not in (
        "SELECT",
        "SET",
        "PRINT",
        "USE",
        "DECLARE",
        "DROP",
        "DELETE",
        "UPDATE",
        "WITH",
    ):
        return False
    word, before = token.upper, now[-1].upper
    if before in (".", "@"):
        return False
    if now[0].upper == "WITH":
        return any(each.upper == "SELECT" for each in now) and word in _STARTS_T_SQL and before not in (")", ",")
    if word == "SELECT":
        return before not in _CONTINUES
    return word in _STARTS_T_SQL and (now[0].upper != "UPDATE" or word != "UPDATE")


def _is_separator(token: Token, text: str, dialect: Dialect) -> bool:
    """`GO` on a line of its own for T-SQL's clients, `/` for Oracle's."""
    if not ((dialect.name == "tsql" and token.upper == "GO") or (dialect.name == "oracle" and token.text == "/")):
        return False
    before = text.rfind("\n", 0, token.start) + 1
    after = text.find("\n", token.end)
    line = text[before : after if after >= 0 else len(text)].strip().rstrip(";").strip()
    return re.fullmatch(r"(?i)go(\s+\d+)?|/", line) is not None


def fingerprint(tokens: list[Token]) -> str:
    """16 hexadecimal digits over the words and signs, literals blanked."""
    parts = ("?" if each.kind is Kind.TEXT or each.text[:1].isdigit() else each.text if each.kind is Kind.NAME else each.upper
             for each in tokens)  # fmt: skip
    return digest("\x00".join(parts).encode("utf-8", "surrogatepass")).hex()[:16]
