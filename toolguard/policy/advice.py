"""What `toolguard lint` can find: the registry of checks, and what a check looks at.

To add one: a decorated function in the `checks_*.py` that fits, and its cases in `tests/cases/lint.yaml`. The documentation,
SARIF and the tests read the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from toolguard.policy.condition import Leaf, parts
from toolguard.policy.document import roots_of
from toolguard.policy.fields import parse_field

if TYPE_CHECKING:
    from toolguard.policy.document import Policy, Rule
    from toolguard.policy.fields import Field
    from toolguard.policy.load import Document

Path = tuple[str | int, ...]
Tools = Mapping[str, frozenset[str] | None]
"""The parameters of each tool, by its name in lower case (`casefold`); None for one that takes any."""


class Severity(StrEnum):
    """An error keeps the policy from loading, a warning is most likely a mistake, a note is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found in one place of a policy. `line` and `column` are as in `errors.Problem`."""

    code: str
    severity: Severity
    message: str
    remedy: str
    source: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """One valid policy as it is written, with all that are loaded together with it (itself included)."""

    document: Document
    policy: Policy
    together: tuple[Policy, ...]
    tools: Tools | None = None

    def rules(self) -> Iterator[tuple[Path, Rule]]:
        """The rules that are in force, each with its path."""
        return ((("rules", i), rule) for i, rule in enumerate(self.policy.rules) if rule.enabled)

    def leaves(self) -> Iterator[tuple[Path, Rule, Leaf]]:
        """Every leaf of every rule in force, with its path and its rule."""
        for path, rule in self.rules():
            for below, node in parts(rule.conditions):
                if isinstance(node, Leaf):
                    yield (*path, "conditions", *below), rule, node

    def field(self, text: str) -> Field:
        """A field that a condition of the policy names."""
        return parse_field(text, roots_of(self.policy))


Advice = Iterable[tuple[Path, str]]  # a place in the document, and what is wrong there


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that can be found. `run` is None for what loading a policy finds by itself."""

    code: str
    severity: Severity
    remedy: str
    doc: str
    run: Callable[[Written], Advice] | None = None


CHECKS: dict[str, Check] = {}


def check(code: str, severity: Severity, remedy: str) -> Callable[[Callable[[Written], Advice]], Callable[[Written], Advice]]:
    """Register a function that yields what it finds in one policy; its docstring says what the finding means."""

    def register(run: Callable[[Written], Advice]) -> Callable[[Written], Advice]:
        CHECKS[code] = Check(code, severity, remedy, " ".join((run.__doc__ or "").split()), run)
        return run

    return register


def _told_by_loading(code: str, remedy: str, doc: str) -> None:
    CHECKS[code] = Check(code, Severity.ERROR, remedy, doc)


_told_by_loading(
    "structural-validation",
    "write it as docs/policies.md says; `toolguard lint --fix` corrects wrong letter case and blanks",
    "The file is not a policy: not YAML, an unknown key, a value of the wrong type, something missing.",
)
_told_by_loading(
    "unknown-operator",
    "use one of the operators of docs/policies.md; `toolguard lint --fix` turns symbols such as `>=` into their names",
    "A condition uses an operator that does not exist.",
)
_told_by_loading(
    "invalid-regex-syntax",
    "write the pattern in RE2 syntax: no look-around, no back-references",
    "The pattern of a `regex` is not one that RE2 accepts.",
)
_told_by_loading(
    "rule-id-collision",
    "give each rule of the policy an id of its own",
    "Two rules of one policy have the same `rule_id`, so a record could not say which of them fired.",
)
_told_by_loading(
    "limit-id-collision",
    "give each limit an id of its own",
    "Two limits have the same `limit_id`, so that neither a field nor a record could say which of them is meant.",
)
_told_by_loading(
    "policy-id-collision",
    "give each policy an id of its own, or load only one of the files",
    "Two policies that are loaded together have the same `policy_id`, so a record could not say which of them decided.",
)
