"""Findings as SARIF 2.1.0, the form that code hosts and editors show beside the lines of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from toolguard.policy.advice import CHECKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolguard.policy.advice import Check, Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Iterable[Finding], version: str) -> dict[str, Any]:
    """One run of `toolguard lint` as a SARIF log; places are relative to the working directory."""
    driver = {"name": "toolguard", "version": version, "rules": [_rule(check) for check in CHECKS.values()]}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": [_result(each) for each in findings]}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(check: Check) -> dict[str, Any]:
    return {
        "id": check.code,
        "shortDescription": {"text": check.doc.split(". ")[0].removesuffix(".") + "."},
        "fullDescription": {"text": check.doc},
        "help": {"text": f"{check.remedy[:1].upper()}{check.remedy[1:]}."},
        "defaultConfiguration": {"level": check.severity.value},
    }


def _result(finding: Finding) -> dict[str, Any]:
    region = {"startLine": finding.line or 1, "startColumn": finding.column or 1}
    place = {"artifactLocation": {"uri": _uri(finding.source)}, "region": region}
    return {
        "ruleId": finding.code,
        "ruleIndex": list(CHECKS).index(finding.code),
        "level": finding.severity.value,
        "message": {"text": f"{finding.message}. {finding.remedy[:1].upper()}{finding.remedy[1:]}."},
        "locations": [{"physicalLocation": place}],
    }


def _uri(source: str) -> str:
    """Relative to the working directory, with forward slashes; a file elsewhere by its whole address."""
    try:
        path = Path(source).absolute()
        here = Path.cwd()
        return quote(path.relative_to(here).as_posix()) if path.is_relative_to(here) else path.as_uri()
    except ValueError:  # a path that no file can have
        return quote(source)
