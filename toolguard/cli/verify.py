"""Check that a ledger was not altered, and name the first record where it was.

A chain alone cannot show that records were cut off its end, or that all of it was written anew. Note the head that this
command prints somewhere else, and give it back with --head.

Exit codes: 0 intact, 5 not intact, 1 the file cannot be read.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from toolguard.cli.terminal import OK, VERIFICATION_FAILED, UsageError, counted, paint, print_json
from toolguard.guard import verify

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which ledger, and what is known about it."""
    parser.add_argument("ledger", metavar="FILE", help="the ledger's SQLite file")
    parser.add_argument("--head", metavar="SEQ:HASH", help="a head printed earlier: the ledger has to contain it")


def run(args: argparse.Namespace) -> int:
    """Follow the chain and report."""
    try:
        report = verify(args.ledger, args.head)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if args.json:
        print_json(asdict(report))
    elif report.intact:
        print(f"{paint('intact', 'good')}: {counted(report.trusted, 'record', 'records')}; head {report.head}")
    else:
        print(f"{paint('NOT INTACT', 'bad')}: {report.finding}")
        print(f"before it {counted(report.trusted, 'record holds', 'records hold')}")
    return OK if report.intact else VERIFICATION_FAILED
