r"""Where a path leads: the facts behind `{path: parameters.path, workspace: context.workspace, cwd: context.cwd}`.

By its text alone, and through the links on the disk: both have to lie inside. What programs would read differently (`~`,
`$HOME`, `%2e`, `file:`, `C:`, backslashes, patterns, control characters) is ambiguous, and where it leads is unknown. Where
the links lead is asked each time and never kept, and it can change before the tool opens the path:
`toolguard.paths.open_beneath` keeps the promise then.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from toolguard.classify import places
from toolguard.classify.base import Classifier, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_LENGTH = 4096  # bytes, as Linux has it; a part of a path has at most 255
MAX_PART = 255

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
# What some program between the model and the disk takes for something else than a part of a name.
_READ_OTHERWISE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("home", re.compile(r"~($|[A-Za-z_/])")),
    ("variable", re.compile(r"\$([A-Za-z_{(]|'|\")|%[A-Za-z_]\w+%")),
    ("encoded", re.compile(r"%[0-9A-Fa-f]{2}")),
    ("scheme", re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")),
    ("backslash", re.compile(r"\\")),
    ("pattern", re.compile(r"[*?]|\[[^\]]+\]|\{[^}]*[,.][^}]*\}|\{\w+\}")),
    ("quoted", re.compile(r"[\"'`]")),
    ("command", re.compile(r"\|\s*\w*sh\b|[;&]\s*\w|[<>]|\$\(")),
    ("option", re.compile(r"-")),
    ("remote", re.compile(r"[\w.-]+@[\w.-]+:")),
)
_SLASHES = frozenset("\u2044\u2215\u29f8\u29f9\u2216")  # which some code pages turn into a slash or a backslash
_AT_THE_BEGINNING = {"home", "scheme", "option", "remote"}


@dataclass(frozen=True, slots=True)
class PathFacts:
    """What is known of a path. None: not known, and `why_unknown` says why."""

    ambiguous: bool
    """Programs would disagree about what it names, or it is no path at all; where it leads is unknown then."""
    absolute: bool | None = None
    """Begins at the root."""
    lexical: str | None = None
    """From the root, `.` and `..` carried out by the text alone."""
    resolved: str | None = None
    """From the root, through every link; None where the disk could not say."""
    inside: bool | None = None
    """In the workspace, by its text and through every link."""
    escapes_by_symlink: bool | None = None
    """Inside by its text, and outside through a link."""
    place: str | None = None
    """`workspace`, `tmp`, `home`, `system`, `device`, `null` (such as `/dev/null`) or `outside`, through every link."""
    sensitive: bool | None = None
    """Keys, passwords, tokens or other secrets live there."""
    sensitive_kind: str | None = None
    """Of which kind: `ssh`, `cloud`, `env`, `keys`, `secret`, `system`, `browser`, `wallet`, `history` or `keychain`."""
    obeyed: bool | None = None
    """Others run or obey it later: start-up files, hooks, builds, CI, settings of agents, policies of the guard."""
    obeyed_kind: str | None = None
    """Who: `shell`, `startup`, `git`, `agent`, `guard`, `ssh`, `package`, `python`, `project`."""
    hidden: bool | None = None
    """One of its parts begins with a dot."""
    glob: bool | None = None
    """A pattern."""
    length: int = 0
    """How many characters it has."""
    reasons: tuple[str, ...] = ()
    """Why it is ambiguous: `home`, `variable`, `encoded`, `scheme`, `backslash`, `pattern`, `control_char`, `look_alike` ..."""
    why_unknown: str = ""


def _nowhere(_: str) -> str | None:
    return None


_resolve: list[Callable[[str], str | None]] = [_nowhere]


def resolve_with(resolve: Callable[[str], str | None]) -> None:
    """Give the function that follows the links of a path: an absolute path to the real one, or None where that fails.

    Facts know no disk; the package gives `toolguard.paths.real`. Until then, and where it fails, nothing is inside.
    """
    _resolve[0] = resolve


def resolve(absolute: str) -> str | None:
    """The path through every link; None where the disk could not say."""
    return _resolve[0](absolute)


def classify(text: str, workspace: Any = None, cwd: Any = None, home: Any = None) -> PathFacts:
    """The facts of one path; the settings are absolute paths. One that does not begin at the root begins at `cwd`."""
    roots = [each if isinstance(each, str) and each.startswith("/") else None for each in (workspace, cwd, home)]
    reasons = _doubts(text)
    if reasons:
        return _unclear(text, reasons)
    base = roots[1] or roots[0]
    if not text.startswith("/") and base is None:
        return PathFacts(
            ambiguous=False, absolute=False, length=len(text), why_unknown="is a path of which nobody says where it begins"
        )
    joined = posixpath.join(base or "/", text)
    lexical = places.clean(joined)
    resolved = _resolve[0](joined)
    return _facts(text, lexical, resolved, roots[0], roots[2])


def _facts(text: str, lexical: str, resolved: str | None, workspace: str | None, home: str | None) -> PathFacts:
    real_workspace = _resolve[0](workspace) if workspace else None
    by_text = workspace is not None and places.is_below(lexical, workspace)
    inside: bool | None = False
    if resolved is None or (workspace and real_workspace is None):
        inside = None if by_text else False
    elif real_workspace:
        inside = places.is_below(resolved, real_workspace) and (by_text or places.is_below(lexical, real_workspace))
    secret = _first(places.secret_kind, lexical, resolved)
    obeyed = _first(lambda path: places.obeyed_kind(path) or project_kind(path), lexical, resolved)
    around = places.Surroundings(real_workspace or workspace, home)
    return PathFacts(
        ambiguous=False,
        absolute=text.startswith("/"),
        lexical=lexical,
        resolved=resolved,
        inside=inside,
        escapes_by_symlink=None if inside is None and by_text else bool(by_text and inside is False),
        place=places.place_of(resolved, around) if resolved else None,
        sensitive=secret is not None if resolved or secret else None,
        sensitive_kind=secret,
        obeyed=obeyed is not None if resolved or obeyed else None,
        obeyed_kind=obeyed,
        hidden=any(part.startswith(".") and part not in (".", "..") for part in text.split("/")),
        glob=False,
        length=len(text),
        why_unknown="" if resolved else "is a path of which the disk could not say where it leads",
    )


def _first(kind_of: Callable[[str], str | None], *paths: str | None) -> str | None:
    """The kind of the first of the paths, in any of the forms that a file system may take for it, that has one."""
    forms = dict.fromkeys(form for path in paths if path for form in (path, unicodedata.normalize("NFKC", path).rstrip(" .")))
    return next((kind for form in forms if form and (kind := kind_of(form)) is not None), None)


_PROJECT = re.compile(
    r"(^|/)(makefile|gnumakefile|justfile|rakefile|package\.json|conftest\.py|setup\.py|noxfile\.py|tox\.ini|jenkinsfile|"
    r"\.gitlab-ci\.ya?ml|\.travis\.yml|azure-pipelines\.ya?ml|bitbucket-pipelines\.yml|\.pre-commit-config\.yaml|\.mcp\.json|"
    r"lefthook\.ya?ml|\.envrc|dangerfile|build\.gradle(\.kts)?|pom\.xml|cargo\.toml|build\.rs)$|"
    r"(^|/)(\.github/(workflows|actions)|\.husky|\.circleci|\.buildkite|\.devcontainer)/|(^|/)\.vscode/(tasks|launch|settings)\.json$"
)


def project_kind(path: str) -> str | None:
    """What builds, tests and editors of a project run by themselves."""
    return "project" if _PROJECT.search(path.lower()) else None


# -- what may be read otherwise --------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _doubts(text: str) -> tuple[str, ...]:
    """Why programs may disagree about what the text names; empty where they do not."""
    if not text or not text.strip():
        return ("empty",)
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) > MAX_LENGTH or any(len(part) > MAX_PART for part in encoded.split(b"/")):
        return ("too_long",)
    found = ["control_char"] if _CONTROL.search(text) else []
    for name, pattern in _READ_OTHERWISE:
        if pattern.match(text) if name in _AT_THE_BEGINNING else pattern.search(text):
            found.append(name)
    if text != text.strip():
        found.append("blank")
    if _looks_alike(text):
        found.append("look_alike")
    return tuple(found)


def _looks_alike(text: str) -> bool:
    """Signs that become others when a program normalises the text, dots and slashes among them, or pass for Latin letters."""
    folded = unicodedata.normalize("NFKC", text)
    plain = unicodedata.normalize("NFC", text)
    if folded != plain and (set(folded) - set(plain)) & set("./\\:~$%*abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        return True
    if not _SLASHES.isdisjoint(text):
        return True
    return any("LATIN LETTER SMALL CAPITAL" in unicodedata.name(sign, "") for sign in text if ord(sign) > 127)  # noqa: PLR2004


def _unclear(text: str, reasons: tuple[str, ...]) -> PathFacts:
    secret = _first(places.secret_kind, unicodedata.normalize("NFKC", text[:MAX_LENGTH]))
    return PathFacts(
        ambiguous=True,
        sensitive=True if secret else None,
        sensitive_kind=secret,
        glob=True if "pattern" in reasons else None,
        length=len(text),
        reasons=reasons,
        why_unknown=f"is a path that programs read differently ({', '.join(reasons)})",
    )


def _in_words(facts: PathFacts) -> Iterator[str]:
    if facts.ambiguous:
        yield f"nobody can say for certain what it names: {', '.join(facts.reasons)}"
    elif facts.resolved:
        yield f"it leads to {facts.resolved}" + ("" if facts.inside else ", outside of the workspace")
    else:
        yield "nobody can say where it leads"
    if facts.escapes_by_symlink:
        yield "it leaves the workspace through a link"
    if facts.sensitive:
        yield f"secrets live there ({facts.sensitive_kind})"
    if facts.obeyed:
        yield f"it is run or obeyed later ({facts.obeyed_kind})"


CLASSIFIER = Classifier(
    "path",
    "Where a path leads.",
    PathFacts,
    classify,
    (
        Setting(
            "workspace", "The folder that the agent may work in: an absolute path, or the field that holds it.", optional=True
        ),
        Setting(
            "cwd", "The folder in which a relative path begins, likewise; the workspace where it is left out.", optional=True
        ),
        Setting("home", "The user's home folder, likewise.", optional=True),
    ),
    _in_words,
)
