"""A walk over a command as bash would take it, with nothing run: variables, functions, the working directory, pipes.

What is not known stays unknown. Whatever bash may run is judged, whichever branch it stands in.
"""

from __future__ import annotations

import posixpath
import re
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolguard.classify.shell.lists import Step, behind_a_heredoc, pipelines
from toolguard.classify.shell.tree import CARRIAGE_RETURN, Opaque, tree
from toolguard.classify.shell.words import UNKNOWN, Piece, Word, ansi_text, unescaped, unescaped_in_quotes, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tree_sitter import Node

MAX_COMMANDS = 400
MAX_STEPS = 4000  # nodes of the tree, each time that one is looked at
MAX_NESTED = 10  # texts inside texts: bash -c, eval, functions
MAX_TURNS = 12  # of a loop over words that are known
MAX_FOLDERS = 8  # that a command may run in

_TEMPORARY_NAMES = re.compile(r"TMP|TEMP|SCRATCH", re.IGNORECASE)
_GIVEN_BY_THE_ENVIRONMENT = {
    "SHELL": "bash",
    "BASH": "bash",
    "PYTHON": "python3",
    "EDITOR": "vi",
    "PAGER": "less",
    "PERL": "perl",
}
_STOPS_AT_ERRORS = re.compile(r"set -\w*e\w*( -\w+| pipefail)*")
_SUBSCRIPT_THAT_RUNS = re.compile(r"\[[^\]]*(\$\(|`)")


@dataclass(frozen=True, slots=True)
class Feed:
    """What comes through a pipe or a substitution: the text where it is known, and where it comes from."""

    text: str | None = None
    origin: str = ""
    sensitive: bool = False


@dataclass(slots=True)
class Redirect:
    """`> file` and its kin; `operator` without the descriptor."""

    operator: str
    target: Word


@dataclass(slots=True)
class Scope:
    """What a shell remembers. Subshells get a copy."""

    cwd: str | None
    home: str | None
    elsewhere: frozenset[str | None] = frozenset()
    """Where else it may be: a `cd` can fail, and a branch be skipped."""
    failed: frozenset[str | None] = frozenset()
    """Where it is if what was read last has failed."""
    pushed: tuple[str | None, ...] = ()
    """Where `popd` leads, as long as that is certain."""
    variables: dict[str, list[Word] | None] = field(default_factory=dict)
    functions: dict[str, Node] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    arguments: list[Word] | None = None
    remote: str = ""
    root: bool = False

    def inside(self) -> Scope:
        """A copy that a subshell may change."""
        made = copy(self)
        made.variables, made.functions, made.aliases = dict(self.variables), dict(self.functions), dict(self.aliases)
        return made

    @property
    def folders(self) -> frozenset[str | None]:
        """All that it may be in."""
        return self.elsewhere | {self.cwd}

    def standing_in(self, folders: frozenset[str | None]) -> Scope:
        """The same shell in other folders: what one remembers, the other does."""
        made = copy(self)
        made.cwd = self.cwd if self.cwd in folders else next(iter(folders), None)
        made.elsewhere, made.pushed = folders - {made.cwd}, ()
        return made

    def may_be_in(self, folders: frozenset[str | None]) -> None:
        """Add to them.

        Raises:
            Opaque: they are too many.
        """
        if folders <= self.folders:
            return
        self.elsewhere = (self.elsewhere | folders) - {self.cwd}
        self.pushed = ()
        if len(self.elsewhere) >= MAX_FOLDERS:
            raise Opaque("too_many_folders")

    def absolute(self, path: str) -> str | None:
        """The path from the root; None where the working directory is not known."""
        if path.startswith("/"):
            return posixpath.normpath(path)
        return posixpath.normpath(posixpath.join(self.cwd, path)) if self.cwd else None


