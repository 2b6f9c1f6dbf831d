"""What `toolguard lint` says about single words of a policy: names, patterns, values that are not what they seem."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from toolguard.operators import OPERATORS, field_operand
from toolguard.policy.advice import Severity, check
from toolguard.policy.fields import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.policy.advice import Advice, Path, Tools, Written
    from toolguard.policy.condition import Leaf


# -- names -------------------------------------------------------------------------------------------------------------


@check("unknown-parameter", Severity.WARNING, remedy="write the parameter's name as in the tool's signature")
def unknown_parameter(written: Written) -> Advice:
    """With `--tools`: no tool that the policy covers has such a parameter, so the condition never sees a value."""
    parameters = _parameters_in_scope(written)
    if parameters is None:
        return
    for path, _, leaf in written.leaves():
        for key, text in _field_texts(leaf):
            field = written.field(text)
            if field.root == "parameters" and field.steps[0] not in parameters:
                known = ", ".join(sorted(parameters)) or "none"
                yield (*path, key), f"no tool in the scope has a parameter `{field.steps[0]}` (known: {known})"


def _parameters_in_scope(written: Written) -> frozenset[str] | None:
    """The parameters of all tools that the policy may cover; None if that cannot be told."""
    tools, scope = written.tools, written.policy.scope
    if not tools:
        return None
    by_name = [tools[name.casefold()] for name in scope.tool_names if name.casefold() in tools]
    covered = by_name if scope.tool_names and not scope.tool_groups else list(tools.values())  # groups are the program's to say
    known = [parameters for parameters in covered if parameters is not None]
    return frozenset().union(*known) if known and len(known) == len(covered) else None


def _field_texts(leaf: Leaf) -> Iterator[tuple[str, str]]:
    yield "field", leaf.field
    if OPERATORS[leaf.operator].operand is field_operand:
        yield "value", leaf.value


@check("misspelt-root", Severity.WARNING, remedy="write the known name, or `parameters.NAME` if the parameter is meant")
def misspelt_root(written: Written) -> Advice:
    """A bare name that is nearly one of the call's identity fields. It reads a parameter, which the model writes."""
    for path, _, leaf in written.leaves():
        for key, text in _field_texts(leaf):
            near = next((name for name in IDENTITY if _is_nearly(text, name)), None)
            if near and written.field(text).root == "parameters" and not _is_parameter(text, written.tools):
                yield (*path, key), f"`{text}` reads a parameter of that name; did you mean `{near}`?"


def _is_parameter(name: str, tools: Tools | None) -> bool:
    return any(parameters and name in parameters for parameters in (tools or {}).values())


def _is_nearly(text: str, name: str) -> bool:
    """One slip away: a letter too many or too few, two swapped, other separators; in long names also one wrong letter.

    More would take real names for slips: `to_name`, `log_id` and `cell_id` are parameters.
    """
    if text == name or text[:1].casefold() != name[0]:
        return False
    if re.sub(r"[-_]", "", text).casefold() == name.replace("_", ""):
        return True
    shorter, longer = sorted((text, name), key=len)
    if len(longer) - len(shorter) == 1:
        return any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
    different = [i for i, (one, other) in enumerate(zip(text, name, strict=False)) if one != other]
    if len(text) != len(name) or len(different) > 2:  # noqa: PLR2004 - two letters swapped
        return False
    swapped = len(different) == 2 and sorted(text[i] for i in different) == sorted(name[i] for i in different)  # noqa: PLR2004
    return (swapped and different[1] - different[0] == 1) or (len(different) == 1 and len(name) >= len("tool_name"))


# -- values ------------------------------------------------------------------------------------------------------------

_BOOLEAN_WORD = re.compile(r"""(?:value[ \t]*:[ \t]*)?(yes|no|on|off)(?=[ \t]*(?:[,}\]#\r\n]|$))""", re.IGNORECASE)


@check("yaml-boolean-word", Severity.WARNING, remedy="write true or false, or put the word in quotes if text is meant")
def yaml_boolean_word(written: Written) -> Advice:
    """`yes`, `no`, `on` and `off` without quotes are text here (YAML 1.2), and booleans for older YAML readers."""
    for path, _, leaf in written.leaves():
        places = [(*path, "value", i) for i in range(len(leaf.value))] if isinstance(leaf.value, list) else [(*path, "value")]
        for place in places:
            at = written.document.offset(place)
            word = None if at is None else _BOOLEAN_WORD.match(written.document.text, at)
            if word:
                yield place, f"`{word[1]}` is text here, not {str(word[1].lower() in ('yes', 'on')).lower()}"


