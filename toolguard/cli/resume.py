"""Lift a halt of exactly this scope; others stay in force.

Exit codes: 0 lifted (it is on record), 1 it is not halted, or that could not be recorded and it stays so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.cli.halt import switched
from toolguard.halt import GLOBAL

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, and on whose word."""
    parser.add_argument("ledger", metavar="LEDGER", help="the ledger's SQLite file")
    parser.add_argument("--scope", default=GLOBAL, help="as it was halted; `toolguard status` shows it")
    parser.add_argument("--by", required=True, metavar="WHO", help="who decided it; recorded")
    parser.add_argument("--reason", required=True, help="why; recorded")


def run(args: argparse.Namespace) -> int:
    """Lift it."""
    return switched(args, "resume", {"reason": args.reason, "by": args.by}, None)