@dataclass(slots=True)
class Invocation:
    """One program as it is started: `words` begin with its name."""

    words: list[Word]
    scope: Scope
    feed: Feed | None = None
    redirects: list[Redirect] = field(default_factory=list)
    assignments: dict[str, Word] = field(default_factory=dict)
    via: str = "top"


class Reader:
    """Walks over texts; `judge` is told each invocation and says what it puts out."""

    def __init__(self, judge: Callable[[Invocation, Reader], Feed]) -> None:
        self.judge = judge
        self.commands = self.steps = 0
        self.nested = 0
        self.trouble: set[str] = set()
        self.subscripts = False
        self.stops_at_errors = False

    def text(self, text: str, scope: Scope, feed: Feed | None = None, via: str = "top") -> Feed:
        """Walk over a text in a scope; returns what it puts out, as far as that is known."""
        self.nested += 1
        try:
            return self.run(tree(text), scope, feed, via) if self.nested <= MAX_NESTED else self.too_deep()
        except Opaque as why:
            self.trouble.add(str(why))
            return Feed()
        finally:
            self.nested -= 1

    def too_deep(self) -> Feed:
        """Texts inside texts, without an end."""
        self.trouble.add("too_deep")
        return Feed()

    # -- statements ------------------------------------------------------------------------------------------------------

    def run(self, node: Node, scope: Scope, feed: Feed | None, via: str) -> Feed:
        """Walk over one node; returns what it puts out."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Opaque("too_long")
        before = scope.failed = scope.folders
        out = _HANDLERS.get(node.type, Reader.each)(self, node, scope, feed, via)
        if node.type in _MAY_BE_SKIPPED and scope.folders != before:
            scope.may_be_in(before | {None} if node.type in _REPEATED else before)
            scope.failed = scope.folders
        return out

    def each(self, node: Node, scope: Scope, feed: Feed | None, via: str) -> Feed:
        """Walk over the children, one after the other."""
        out: Feed | None = None
        for child in node.named_children:
            if child.type not in ("comment", "heredoc_redirect", "file_redirect", "herestring_redirect"):
                made = self.statement(child, scope, feed, via)
                out = made if out is None else _both(out, made)
        scope.failed |= scope.folders
        return out or Feed("")

    def statement(self, node: Node, scope: Scope, feed: Feed | None, via: str) -> Feed:
        """Walk over one of several that follow each other, whether it fails or not."""
        if node.next_sibling is not None and node.next_sibling.type == "&":
            return self.run(node, scope.inside(), feed, via)
        out = self.run(node, scope, feed, via)
        on_top = self.nested == 1 and node.type == "command" and node.parent is not None and node.parent.type == "program"
        if not (on_top and self.stops_at_errors):
            scope.may_be_in(scope.failed)
        if on_top and self.commands == 1 and _STOPS_AT_ERRORS.fullmatch(_of(node)) and "set" not in scope.functions:
            self.stops_at_errors = True
        return out

    def chain(self, node: Node, scope: Scope, feed: Feed | None, via: str) -> Feed:
        """`a && b`, where b runs in the folders that a has led to; `a || b`, where it runs in those that a has failed in."""
        out: Feed | None = None
        for operator, steps in pipelines(node):
            failed = scope.failed if out is not None else frozenset()
            right = scope.standing_in(failed) if operator == "||" else scope
            made = self.pipeline(steps, right, feed, via)
            if operator == "||":
                exits = _exits(steps[-1].node, scope)
                scope.failed = frozenset() if exits else right.failed
                scope.may_be_in(frozenset() if exits else right.folders)
            else:
                scope.failed |= failed
            out = made if out is None else _both(out, made)
        return out or Feed()

    def pipeline(self, steps: list[Step], scope: Scope, feed: Feed | None, via: str) -> Feed:
        """Where there are several, each is a subshell, and gets what the one before puts out."""
        if len(steps) == 1:
            return self.step(steps[0], scope, feed, via)
        now = feed
        for step in steps:
            now = self.step(step, scope.inside(), now, via)
        scope.failed = scope.folders
        return now or Feed()

    def step(self, step: Step, scope: Scope, feed: Feed | None, via: str) -> Feed:
        """A statement with its redirections, which may feed it, and hold substitutions of their own."""
        redirects: list[Redirect] = []
        for holder in step.redirected:
            more, fed = self.redirects(holder, scope, via)
            redirects, feed = redirects + more, fed or feed
        node, out = step.node, Feed()
        if node is None:
            out = self.command_of([], scope, feed, redirects=redirects, via=via)
        elif node.type == "command":
            behind = [word for holder in step.redirected for word in behind_a_heredoc(holder)[0]]
            out = self.command(node, scope, feed, via, outer=redirects, more=behind)
        else:
            out = self.run(node, scope, feed, via)
            if redirects:
                self.judge(Invocation([], scope, None, redirects, {}, "group"), self)
        return Feed() if any(each.operator.startswith(">") for each in redirects) else out

    def redirects(self, node: Node, scope: Scope, via: str) -> tuple[list[Redirect], Feed | None]:
        """The redirections below a node, and what they feed it."""
        found: list[Redirect] = []
        feed: Feed | None = None
        for child in node.children:
            if child.type == "file_redirect":
                operator = "".join(part.type for part in child.children if not part.is_named)
                for target in child.children_by_field_name("destination"):
                    words = self.words(target, scope, via)
                    found += [Redirect(operator, word) for word in words] or [Redirect(operator, Word("", known=False))]
                    if operator == "<" and target.type == "process_substitution":
                        feed = Feed(None, words[0].origin if words else "", sensitive=False)
                    elif operator == "<" and words:
                        feed = Feed(None, "file")
            elif child.type == "herestring_redirect":
                words = [word for part in child.named_children for word in self.words(part, scope, via)]
                feed = Feed(words[0].sure + "\n" if len(words) == 1 and words[0].sure is not None else None)
            elif child.type == "heredoc_redirect":
                feed = self.heredoc(child, scope, via)
                found += self.redirects(child, scope, via)[0]
        return found, feed

    def heredoc(self, node: Node, scope: Scope, via: str) -> Feed:
        """What a here-document feeds."""
        text: str | None = ""
        for child in node.named_children:
            if child.type == "heredoc_body":
                if child.named_child_count == 0:
                    text = _of(child)
                for part in child.named_children:
                    if part.type == "heredoc_content":
                        text = None if text is None else text + _of(part)
                    else:
                        pieces = self.pieces(part, scope, via)
                        known = all(piece.known for piece in pieces)
                        text = text + "".join(piece.text for piece in pieces) if known and text is not None else None
        return Feed(text)

    def subshell(self, node: Node, scope: Scope, feed: Feed | None, via: str) -> Feed:
        """`( ... )`."""
        return self.each(node, scope.inside(), feed, via)

    def function(self, node: Node, scope: Scope, _feed: Feed | None, _via: str) -> Feed:
        """A definition runs nothing; it is remembered."""
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            scope.functions[_of(name)] = body
        return Feed("")

    def assignment(self, node: Node, scope: Scope, _feed: Feed | None, via: str) -> Feed:
        """`name=value`, and `name=(a b)`."""
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is not None and name.type == "subscript":
            self.inside(name, scope, via)
        made = [Word("")]
        if value is not None and value.type == "array":
            made = [word for child in value.named_children for word in self.words(child, scope, via)]
        elif value is not None:
            made = self.words(value, scope, via) or [Word("")]
            if len(made) > 1:  # no fields are made here
                made = [Word(" ".join(word.text for word in made), known=all(word.known for word in made))]
        if name is not None:
            added = any(part.type == "+=" for part in node.children)
            scope.variables[_of(name).partition("[")[0]] = None if added else made
        return Feed("")

    def loop(self, node: Node, scope: Scope, feed: Feed | None, via: str) -> Feed:
        """`for name in words; do ...`: each word that is known has its turn."""
        name, body = node.child_by_field_name("variable"), node.child_by_field_name("body")
        words = [word for value in node.children_by_field_name("value") for word in self.words(value, scope, via)]
        for word in words[:MAX_TURNS] or [Word("", known=False)]:
            if name is not None:
                scope.variables[_of(name)] = [word]
            if body is not None:
                self.run(body, scope, feed, via)
        if len(words) > MAX_TURNS and name is not None and body is not None:
            scope.variables[_of(name)] = [Word("", known=False)]
            self.run(body, scope, feed, via)
        return Feed()

    def inside(self, node: Node, scope: Scope, via: str) -> Feed:
        """What runs inside of something that is itself no command: tests, arithmetic, patterns."""
        for child in node.named_children:
            if child.type in ("command_substitution", "process_substitution"):
                self.pieces(child, scope, via)
            elif child.type in ("raw_string", "word", "string") and _SUBSCRIPT_THAT_RUNS.search(_of(child)):
                self.subscripts = True
                self.inside(child, scope, via)
            elif child.type in _HANDLERS and child.type != "variable_assignment":
                self.run(child, scope, None, via)
            else:
                self.inside(child, scope, via)
        return Feed("")

    def arithmetic(self, node: Node, scope: Scope, via: str) -> None:
        """A variable's value is an expression here, and its subscript may run a command."""
        for name in re.findall(r"[A-Za-z_]\w*", _of(node)):
            value = scope.variables.get(name)
            if value and any("[" in word.text and ("$(" in word.text or "`" in word.text) for word in value):
                self.subscripts = True
        self.inside(node, scope, via)

    def declaration(self, node: Node, scope: Scope, feed: Feed | None, via: str) -> Feed:
        """`export`, `declare`, `local` and their kin."""
        for child in node.named_children:
            if child.type == "variable_assignment":
                self.assignment(child, scope, feed, via)
                name = child.child_by_field_name("name")
                value = scope.variables.get(_of(name)) if name is not None else None
                if name is not None and not _of(node).startswith(("local", "readonly")):
                    self.command_of(
                        [], scope, None, assigned={_of(name): value[0] if value else Word("", known=False)}, via=via
                    )
            else:
                self.inside(child, scope, via)
                if _SUBSCRIPT_THAT_RUNS.search(_of(child)):
                    self.subscripts = True
        return Feed("")

    # -- commands --------------------------------------------------------------------------------------------------------

    def command(
        self,
        node: Node,
        scope: Scope,
        feed: Feed | None,
        via: str,
        *,
        outer: Sequence[Redirect] = (),
        more: Sequence[Node] = (),
    ) -> Feed:
        """A simple command: its words (`more` of them), what stands before them, and what is redirected (`outer`, too)."""
        assigned: dict[str, Word] = {}
        words: list[Word] = []
        for child in (*node.children, *more):
            if child.type == "variable_assignment":
                inner = scope.inside()
                self.assignment(child, inner, feed, via)
                name = child.child_by_field_name("name")
                value = inner.variables.get(_of(name)) if name is not None else None
                assigned[_of(name) if name is not None else ""] = value[0] if value else Word("", known=False)
            elif child.type == "command_name":
                words += [word for part in child.named_children for word in self.words(part, scope, via)]
                if child.named_child_count == 0:
                    words.append(Word(_of(child)))
            elif child.is_named and child.type not in ("file_redirect", "heredoc_redirect", "herestring_redirect", "comment"):
                words += self.words(child, scope, via)
        redirects, fed = self.redirects(node, scope, via)
        return self.command_of(words, scope, fed or feed, redirects=[*outer, *redirects], assigned=assigned, via=via)

    def command_of(
        self,
        words: list[Word],
        scope: Scope,
        feed: Feed | None,
        *,
        via: str,
        redirects: list[Redirect] | None = None,
        assigned: dict[str, Word] | None = None,
    ) -> Feed:
        """Start a program, a function or an alias."""
        self.commands += 1
        if self.commands > MAX_COMMANDS:
            raise Opaque("too_long")
        name = words[0].sure if words else None
        if name is not None and name in scope.aliases and self.nested < MAX_NESTED:
            text, inner = scope.aliases[name], scope.inside()
            inner.aliases.pop(name)
            return self.text(" ".join([text, *(word.text for word in words[1:])]), inner, feed, "alias")
        if name is not None and name in scope.functions and self.nested < MAX_NESTED:
            body = scope.functions.pop(name)  # recursion is looked at once
            before, scope.arguments, began = scope.arguments, words[1:], scope.folders
            self.nested += 1
            out = self.run(body, scope, feed, "function")
            self.nested -= 1
            scope.arguments, scope.functions[name] = before, body
            scope.may_be_in(began)  # it may return at once
            scope.failed = scope.folders
            return out
        if name in ("set", "shopt"):
            self.stops_at_errors = False
        began = scope.folders
        elsewhere: frozenset[str | None] = frozenset()
        for folder in scope.elsewhere:
            inner = scope.standing_in(frozenset((folder,)))
            self.judge(Invocation(words, inner, feed, redirects or [], assigned or {}, via), self)
            elsewhere |= inner.folders
        scope.elsewhere = frozenset()
        out = self.judge(Invocation(words, scope, feed, redirects or [], assigned or {}, via), self)
        scope.may_be_in(elsewhere)
        scope.failed = began if name in _MOVES else began | scope.folders
        return out

    # -- words -----------------------------------------------------------------------------------------------------------

    def words(self, node: Node, scope: Scope, via: str) -> list[Word]:
        """The words that a node becomes."""
        if node.type in ("simple_expansion", "expansion") and (many := self.list_of(node, scope)) is not None:
            return list(many)
        if (
            node.type == "string"
            and node.named_child_count == 1
            and (many := self.list_of(node.named_children[0], scope)) is not None
        ):
            return list(many)
        separators = scope.variables.get("IFS")
        given = (separators[0].sure if separators else None) if separators is not None else " \t\n"
        return words_of(self.pieces(node, scope, via), scope.home, given if given is not None else " \t\n")

    def list_of(self, node: Node, scope: Scope) -> list[Word] | None:
        """What `$@`, `$*`, `${a[@]}` and `${a[*]}` become; None for anything else."""
        text = _of(node)
        if text in ("$@", "$*", "${@}", "${*}"):
            return scope.arguments if scope.arguments is not None else [Word("", known=False)]
        found = re.fullmatch(r"\$\{(\w+)\[[@*]\]\}", text)
        if found is None:
            return None
        value = scope.variables.get(found[1])
        return value if value is not None else [Word("", known=False)]

    def pieces(self, node: Node, scope: Scope, via: str, *, quoted: bool = False) -> list[Piece]:
        """The pieces of a word."""
        kind, text = node.type, _of(node)
        if kind in _LITERALS:
            return [_LITERALS[kind](text)]
        if kind in ("string", "translated_string"):
            return self.of_string(node, scope, via)
        if kind == "concatenation" or (kind in _BARE and node.named_child_count):
            children = node.children if kind == "concatenation" else node.named_children
            return [piece for child in children for piece in self.pieces(child, scope, via, quoted=quoted)]
        if kind in _BARE:
            return [Piece(unescaped(text), quoted=quoted or "\\" in text)]
        if kind in ("simple_expansion", "expansion", "command_substitution", "process_substitution"):
            return [self.expanded(node, scope, via, quoted=quoted)]
        if not node.is_named:
            return [Piece(text, quoted=quoted)] if text not in ('"', "'") else []
        if kind in ("arithmetic_expansion", "arithmetic"):
            self.arithmetic(node, scope, via)
            if re.fullmatch(r"[\s$()\d+*/%<>=&|^!~?:,.-]*", text):
                return [Piece("1", quoted=quoted, expanded=True)]
        else:
            self.inside(node, scope, via)
        return [UNKNOWN]

    def expanded(self, node: Node, scope: Scope, via: str, *, quoted: bool) -> Piece:
        """What an expansion puts into a word."""
        text = _of(node)
        if node.type == "simple_expansion":
            return self.variable(text[1:], scope, quoted=quoted)
        if node.type == "expansion":
            return self.expansion(node, scope, via, quoted=quoted)
        if node.type == "command_substitution":
            return self.substitution(node, scope, quoted=quoted)
        out = self.each(node, scope.inside(), None, "procsub")
        if text.startswith(">"):
            return Piece("/dev/null", quoted=True)
        return Piece("/dev/fd/63", quoted=True, known=False, origin=out.origin or "procsub")

    def of_string(self, node: Node, scope: Scope, via: str) -> list[Piece]:
        """The inside of double quotes: what lies between its nodes is text, too."""
        pieces: list[Piece] = []
        data, at, end = node.text or b"", 1, len(node.text or b"") - 1
        for child in node.named_children:
            start = child.start_byte - node.start_byte
            if start > at:
                pieces.append(Piece(unescaped_in_quotes(_text(data[at:start])), quoted=True))
            pieces += self.pieces(child, scope, via, quoted=True)
            at = child.end_byte - node.start_byte
        if at < end:
            pieces.append(Piece(unescaped_in_quotes(_text(data[at:end])), quoted=True))
        return pieces or [Piece("", quoted=True)]

    def substitution(self, node: Node, scope: Scope, *, quoted: bool) -> Piece:
        """What `$( ... )` puts out."""
        out = self.each(node, scope.inside(), None, "subst")
        text = None if out.text is None else out.text.rstrip("\n")
        return Piece(text or "", quoted=quoted, expanded=True, known=text is not None, origin=out.origin)

    def variable(self, name: str, scope: Scope, *, quoted: bool) -> Piece:
        """What a variable holds."""
        if name.isdigit() and name != "0" and scope.arguments is not None:
            place = int(name) - 1
            word = scope.arguments[place] if place < len(scope.arguments) else Word("")
            return _piece(word, quoted=quoted)
        if name in ("PWD", "HOME") and name not in scope.variables:
            value = scope.cwd if name == "PWD" else scope.home
            return Piece(value or "", quoted=quoted, expanded=True, known=value is not None)
        if name == "IFS" and name not in scope.variables:
            return Piece(" \t\n", quoted=quoted, expanded=True)
        value_words = scope.variables.get(name)
        if value_words:
            return _piece(value_words[0], quoted=quoted)
        if _TEMPORARY_NAMES.search(name) and name not in scope.variables:
            return Piece("/tmp/given", quoted=quoted, expanded=True, known=False, origin="temporary")  # noqa: S108
        given = _GIVEN_BY_THE_ENVIRONMENT.get(name)
        if given is not None and name not in scope.variables:
            return Piece(given, quoted=quoted, expanded=True)
        origin = "" if name in scope.variables or not name.isidentifier() or name.islower() else "environment_variable"
        return Piece("", quoted=quoted, expanded=True, known=False, origin=origin)

    def expansion(self, node: Node, scope: Scope, via: str, *, quoted: bool) -> Piece:
        """`${name}`, and of its forms those that are plain to see."""
        text = _of(node)
        self.inside(node, scope, via)
        found = re.fullmatch(r"\$\{(!?)([A-Za-z_]\w*|\d+)(.*)\}", text, re.DOTALL)
        if found is None:
            return Piece("", quoted=quoted, expanded=True, known=text.startswith("${#"))
        value = self.variable(found[2], scope, quoted=quoted)
        if found[1]:
            return self.variable(value.text, scope, quoted=quoted) if value.known and value.text else UNKNOWN
        return self.changed(value, found[3], node, scope, via)

    def changed(self, value: Piece, how: str, node: Node, scope: Scope, via: str) -> Piece:
        """`:-default`, `:1:2`, `,,`; anything else is not known."""
        if not how:
            return value
        default = re.match(r":?([-=+])", how)
        if default is not None:
            others = node.named_children[1:]
            given = [piece for child in others for piece in self.pieces(child, scope, via)]
            if default[1] != "+" and value.known and value.text:
                return value
            if default[1] != "+" and not value.known and value.origin != "temporary" and not given:
                return value
            if all(piece.known for piece in given):
                text = "".join(piece.text for piece in given)
                unset = not value.known and not value.text
                return Piece(text, quoted=value.quoted, expanded=True, known=unset or default[1] == "+", origin=value.origin)
            return UNKNOWN
        if not value.known:
            return value if value.text and how.startswith(("#", "%")) is False else UNKNOWN
        if part := re.fullmatch(r":(\d+)(?::(\d+))?", how):
            start = int(part[1])
            return Piece(value.text[start : start + int(part[2]) if part[2] else None], quoted=value.quoted, expanded=True)
        if how in (",,", ","):
            return Piece(value.text.lower(), quoted=value.quoted, expanded=True)
        if how in ("^^", "^"):
            return Piece(value.text.upper(), quoted=value.quoted, expanded=True)
        return Piece(value.text, quoted=value.quoted, expanded=True, known=False)


