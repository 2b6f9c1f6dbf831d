"""Check policies: what would stop them from loading, and advice on what they say, each with file, line and column.

--fix corrects what is certain (letter case, symbols for operators, yes for true, blanks around names) in the files themselves,
never in packs. What each finding means is in docs/lint.md.

Exit codes: 0 nothing of severity error (with --strict: nor a warning), 6 otherwise.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolguard.cli.sarif import sarif
from toolguard.cli.terminal import OK, POLICY_REFUSED, UsageError, counted, paint, print_json
from toolguard.cli.tools import tools_of
from toolguard.policy.advice import Severity
from toolguard.policy.fix import fixed
from toolguard.policy.lint import lint
from toolguard.policy.load import MAX_BYTES, pack_files, pack_path, policy_files
from toolguard.policy.strict import STRUCTURE
from toolguard.release import version
from toolguard.text import printable

if TYPE_CHECKING:
    import argparse

    from toolguard.policy.lint import Report

_COLOURS = {Severity.ERROR: "bad", Severity.WARNING: "flag", Severity.NOTE: "dim"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which policies, and how to report."""
    parser.add_argument("policy", nargs="*", metavar="P", help="a policy file or folder")
    parser.add_argument("--pack", action="append", default=[], metavar="NAME", help="a starter policy; repeatable")
    parser.add_argument("--tools", metavar="MODULE:REGISTRY", help="the program's tools, to check parameters' names")
    parser.add_argument("--fix", action="store_true", help="correct what is certain, in place")
    parser.add_argument("--strict", action="store_true", help="take warnings for errors")
    parser.add_argument("--format", choices=["text", "json", "sarif"], default="text", help="how to report (default: text)")


def run(args: argparse.Namespace) -> int:
    """Correct if asked to, then report what there is."""
    if not args.policy and not args.pack:
        raise UsageError("say which policies: a FILE or a folder, or --pack NAME")
    paths = [Path(path) for path in args.policy]
    tools = tools_of(args.tools) if args.tools else None
    packs = pack_files(*args.pack)
    fixes = [fix for path in policy_files(paths) for fix in _fix(path)] if args.fix else []
    report = lint([*paths, *packs], tools)
    failing = (Severity.ERROR, Severity.WARNING) if args.strict else (Severity.ERROR,)
    failed = any(finding.severity in failing for finding in report.findings)
    _print(report, fixes, "json" if args.json else args.format, failed=failed)
    return POLICY_REFUSED if failed else OK


# -- output ------------------------------------------------------------------------------------------------------------


def _print(report: Report, fixes: list[dict[str, Any]], form: str, *, failed: bool) -> None:
    if form == "sarif":
        print_json(sarif(report.findings, version()))
    elif form == "json":
        findings = [asdict(finding) for finding in report.findings]
        rules = sum(len(policy.rules) for policy in report.policies)
        counts = {"policies": len(report.policies), "rules": rules}
        print_json({"ok": not failed, **counts, "findings": findings, "fixed": fixes})
    else:
        print("\n".join(_lines(report, fixes, failed=failed)))


def _lines(report: Report, fixes: list[dict[str, Any]], *, failed: bool) -> list[str]:
    lines = [
        printable(f"{fix['source']}:{fix['line']}:{fix['column']}: fixed: `{fix['old']}` -> `{fix['new']}`") for fix in fixes
    ]
    told: set[str] = set()
    for _, of_file in groupby(report.findings, key=lambda finding: finding.source):
        for finding in of_file:
            place = ":".join(str(part) for part in (finding.source, finding.line, finding.column) if part is not None)
            said = printable(f"{finding.code}: {finding.message}")
            lines.append(f"{printable(place)}: {paint(finding.severity, _COLOURS[finding.severity])} {said}")
            if finding.code not in told and finding.code != STRUCTURE:  # those say all there is to say themselves
                lines.append(f"    {finding.remedy}")
            told.add(finding.code)
        lines.append("")
    return [*lines, _summary(report, failed=failed)]


def _summary(report: Report, *, failed: bool) -> str:
    rules = sum(len(policy.rules) for policy in report.policies)
    what = f"{counted(len(report.policies), 'policy', 'policies')} with {counted(rules, 'rule', 'rules')}"
    severities = [finding.severity for finding in report.findings]
    found = [counted(severities.count(each), each, f"{each}s") for each in Severity if each in severities]
    if Severity.ERROR in severities:
        return f"{paint('refused', 'bad')}: {', '.join(found)}"
    if failed:
        return f"{paint('not ok', 'bad')}: {what}; {', '.join(found)}, and --strict takes warnings for errors"
    return f"{paint('ok', 'good')}: {what}" + (f"; {', '.join(found)}" if found else "")


# -- correcting --------------------------------------------------------------------------------------------------------


def _fix(path: Path) -> list[dict[str, Any]]:
    """Correct one file, and say what was corrected. A link, a pack's file, and what is no text or too large stay."""
    real = path.resolve()
    if (
        path.is_symlink()
        or not real.is_file()
        or real.stat().st_size > MAX_BYTES
        or real.is_relative_to(pack_path("payments").parent.resolve())
    ):
        return []
    try:
        text = real.read_bytes().decode()
    except UnicodeDecodeError:
        return []
    made, fixes = fixed(text)
    if fixes:
        _replace(real, made.encode())
    return [{"source": str(path), **asdict(fix)} for fix in fixes]


def _replace(path: Path, data: bytes) -> None:
    """Write the file anew in one step, with the mode it has."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
