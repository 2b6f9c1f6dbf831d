"""Show what is halted in a ledger, and what a halt cannot stop.

Exit codes: 0 nothing is halted, 3 something is.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.select import shown_time
from toolguard.cli.terminal import DENIED, OK, print_json
from toolguard.halt import ordered
from toolguard.model import printable
from toolguard.stores.file import read_halts

if TYPE_CHECKING:
    import argparse

LIMITS = "A call that is inside a C function, or swallows its cancellation, ends by itself; end its process to be certain."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which ledger."""
    parser.add_argument("ledger", metavar="LEDGER", help="the ledger's SQLite file")


def run(args: argparse.Namespace) -> int:
    """Show it."""
    halts = ordered(read_halts(Path(args.ledger)))
    if args.json:
        print_json({"halts": [asdict(halt) for halt in halts]})
    elif not halts:
        print("nothing is halted")
    else:
        for halt in halts:
            print(printable(f"{halt.level:10} {halt.scope:20} since {shown_time(halt.time)} by {halt.by}: {halt.reason}"))
        print(LIMITS)
    return DENIED if halts else OK
