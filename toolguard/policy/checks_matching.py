"""What `toolguard lint` says about comparing texts: matches that let more through than they seem to, and that never match."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from toolguard.policy.advice import Severity, check
from toolguard.policy.reasoning import Group, Literal, node_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.policy.advice import Advice, Path, Written
    from toolguard.policy.condition import Leaf

_DOMAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+", re.IGNORECASE)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]+", re.IGNORECASE)
_ANCHORED = re.compile(r"(?:\(\?[a-zA-Z]+\))?(?:\^|\\A).*(?:\$|\\z)", re.DOTALL)
_INSIDE = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\([^()]*\)", re.DOTALL)


@check("loose-match", Severity.WARNING, remedy="compare all of it: `eq` or `in`, `.name` or `@name` at the end, `^...$`")
def loose_match(written: Written) -> Advice:
    """A call is let through because of what a text begins with, ends with or contains, and other texts do so, too."""
    for path, rule in written.rules():
        for literal in _literals(node_of(rule.conditions, written.policy)):
            leaf = literal.leaf
            lets_through = literal.holds == (rule.effect == "allow")
            if leaf is None or not isinstance(leaf.value, str):
                continue
            also = _also(leaf.operator, leaf.value, lets_through=lets_through)
            if also:
                yield (*path, "conditions", *literal.path, "value"), f"`{leaf.field}` lets a call through by {also}"


def _literals(node: Literal | Group) -> Iterator[Literal]:
    stack = [node]
    while stack:
        each = stack.pop()
        if isinstance(each, Literal):
            yield each
        else:
            stack += reversed(each.members)


def _also(operator: str, value: str, *, lets_through: bool) -> str | None:
    """What else this lets through, in words; None if nothing that is worth telling."""
    if operator == "not_contains":
        operator, lets_through = "contains", not lets_through
    if not lets_through:
        return None
    if operator == "ends_with" and _DOMAIN.fullmatch(value):
        return f"its end, and `x{value}` ends with `{value}`, too"
    if operator == "starts_with" and _ORIGIN.fullmatch(value):
        return f"its beginning, and `{value}.example` begins with `{value}`, too"
    if operator == "contains" and (_DOMAIN.fullmatch(value) or _ORIGIN.match(value)):
        return f"a part of it, and `https://x.example/?{value}` contains `{value}`, too"
    if operator == "regex" and not _is_anchored(value):
        return f"a part of it: `{value}` is looked for anywhere in the text"
    return None


def _is_anchored(pattern: str) -> bool:
    """Whether the pattern has to match all of a text: every alternative outside of brackets has both anchors."""
    outside = pattern
    while (shorter := _INSIDE.sub(lambda found: found[0] if found[0] in ("\\A", "\\z") else "", outside)) != outside:
        outside = shorter
    return all(_ANCHORED.fullmatch(part) for part in outside.split("|"))


@check("not-a-host", Severity.WARNING, remedy="write the name of the host alone, as in `api.example.com`")
def not_a_host(written: Written) -> Advice:
    """The host of a URL is compared with a text that no host can be: a whole URL, a host with a port, or one with a path."""
    for path, leaf in _about(written, "host"):
        texts = leaf.value if isinstance(leaf.value, list) else [leaf.value]
        wrong = [
            text for text in texts if isinstance(text, str) and (set(text) & set("/?#@ ") or re.search(r"^[^:]*:\d*$", text))
        ]
        if wrong and leaf.operator != "regex":
            yield (*path, "value"), f"no host is `{wrong[0]}`, so that this never matches"


@check(
    "fact-without-its-field", Severity.WARNING, remedy="say in `facts:` which field holds it, as in `method: parameters.method`"
)
def fact_without_its_field(written: Written) -> Advice:
    """A condition asks for the method of a request, and `facts:` does not say where it is: no call ever has one."""
    for path, leaf in _about(written, "method"):
        root = written.field(leaf.field).root
        if "method" not in written.policy.facts[root]:
            yield (*path, "field"), f"`{leaf.field}` is never known, because `facts: {root}:` names no field with the method"


def _about(written: Written, fact: str) -> Iterator[tuple[Path, Leaf]]:
    """The leaves that ask for this fact of a URL."""
    for path, _, leaf in written.leaves():
        field = written.field(leaf.field)
        binding: dict[str, Any] = written.policy.facts.get(field.root, {})
        if "url" in binding and field.steps[0] == fact:
            yield path, leaf
