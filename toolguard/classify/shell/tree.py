"""The door to tree-sitter-bash: a text's tree, bounded, and only where everything that bash would run is in it."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING

from toolguard.classify.shell import second

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser

MAX_LENGTH = 20_000  # characters
MAX_NODES = 2_500  # of the tree; a script of a hundred lines has some 900
MAX_STEPS = 200  # of the parser, each a hundred of its operations; bounds what it does to recover from an error
MAX_DEPTH = 60  # brackets within each other
CARRIAGE_RETURN = "\ue00d"  # stands for "\r" in a tree: the grammar takes that for a blank, bash for a part of a word

_OPENS = re.compile(rb"\$\(|`|[<>]\(")
_LINE_END = re.compile(rb"(?<!\\)\n")
_QUOTED_START = re.compile(rb"<<-?\s*[^\n]*['\"\\]")
_COMMANDS = ("command_name", "declaration_command", "unset_command", "test_command")
_ON_ONE_LINE = (
    "command",
    "declaration_command",
    "unset_command",
    "redirected_statement",
    "negated_command",
    "list",
    "pipeline",
)
_GO_ON = ("&&", "||", "|", "|&")
_SUBSTITUTIONS = ("command_substitution", "process_substitution")


class Opaque(Exception):
    """The text cannot be read for certain; the reason's code."""


def tree(text: str) -> Node:
    """The root of the tree.

    Raises:
        Opaque: too long or too deep, no bash, or something in it that the tree leaves out.
    """
    if len(text) > MAX_LENGTH:
        raise Opaque("too_long")
    if "\x00" in text or CARRIAGE_RETURN in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise Opaque("control_char")
    text = re.sub(r"\\\s*$", "", text.replace("\r", CARRIAGE_RETURN))
    if "<<" not in text and "'" not in text:  # where neither could hold it as it is, a line goes on behind a backslash
        text = text.replace("\\\n", "")
    data = text.encode("utf-8", "surrogatepass")
    check_depth(data)
    root = _parse(data)
    if root.has_error:
        raise Opaque("parse_error")
    if root.descendant_count > MAX_NODES:
        raise Opaque("too_long")
    commands = _audit(root, data)
    _check_second(text, data, commands)
    return root


def _parse(data: bytes) -> Node:
    steps = count(1)
    try:
        tree = _parser().parse(lambda start, _point: data[start:], progress_callback=lambda *_: next(steps) > MAX_STEPS)
    except ValueError:
        raise Opaque("too_long") from None
    return tree.root_node


def _parser() -> Parser:
    """One for each text: another thread may run while this one is in its callback."""
    from tree_sitter import Parser  # noqa: PLC0415 - loaded when a policy first asks about a command

    return Parser(_language())


@lru_cache(maxsize=1)
def _language() -> Language:
    import tree_sitter  # noqa: PLC0415
    import tree_sitter_bash  # noqa: PLC0415

    return tree_sitter.Language(tree_sitter_bash.language())


def check_depth(data: bytes) -> None:
    """Refuse what would be too deep to walk.

    Raises:
        Opaque: it is.
    """
    depth = 0
    for sign in re.findall(rb"[({`)}]", data):
        depth += 1 if sign in (b"(", b"{", b"`") else -1 if depth else 0
        if depth > MAX_DEPTH:
            raise Opaque("too_deep")


def _audit(root: Node, data: bytes) -> list[Node]:
    """Every `$(`, backquote and `<(` of the text has to be the start of a node, or be quoted. Returns what starts a command."""
    commands: list[Node] = []
    starts: set[int] = set()
    quoted: list[tuple[int, int]] = []
    waiting = [(root, False)]
    while waiting:
        node, in_string = waiting.pop()
        if node.type == "comment" or (not in_string and node.type in ("raw_string", "ansi_c_string")):
            quoted.append((node.start_byte, node.end_byte))
            continue
        _check(node)
        if node.type in _COMMANDS:
            commands.append(node)
        if node.type in _SUBSTITUTIONS:
            starts.add(node.start_byte)
        elif node.type == "heredoc_redirect" and _QUOTED_START.match((node.text or b"").split(b"\n")[0]):
            quoted += [(each.start_byte, each.end_byte) for each in node.children if each.type.startswith("heredoc_")]
        in_string = node.type == "string" or (in_string and node.type not in _SUBSTITUTIONS)
        waiting.extend((child, in_string) for child in node.children)
    _check_openers(data, starts, quoted)
    return commands


def _check_second(text: str, data: bytes, commands: list[Node]) -> None:
    """Refuse a text in which another parser sees a program where none begins, here or by this name."""
    others = second.programs(text)
    if not others:
        return
    starts = {len(data[: node.start_byte].decode("utf-8", "replace")) for node in commands}
    names = Counter((node.text or b"").decode("utf-8", "replace") for node in commands)
    seen = Counter(name for _, name in others)
    if any(place not in starts and seen[name] > names[name] for place, name in others):
        raise Opaque("two_readings")


def _check(node: Node) -> None:
    """Refuse what the grammar reads otherwise than bash."""
    text = node.text or b""
    if node.type == "command_name":
        _check_name(node)
    elif node.type == "word" and _LINE_END.search(text):
        raise Opaque("line_end_in_word")
    elif node.type in _ON_ONE_LINE:
        _check_line(node)
    elif node.type in _SUBSTITUTIONS and text.startswith(b"`") and b"\\`" in text:
        raise Opaque("nested_backquotes")


def _check_line(node: Node) -> None:
    """The grammar takes the next line for more words at times; a line goes on behind a backslash or an operator only."""
    text = node.text or b""
    before = None
    for child in node.children:
        if before is not None:
            gap = text[before.end_byte - node.start_byte : child.start_byte - node.start_byte]
            if _LINE_END.search(gap) and before.type not in _GO_ON:
                raise Opaque("line_end_in_command")
        before = child if child.type != "comment" or before is None else before


def _check_openers(data: bytes, starts: set[int], quoted: list[tuple[int, int]]) -> None:
    in_backquotes = False
    quotes = _Ranges(quoted)
    for opened in _OPENS.finditer(data):
        place, sign = opened.start(), opened.group()
        if place in starts:
            in_backquotes = sign == b"`"
        elif _is_escaped(data, place) or place in quotes or data.startswith(b"$((", place):
            continue
        elif sign == b"`" and in_backquotes:
            in_backquotes = False
        else:
            raise Opaque("unseen_substitution")


class _Ranges:
    """Whether a place is in one of some ranges; asked for places that rise."""

    def __init__(self, ranges: list[tuple[int, int]]) -> None:
        self._left = sorted(ranges, reverse=True)
        self._end = 0

    def __contains__(self, place: int) -> bool:
        while self._left and self._left[-1][0] <= place:
            self._end = max(self._end, self._left.pop()[1])
        return place < self._end


_RESERVED = frozenset(
    b"if then else elif fi for while until do done case esac select function coproc time { } [[ ]] ! in".split()
)
_TAKE_COMMANDS = (b"time", b"coproc")


def _check_name(name: Node) -> None:
    """The grammar takes some reserved words for programs, and what they rule for their words."""
    if name.text not in _RESERVED:
        return
    rest = [each.text for each in name.parent.named_children if each.start_byte > name.start_byte] if name.parent else []
    if name.text not in _TAKE_COMMANDS or any(word in _RESERVED or (word or b"").startswith((b"(", b"{")) for word in rest[:3]):
        raise Opaque("reserved_word")


def _is_escaped(data: bytes, place: int) -> bool:
    before = place
    while before and data[before - 1 : before] == b"\\":
        before -= 1
    return (place - before) % 2 == 1
