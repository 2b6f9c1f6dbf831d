"""Show how one call is decided: every rule that could apply, and what each part of its conditions saw.

A call is JSON as for `toolguard evaluate`. The values of parameters are shown, and they may be secret.

Exit codes: 0 allowed or flagged, 2 usage, 3 denied, 4 escalated, 6 a policy was refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.cli.evaluate import add_policies, call_in, guard_for
from toolguard.cli.terminal import EXIT_CODES, paint, print_json
from toolguard.stores.given import MEMORY

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Policies and the call."""
    add_policies(parser)
    parser.add_argument("--call", metavar="C.json", required=True, help="a file with one call, `-` for standard input")


def run(args: argparse.Namespace) -> int:
    """Decide one call, without a record, and draw how."""
    with guard_for(args, ledger=MEMORY) as guard:
        decision = call_in(args.call, guard)
    explanation = decision.explain()
    if args.json:
        print_json(explanation.to_dict())
    else:
        print("\n".join(explanation.lines(paint)))
    return EXIT_CODES[decision.verdict]
