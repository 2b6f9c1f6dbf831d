"""Everything worth saying about policies: what stops them from loading, and advice on those that load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolguard.policy import checks_conditions, checks_matching, checks_scope, checks_text
from toolguard.policy.advice import CHECKS, Finding, Written
from toolguard.policy.load import documents_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.errors import Problem
    from toolguard.policy.advice import Check, Tools
    from toolguard.policy.document import Policy

__all__ = [
    "CHECKS",
    "Report",
    "checks_conditions",
    "checks_matching",
    "checks_scope",
    "checks_text",
    "lint",
]  # importing checks registers them


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, in the order of the files, and the policies that are valid."""

    findings: tuple[Finding, ...]
    policies: tuple[Policy, ...]


def lint(source: Any, tools: Tools | None = None) -> Report:
    """Check whatever `load_policies` takes. Advice is on the policies as written; `tools` are those the agent has."""
    problems: list[Problem] = []
    documents = documents_of(source, problems)
    together = tuple(policy for _, policy in documents)
    findings = [_finding(problem, CHECKS[problem.code]) for problem in problems]
    for document, policy in documents:
        findings += _advice(Written(document, policy, together, tools))
    ordered = sorted(findings, key=lambda f: (f.source, f.line or 0, f.column or 0, f.code, f.message))
    return Report(tuple(ordered), together)


def _advice(written: Written) -> Iterator[Finding]:
    for check in CHECKS.values():
        for path, message in check.run(written) if check.run else ():
            yield _finding(written.document.problem(message, path, check.code), check)


def _finding(problem: Problem, check: Check) -> Finding:
    return Finding(check.code, check.severity, problem.message, check.remedy, problem.source, problem.line, problem.column)
