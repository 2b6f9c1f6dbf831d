"""What is known of programs: data, in `programs/*.yaml`, loaded when a command is first asked about.

Of a program, by its name:

    operands     what its operands are: read, write, delete, move, none, host, url ... ; `first` and `last` where those differ
    values       its options that take a value, each with what the value is (empty: nothing of interest)
    long         long options whose abbreviations count, beside those that rules name
    does         what it does whenever it runs; `unless`: but not with these options
    rules        what it does with certain subcommands, options and operands
    runs, skip   the rest of the words, after so many operands, is a command of its own
    home         what it is with another home folder than the user's
    patches      what it is fed, or given, is a patch, and names the files it writes
    like         the same as another program, but for the keys that are given
    examples     commands with what is destroyed by them; the tests run them
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.classify.shell.words import Word


@dataclass(slots=True)
class Arguments:
    """The words behind a program's name, told apart. An option's value is None where it takes none."""

    options: list[tuple[str, Word | None]] = field(default_factory=list)
    operands: list[Word] = field(default_factory=list)
    ended: bool = False
    """There was a `--`: `after` are the operands behind it."""
    after: list[Word] = field(default_factory=list)

    def has(self, *names: str) -> bool:
        """One of the options is given."""
        return any(name in names for name, _ in self.options)

    def values(self, name: str) -> Iterator[Word]:
        """The values of an option."""
        return (value for given, value in self.options if given == name and value is not None)


@lru_cache(maxsize=1)
def programs() -> dict[str, dict[str, Any]]:
    """Every program there is data about, by name."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted((files(__package__) / "programs").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".yaml"):
            found |= yaml.load(file.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return {name: _resolved(name, found) for name in found}


def _resolved(name: str, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    spec = found[name] or {}
    return (
        {**_resolved(spec["like"], found), **{key: value for key, value in spec.items() if key != "like"}}
        if "like" in spec
        else spec
    )


def spec_of(program: str) -> dict[str, Any] | None:
    """What is known of a program, under its name or one that differs in a version (`python3.12`, `mkfs.ext4`)."""
    known = programs()
    if program in known:
        return known[program]
    stem = re.sub(r"(?<=[a-zA-Z])-?\d+(\.\d+)*$", "", program)
    if stem in known:
        return known[stem]
    return known.get(program.partition(".")[0]) if program.startswith("mkfs.") else None


def told_apart(words: list[Word], spec: dict[str, Any], *, stop_at_operand: int | None = None) -> tuple[Arguments, list[Word]]:
    """Options, operands, and, with `stop_at_operand`, the words behind so many operands."""
    values: dict[str, Any] = spec.get("values") or {}
    known_long = {name for name in values if name.startswith("--")} | set(spec.get("long") or ()) | _named_in_rules(spec)
    arguments, place = Arguments(), 0
    while place < len(words):
        word, text = words[place], words[place].text
        place += 1
        if stop_at_operand is not None and len(arguments.operands) >= stop_at_operand and not text.startswith("-"):
            return arguments, words[place - 1 :]
        if text == "--" and word.known:
            arguments.ended = True
            arguments.after = words[place:]
            if stop_at_operand is not None:
                return arguments, words[place + max(stop_at_operand - len(arguments.operands), 0) :]
            arguments.operands += words[place:]
            break
        if text.startswith("--") and len(text) > 2:  # noqa: PLR2004
            place = _long(words, place, arguments, values, known_long)
        elif text in values and text.startswith(("-", "+")):
            place = _valued(text, words, place, arguments, str(values[text]))
        elif text.startswith("-") and len(text) > 1 and not text[1:].isdigit():
            place = _short(word, words, place, arguments, values)
        else:
            arguments.operands.append(word)
    return arguments, []


def _valued(name: str, words: list[Word], place: int, arguments: Arguments, role: str) -> int:
    first = arguments.operands[0].text if arguments.operands else ""
    if role == "0" or name in _FLAGS_OF.get(first, ()):
        arguments.options.append((name, None))
        return place
    count = int(role) if role.isdigit() else 1
    arguments.options.append((name, words[place] if place < len(words) else None))
    return place + count


# Subcommands in which a letter is a flag that takes a value elsewhere.
_FLAGS_OF = {
    "rm": ("-f", "-v", "-l"),
    "rmi": ("-f",),
    "prune": ("-f",),
    "down": ("-v",),
    "kill": (),
    "reset": ("-f",),
    "clean": ("-n", "-x", "-e"),
}


def _long(words: list[Word], place: int, arguments: Arguments, values: dict[str, Any], known: set[str]) -> int:
    word = words[place - 1]
    name, equals, value = word.text.partition("=")
    if name not in known:
        meant = [each for each in known if each.startswith(name)]
        name = meant[0] if len(meant) == 1 and len(name) > 3 else name  # noqa: PLR2004 - GNU and git take unique beginnings
    if equals:
        arguments.options.append((name, type(word)(value, word.known, word.glob, word.origin)))
        return place
    return _valued(name, words, place, arguments, str(values[name])) if name in values else _flag(name, arguments, place)


def _flag(name: str, arguments: Arguments, place: int) -> int:
    arguments.options.append((name, None))
    return place


def _short(word: Word, words: list[Word], place: int, arguments: Arguments, values: dict[str, Any]) -> int:
    """`-rf`, `-n5`, `-ofile`; some programs have long options with one dash (`-auto-approve`)."""
    text = word.text
    if re.fullmatch(r"-[A-Za-z][\w-]{2,}(=.*)?", text, re.DOTALL):
        name, equals, value = text.partition("=")
        arguments.options.append((name, type(word)(value, word.known, word.glob, word.origin) if equals else None))
    for at, sign in enumerate(text[1:], 1):
        name = f"-{sign}"
        role = values.get(name)
        first = arguments.operands[0].text if arguments.operands else ""
        if role is None or role == "0" or not sign.isalnum() or name in _FLAGS_OF.get(first, ()):
            arguments.options.append((name, None))
        elif at + 1 < len(text) or not word.known:
            arguments.options.append((name, type(word)(text[at + 1 :], word.known, word.glob, word.origin)))
            return place
        else:
            return _valued(name, words, place, arguments, str(role))
    return place


def _named_in_rules(spec: dict[str, Any]) -> set[str]:
    rules = spec.get("rules") or ()
    found = {name for rule in rules for key in ("any", "all", "unless") for name in rule.get(key) or ()}
    found |= {
        name for key in ("recursive", "deletes", "unless", "target") if isinstance(spec.get(key), list) for name in spec[key]
    }
    return {name for name in found if name.startswith("--")}
