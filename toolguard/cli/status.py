"""Show what is halted in a ledger, what a halt cannot stop, and how limits stand (of policies that are given).

Exit codes: 0 nothing is halted, 3 something is.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.select import shown_time
from toolguard.cli.terminal import DENIED, OK, print_json
from toolguard.halt import ordered
from toolguard.stores.file import read_halts, read_state
from toolguard.text import printable, shown

if TYPE_CHECKING:
    import argparse

    from toolguard.limits import Standing

UNSTOPPABLE = "A call that is inside a C function, or swallows its cancellation, ends by itself; end its process to be certain."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which ledger."""
    parser.add_argument("ledger", metavar="LEDGER", help="the ledger's SQLite file")
    parser.add_argument("--policy", action="append", default=[], metavar="P", help="policies whose limits to show; repeatable")


def run(args: argparse.Namespace) -> int:
    """Show it."""
    halts = ordered(read_halts(Path(args.ledger)))
    stands = _standing(Path(args.ledger), args.policy) if args.policy else []
    if args.json:
        print_json({"halts": [asdict(halt) for halt in halts], "limits": [asdict(each) for each in stands]})
        return DENIED if halts else OK
    if not halts:
        print("nothing is halted")
    for halt in halts:
        print(printable(f"{halt.level:10} {halt.scope:20} since {shown_time(halt.time)} by {halt.by}: {halt.reason}"))
    if halts:
        print(UNSTOPPABLE)
    if args.policy and not stands:
        print("nothing of any limit is used")
    for each in stands:
        whose = f" by {shown(list(each.key))}" if each.key else ""
        print(printable(f"limit `{each.limit_id}`: {each.used} of {each.max} used ({each.window}){whose}"))
    return DENIED if halts else OK


def _standing(ledger: Path, policies: list[str]) -> list[Standing]:
    from toolguard.engine.compile import PolicySet  # noqa: PLC0415 - only to show limits are policies loaded
    from toolguard.limits import standing  # noqa: PLC0415
    from toolguard.policy.load import load_policies  # noqa: PLC0415

    return standing(PolicySet(load_policies(list(map(Path, policies)))), dict(read_state(ledger)), time.time_ns())