def _piece(word: Word, *, quoted: bool) -> Piece:
    return Piece(word.text, quoted=quoted, expanded=True, known=word.known, origin=word.origin, glob=word.glob)


_BARE = ("word", "number", "variable_name", "special_variable_name", "extglob_pattern", "regex")
_LITERALS: dict[str, Callable[[str], Piece]] = {
    "raw_string": lambda text: Piece(text[1:-1], quoted=True),
    "ansi_c_string": lambda text: Piece(ansi_text(text[2:-1]), quoted=True),
    "string_content": lambda text: Piece(unescaped_in_quotes(text), quoted=True),
    "brace_expression": Piece,
}


_MOVES = ("cd", "pushd", "popd")
_REPEATED = ("while_statement", "c_style_for_statement", "for_statement")
_MAY_BE_SKIPPED = (*_REPEATED, "if_statement", "elif_clause", "else_clause", "case_statement", "case_item")


def _exits(node: Node | None, scope: Scope) -> bool:
    """Whether nothing follows it, as behind `cd x || exit 1`."""
    while node is not None and node.type == "compound_statement" and node.named_child_count:
        node = node.named_children[-1]
    name = node.child_by_field_name("name") if node is not None and node.type == "command" else None
    return name is not None and _of(name) == "exit" and "exit" not in scope.functions and "exit" not in scope.aliases


def _both(one: Feed, other: Feed) -> Feed:
    text = one.text + other.text if one.text is not None and other.text is not None else None
    return Feed(text, one.origin or other.origin, one.sensitive or other.sensitive)


def _of(node: Node) -> str:
    return _text(node.text or b"")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass").replace(CARRIAGE_RETURN, "\r")


def _scan(reader: Reader, node: Node, scope: Scope, _feed: Feed | None, via: str) -> Feed:
    return reader.inside(node, scope, via)


_HANDLERS: dict[str, Callable[[Reader, Node, Scope, Feed | None, str], Feed]] = {
    "command": Reader.command,
    "list": Reader.chain,
    "pipeline": Reader.chain,
    "redirected_statement": Reader.chain,
    "subshell": Reader.subshell,
    "function_definition": Reader.function,
    "variable_assignment": Reader.assignment,
    "for_statement": Reader.loop,
    "declaration_command": Reader.declaration,
    "unset_command": Reader.declaration,
    "test_command": _scan,
    **dict.fromkeys(
        ("word", "string", "raw_string", "concatenation", "binary_expression", "unary_expression", "extglob_pattern", "number"),
        _scan,
    ),
}