@check("host-with-capitals", Severity.WARNING, remedy="write it in lower case")
def host_with_capitals(written: Written) -> Advice:
    """The facts of a URL have host and scheme in lower case, so a text with capitals equals none of them."""
    for path, _, leaf in written.leaves():
        field = written.field(leaf.field)
        if "url" not in written.policy.facts.get(field.root, {}) or field.steps[0] not in ("host", "scheme"):
            continue
        texts = leaf.value if isinstance(leaf.value, list) else [leaf.value]
        wrong = [text for text in texts if isinstance(text, str) and text != text.lower()]
        if wrong and leaf.operator != "regex":
            yield (*path, "value"), f"`{leaf.field}` is always in lower case, so `{wrong[0]}` never matches"


# -- patterns ----------------------------------------------------------------------------------------------------------

_ATOM = r"(?:\\[A-Za-z]|\[[^\]\\]{1,100}\]|[A-Za-z0-9.])"
_NESTED = re.compile(rf"\((?:\?:|\?P<\w+>)?{_ATOM}[+*](?:{_ATOM}[?*])*\)(?:[+*]|\{{\d+,\}})")
_REPEATED = re.compile(r"\{\d*,?(\d+)\}")
MANY_TIMES = 500  # RE2 writes a repetition out, and refuses more than 1000
_DOMAIN = re.compile(r"(?<![a-z0-9-])[a-z0-9-]{2,63}\.(?:com|org|net|edu|gov|io|dev|example|internal)(?![\w+*?{-])")


def _patterns(written: Written) -> Iterator[tuple[Path, str]]:
    return (((*path, "value"), leaf.value) for path, _, leaf in written.leaves() if leaf.operator == "regex")


@check("runaway-regex", Severity.NOTE, remedy="repeat once, as in `a+` for `(a+)+`, or bound the length in the tool")
def runaway_regex(written: Written) -> Advice:
    """A repetition inside a repetition, or one of hundreds of times. RE2 stays linear but needs memory; other engines hang."""
    for path, text in _patterns(written):
        if nested := _NESTED.search(text):
            yield path, f"`{nested[0]}` repeats a repetition: linear here, exponential in engines that backtrack"
        elif many := next((each for each in _REPEATED.finditer(text) if int(each[1]) >= MANY_TIMES), None):
            yield path, f"`{many[0]}` is written out that many times, which takes memory"


@check("unescaped-dot", Severity.WARNING, remedy=r"write `\.` for a dot")
def unescaped_dot(written: Written) -> Advice:
    """A domain in a pattern with a plain dot, which stands for any character: `example.com` matches `exampleXcom` as well."""
    for path, text in _patterns(written):
        outside = re.sub(r"\[[^\]]{0,200}\]", "[]", text)
        if found := _DOMAIN.search(outside):
            yield path, f"the dot of `{found[0]}` stands for any character"


# -- secrets -----------------------------------------------------------------------------------------------------------

# Every repetition is bounded, or begins where no other can: a policy of a megabyte is read in a moment.
_SECRETS = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)(?![A-Z0-9]{0,9}EXAMPLE)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16,}"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})\b"),
    "a Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9]{8,}-[A-Za-z0-9-]{8,}"),
    "an API key": re.compile(r"\bsk-(?:proj-|ant-|live_)?(?=[A-Za-z0-9_-]{0,64}\d)[A-Za-z0-9_-]{24}"),
    "a password": re.compile(
        r"(?i)\b(?:password|passwd|pwd)\s*[=:]\s*(?!.{0,64}(?:\*\*|xxx|\bexample))[\w!@#%&/~-]{8,64}(?![\w\\\[(*+?{])"
    ),
}


@check("secret-in-policy", Severity.WARNING, remedy="take it out, and change it: whoever reads the policy has read it")
def secret_in_policy(written: Written) -> Advice:
    """A text that looks like a key, a token or a password. Policies are read, shared and recorded."""
    data = written.document.data
    for path, text in _texts(written.policy.canonical() if data is None else data):
        kind = next((kind for kind, pattern in _SECRETS.items() if pattern.search(text)), None)
        if kind:
            yield path, f"this looks like {kind}"


def _texts(data: Any) -> Iterator[tuple[Path, str]]:
    stack: list[tuple[Path, Any]] = [((), data)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            stack += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, (list, tuple)):
            stack += [((*path, index), inner) for index, inner in enumerate(value)]
