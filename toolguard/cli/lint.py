"""Check policy files: everything that would stop them from loading, with file, line and column.

Exit codes: 0 the policies load, 6 they do not.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.cli.terminal import OK, POLICY_REFUSED, counted, paint, print_json
from toolguard.errors import PolicyError
from toolguard.policy.load import load_policies

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which policies."""
    parser.add_argument("policy", nargs="+", metavar="P", help="a policy file or folder")


def run(args: argparse.Namespace) -> int:
    """Report every problem, or what was found to be fine."""
    try:
        policies = load_policies([Path(path) for path in args.policy])
    except PolicyError as error:
        if args.json:
            print_json({"ok": False, "problems": [asdict(problem) for problem in error.problems]})
        else:
            print("\n".join(map(str, error.problems)))
        return POLICY_REFUSED
    rules = sum(len(policy.rules) for policy in policies)
    if args.json:
        print_json({"ok": True, "policies": len(policies), "rules": rules, "problems": []})
    else:
        print(f"{paint('ok', 'good')}: {counted(len(policies), 'policy', 'policies')} with {counted(rules, 'rule', 'rules')}")
    return OK
